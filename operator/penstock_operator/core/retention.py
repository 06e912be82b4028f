"""Retention: finished runs beyond `keepRuns` go, oldest first, and with them the frozen specs that no run
names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from penstock_operator.core.actions import Action, Delete
from penstock_operator.core.changes import own_runs
from penstock_operator.core.frozen import Definition
from penstock_operator.core.observed import ObservedPipeline, Ref, RunObject
from penstock_operator.core.run_sorts import RunSort
from penstock_operator.core.settings import Settings
from penstock_operator.core.times import after
from penstock_spec import names

REVISION = "ControllerRevision"
REVISIONS = Ref(REVISION)
DELIVERY_KEPT = 900.0  # seconds: more than twice the window in which a signature is good


@dataclass(frozen=True)
class Tidying:
    """What may go. A run that has not finished never does."""

    after: Sequence[Action] = ()
    confirm: Sequence[Ref] = ()


def tidy(observed: ObservedPipeline, definition: Definition, now: datetime, settings: Settings) -> Tidying:
    """Deletions, to be carried out after the status has been written: it remembers what was started."""
    keep = definition.pipeline.spec.policy.keep_runs
    awaited = _awaited(observed)
    surplus = [
        one
        for sort in RunSort
        for one in _surplus(own_runs(observed, sort), keep)
        if one.meta.name not in awaited
        and not _may_be_repeated(one, now)
        and not _goes_with_another(one, observed.pipeline.meta.uid)
    ]
    if not surplus:
        return Tidying()
    if REVISIONS not in observed.live:
        return Tidying(confirm=(REVISIONS,))
    gone = {one.meta.uid for one in surplus}
    named = {name for one in observed.runs if one.meta.uid not in gone for name in _revisions_of(one)}
    meta = observed.pipeline.meta
    named.add(names.revision_name(meta.name, meta.uid, definition.digest))
    # A run that a person made names its revision a moment after that was made: young ones are spared.
    unnamed = [
        one
        for one in observed.revisions
        if one.meta.name not in named and now >= after(one.meta.created, settings.revision_grace)
    ]
    runs = [Delete(names.PIPELINE_RUN, one.meta.namespace, one.meta.name, one.meta.uid) for one in surplus]
    frozen = [Delete(REVISION, one.meta.namespace, one.meta.name, one.meta.uid) for one in unnamed]
    return Tidying(after=(*runs, *frozen))


def _surplus(runs: Sequence[RunObject], keep: int) -> Sequence[RunObject]:
    finished = [one for one in runs if one.finished and not one.meta.deleting]
    return finished[: max(0, len(finished) - keep)]


def _may_be_repeated(run: RunObject, now: datetime) -> bool:
    """A message that was taken may come again, honestly or not, while its signature is good: its run's name
    is what keeps it from starting another one.
    """
    return bool(run.triggered_by.get("delivery")) and now < after(run.meta.created, DELIVERY_KEPT)


def _goes_with_another(run: RunObject, uid: str) -> bool:
    """Whether it is a step of a run that still exists, and goes with that."""
    return run.sort is RunSort.CHILD and run.meta.owner_uid not in ("", uid)


def _awaited(observed: ObservedPipeline) -> frozenset[str]:
    """Runs whose end their backfill has not counted yet: without them it would make them again."""
    going = {one.meta.name: one.status.get("backfill") or {} for one in observed.runs if not one.finished}
    return frozenset(
        one.meta.name
        for one in observed.runs
        if one.part_of in going
        and (
            one.meta.name in going[one.part_of].get("active", ())
            or one.scheduled_time > going[one.part_of].get("decided", "")
        )
    )


def _revisions_of(run: RunObject) -> tuple[str, ...]:
    snapshot, backfill = run.status.get("snapshot") or {}, run.status.get("backfill") or {}
    return run.revision, str(snapshot.get("revision", "")), str(backfill.get("revision", ""))
