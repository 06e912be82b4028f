"""Reuse: what an earlier run has made from exactly the same is not made again. Prefer running again to
guessing.
"""

from collections.abc import Iterator
from dataclasses import replace

from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.earlier import Earlier
from penstock_operator.core.gates import renewed
from penstock_operator.core.history import registered_steps
from penstock_operator.core.record import StepRecord
from penstock_operator.core.times import after, age, read
from penstock_operator.core.work import Work, job_name, work_of
from penstock_spec.base import seconds_of
from penstock_spec.contract import Known
from penstock_spec.digest import key_of, reusable_image, same_digest
from penstock_spec.names import FailureClass, Reason
from penstock_spec.reuse import Reuse, ReusePolicy, RunReuse
from penstock_spec.status import StepState


def reuses(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a step whose digest is known takes over the outputs, without a Job. An ingest has to look at its
    source.
    """
    if record.state is not StepState.WAITING or record.kind == "ingest":
        return None
    if context.pipeline.always(record.name):
        return None  # it is about this run
    lost = context.records[record.name].failure_class == FailureClass.INPUT_MISSING
    if lost and context.pipeline.repeated(record.name):
        return None  # iterations before it had to be made again, and who waits for that waits for this one
    if not record.attempt and context.job(job_name(context, record, 1)) is not None:
        return None  # it has begun, and who wrote that down has died: the model it has made is its own
    work = work_of(context, record)
    found = find_earlier(context, record, work)
    if found is None:
        return None
    taken = reused(context, replace(record, digest=work.digest), found)
    return Decision(taken, actions=renewed(context, taken) if record.kind == "validate" else ())


def reused(context: RunContext, record: StepRecord, found: Earlier, because: str = "") -> StepRecord:
    """The step's final entry: everything as the earlier run recorded it."""
    return replace(
        record,
        state=StepState.REUSED,
        reason=Reason.UNCHANGED,
        message="",
        made_at=found.made,
        why=f"output reused from {found.whence(record.name)}{because}",
        outputs=dict(found.outputs),
        results=dict(found.results),
        counts=dict(found.counts),
        metrics=dict(found.metrics),
        verdict=found.verdict,
        model_version=found.model_version,
        source_revision=found.source_revision or record.source_revision,
        image=found.image,
        started_at=record.started_at or context.stamp,
        finished_at=context.stamp,
    )


def find_earlier(context: RunContext, record: StepRecord, work: Work) -> Earlier | None:
    """The newest earlier step that did exactly this and whose result is whole and may be taken over; None
    where it must run.
    """
    policy = _policy(context, record)
    if not reusable_image(work.resolved.image) and policy.policy is not ReusePolicy.ALWAYS:
        return None
    if context.pipeline.always(record.name) or forced(context, record):
        return None
    if context.observed.run.rerun:
        return None  # what may be taken over has been, at the start
    fitting = _fitting(context, record, work)
    return next((one for one in fitting if not _too_old(context, policy, one)), None)


def forced(context: RunContext, record: StepRecord) -> str:
    """Who wants the step to run whatever has been made before, in words; empty where nobody does."""
    if context.observed.run.reuse == RunReuse.NEVER:
        return "forced: the run asks for it"
    return "forced: reuse is Never" if _policy(context, record).policy is ReusePolicy.NEVER else ""


def expired(context: RunContext, record: StepRecord, work: Work) -> str:
    """That the newest result of exactly this work is too old, in words; empty where it is not."""
    policy = _policy(context, record)
    old = [one for one in _fitting(context, record, work) if _too_old(context, policy, one)]
    newest = max(old, key=lambda one: one.made, default=None)
    if newest is None:
        return ""
    made = read(newest.made)
    ago = "at an unknown time" if made is None else f"{age(made, context.observed.run.meta.created)} ago"
    return f"expired: made {ago}, maxAge is {policy.max_age}"


def _policy(context: RunContext, record: StepRecord) -> Reuse:
    return context.pipeline.spec.step(record.name).reuse or Reuse()


def _too_old(context: RunContext, policy: Reuse, one: Earlier) -> bool:
    """Whether the step's maxAge forbids this result.

    It is reckoned to the run's creation: all of a run's decisions agree, whenever they are made.
    """
    if policy.max_age is None:
        return False
    made = read(one.made)
    return made is None or after(made, seconds_of(policy.max_age)) < context.observed.run.meta.created


def _fitting(context: RunContext, record: StepRecord, work: Work) -> Iterator[Earlier]:
    """Whole results of exactly this work, of the newest run first; of a training, then the registry's."""
    known = context.observed.earlier_by_key.get(key_of(work.digest), ())
    models = registered_steps(context.observed.versions) if record.kind == "train" else ()
    return (one for one in (*known, *models) if _fits(context, record, work, one))


def _fits(context: RunContext, record: StepRecord, work: Work, one: Earlier) -> bool:
    if not same_digest(one.digest, work.digest) or set(one.outputs) != set(work.outputs):
        return False
    if set(one.results) != set(context.pipeline.results(record.name)):
        return False
    if record.kind == "train":
        version = context.version(one.model_version)
        return version is not None and version.digest == one.outputs.get("model")
    return record.kind != "ingest" or bool(one.source_revision)


def known(found: Earlier | None) -> Known | None:
    """What an ingest's Job is told of the earlier result, so that it only compares its source."""
    return None if found is None else Known(found.run, found.source_revision, found.outputs)
