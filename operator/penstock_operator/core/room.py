"""Room in a namespace: how many Jobs of runs may live there at a time, and who takes a place that is free.

The bound is the namespace's or the installation's. Older runs come first: a younger one leaves them the
places that they claim.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from penstock_operator.core.classify import has_succeeded
from penstock_operator.core.context import RunContext
from penstock_operator.core.observed import Refusal, RunObject
from penstock_operator.core.record import leaves
from penstock_operator.core.settings import Settings
from penstock_spec.defaults import Defaults
from penstock_spec.names import Reason, StatusWord
from penstock_spec.status import StepState

_MAY_HAVE_A_JOB = (StepState.QUEUED, StepState.STARTING, StepState.RUNNING)


def full(context: RunContext, name: str) -> Refusal | None:
    """Why the Job of this name has to wait; None where it may be made, or is there already."""
    limit, namespace = limit_of(context.observed.defaults, context.settings), context.namespace
    if not limit or context.job(name) is not None:
        return None
    # Also those that this very pass asks for, and those that no cache shows yet.
    ours = {one.job for one in leaves(context.records) if one.job and one.state in _MAY_HAVE_A_JOB}
    unseen = {one for one in ours if context.job(one) is None}
    taken = (context.observed.live_jobs | unseen) - _spent(context)
    if len(taken) + context.observed.older_claims < limit:
        return None
    jobs = "Job" if limit == 1 else "Jobs"
    said = f"waits for a place: {limit} {jobs} of runs may live in namespace {namespace} at a time"
    return Refusal(Reason.NAMESPACE_FULL, f"{said}, older runs first")


def _spent(context: RunContext) -> frozenset[str]:
    """The run's own Jobs that have done their work: the Job controller says so a moment later, and until then
    what follows upon them would wait for a place that nothing takes. A pod that failed is no such sign: what
    a queueing system takes back goes on later.
    """
    own = ((name, context.job(name)) for name in context.observed.live_jobs)
    return frozenset(name for name, job in own if job is not None and has_succeeded(job))


def limit_of(defaults: Defaults, settings: Settings) -> int:
    """The bound as it is now: the namespace's own, else the installation's; 0: none."""
    own = defaults.values.jobs.max_parallel
    return settings.max_parallel if own is None else own


def claims(run: RunObject) -> int:
    """How many attempts of the run wait for a place. One that may not start now claims none."""
    return len(_claiming(run))


def lasting_claims(run: RunObject) -> int:
    """How many of these are worth a write when they change. What claims one for its next cell comes and goes
    with each of a thousand, between the step's own bound and the namespace's.
    """
    return sum(1 for one in _claiming(run) if not one.get("cells"))


def _claiming(run: RunObject) -> Sequence[Mapping[str, Any]]:
    # One that is part of a suspended run is not suspended itself, but says that it is held.
    held = run.holds or run.status.get("status") == StatusWord.SUSPENDED
    if run.finished or held or run.cancel or run.meta.deleting:
        return ()
    waiting = (str(StepState.QUEUED), str(StepState.RETRYING))
    steps = run.status.get("steps") or ()
    full = [one for one in steps if one.get("reason") == Reason.NAMESPACE_FULL]
    # A step of which other cells run claims a place for the next one.
    return [one for one in full if one["state"] in waiting or one.get("cells")]


def older_claims(run: RunObject, waiting: Iterable[RunObject]) -> int:
    """How many places the older ones of the namespace's waiting runs claim."""
    return sum(claims(one) for one in waiting if age(one) < age(run))


def age(run: RunObject) -> tuple[float, str]:
    """What runs are ordered by: the older one first, then the smaller name."""
    return run.meta.created.timestamp(), run.meta.name
