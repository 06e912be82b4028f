"""The runs that are steps of a run: which of them go on, and how they are ended."""

from collections.abc import Iterable, Sequence

from penstock_operator.core.actions import Cancel
from penstock_operator.core.observed import Ref
from penstock_operator.core.observed_run import ChildView, ObservedRun
from penstock_operator.core.record import StepRecord
from penstock_spec import names

KIND = "pipeline"  # of the steps that have them
RUNS = Ref(names.PIPELINE_RUN)


def going(observed: ObservedRun, step: str = "") -> Sequence[ChildView]:
    """Its children that have not ended; with `step`, those of that step."""
    mine = [one for one in observed.children.values() if one.run.meta.owner_uid == observed.run.meta.uid]
    return [one for one in mine if not one.run.finished and step in ("", one.run.step)]


def endings(children: Iterable[ChildView]) -> tuple[Cancel, ...]:
    """The writes that end these runs: each is cancelled, once. Its own end follows, and is waited for."""
    metas = [one.run.meta for one in children if not one.run.cancel and not one.run.meta.deleting]
    return tuple(Cancel(meta.namespace, meta.name, meta.uid) for meta in metas)


def may_have_children(records: Iterable[StepRecord]) -> bool:
    """Whether a step that has not ended is another pipeline: then a cache is not enough to say that none goes
    on.
    """
    return any(one.kind == KIND and not one.ended for one in records)
