"""Retention: finished runs beyond `keepRuns` go, oldest first, once their records are in the archive, and
with them the frozen specs that no run names.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from penstock_operator.core.actions import Action, Delete
from penstock_operator.core.archive import Archiving, archiving, is_archived
from penstock_operator.core.changes import own_runs
from penstock_operator.core.frozen import Definition
from penstock_operator.core.observed import Ref, RunObject
from penstock_operator.core.observed_pipeline import ObservedPipeline
from penstock_operator.core.run_sorts import RunSort
from penstock_operator.core.settings import Settings
from penstock_operator.core.small_jobs import deletion
from penstock_operator.core.times import after
from penstock_spec import names, object_names
from penstock_spec.policy import Archive

REVISION = "ControllerRevision"
REVISIONS = Ref(REVISION)
# A plan has nothing to remember, and a child is remembered as a step of its parent.
RECORDED = (RunSort.ORDINARY, RunSort.PART, RunSort.BACKFILL)
DELIVERY_KEPT = 900.0  # seconds: more than twice the window in which a signature is good


@dataclass(frozen=True)
class Tidying:
    """What may go. A run that has not finished never does."""

    after: Sequence[Action] = ()
    confirm: Sequence[Ref] = ()
    asked: Archiving = field(default_factory=Archiving)


def tidy(observed: ObservedPipeline, definition: Definition, now: datetime, settings: Settings) -> Tidying:
    """Deletions, to be carried out after the status has been written: it remembers what was started."""
    policy = definition.pipeline.spec.policy
    surplus = beyond(observed, policy.keep_runs, now)
    if policy.archive is Archive.NEVER:
        return _gone(observed, definition, surplus, Archiving(after=_left(observed)), now, settings)
    due = [one for one in surplus if one.sort in RECORDED and not is_archived(one)]
    without = [one for sort in RECORDED for one in _finished(observed, sort) if not is_archived(one)]
    asked = archiving(observed, due, without, now, settings)
    # While it goes well a run waits for its record. In lasting trouble limits are stretched, and then win.
    given_up = beyond(observed, 2 * policy.keep_runs, now) if asked.trouble.lasting else []
    going = [one for one in surplus if one not in due or one in given_up]
    return _gone(observed, definition, going, asked, now, settings)


def beyond(observed: ObservedPipeline, keep: int, now: datetime) -> list[RunObject]:
    """Finished runs beyond the newest `keep` of each sort; those that never began count by themselves."""
    awaited = _awaited(observed)
    return [
        one
        for sort in RunSort
        for one in _surplus(own_runs(observed, sort), keep)
        if one.meta.name not in awaited
        and not _may_be_repeated(one, now)
        and not _goes_with_another(one, observed.pipeline.meta.uid)
    ]


def _finished(observed: ObservedPipeline, sort: RunSort) -> Sequence[RunObject]:
    return [one for one in own_runs(observed, sort) if one.finished and not one.meta.deleting]


def _left(observed: ObservedPipeline) -> Sequence[Action]:
    """Jobs that archived, where nothing is archived any more."""
    jobs = [one for one in observed.jobs.values() if one.archives and not one.meta.deleting]
    return tuple(map(deletion, jobs))


def _gone(
    observed: ObservedPipeline,
    definition: Definition,
    surplus: Sequence[RunObject],
    asked: Archiving,
    now: datetime,
    settings: Settings,
) -> Tidying:
    """The deletions of `surplus`, beside what the archive asks for."""
    if asked.confirm or not surplus:
        return Tidying(asked.after, asked.confirm, asked)
    if REVISIONS not in observed.live:
        return Tidying(confirm=(REVISIONS,), asked=asked)
    gone = {one.meta.uid for one in surplus}
    named = {name for one in observed.runs if one.meta.uid not in gone for name in _revisions_of(one)}
    meta = observed.pipeline.meta
    named.add(object_names.revision_name(meta.name, meta.uid, definition.digest))
    # A run that a person made names its revision a moment after that was made: young ones are spared.
    unnamed = [
        one
        for one in observed.revisions
        if one.meta.name not in named and now >= after(one.meta.created, settings.revision_grace)
    ]
    runs = [Delete(names.PIPELINE_RUN, one.meta.namespace, one.meta.name, one.meta.uid) for one in surplus]
    frozen = [Delete(REVISION, one.meta.namespace, one.meta.name, one.meta.uid) for one in unnamed]
    return Tidying((*asked.after, *runs, *frozen), asked=asked)


def _surplus(runs: Sequence[RunObject], keep: int) -> Sequence[RunObject]:
    finished = [one for one in runs if one.finished and not one.meta.deleting]
    began = [one for one in finished if one.status.get("startedAt")]
    # Refused, forbidden, replaced while they waited: they have made nothing, and must not push out what has.
    never = [one for one in finished if not one.status.get("startedAt")]
    return [one for some in (began, never) for one in some[: max(0, len(some) - keep)]]


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
