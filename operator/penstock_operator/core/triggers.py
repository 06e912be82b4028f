"""Triggers start runs beside changes and people. Each run's name is the lock against a second start.

What has been decided is remembered in the Pipeline's status; a run that exists but is not recorded counts as
started.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock_operator.core.actions import Action, Create, EventNote
from penstock_operator.core.changes import Change
from penstock_operator.core.conditioned import conditioned
from penstock_operator.core.frozen import Definition
from penstock_operator.core.observed import Ref
from penstock_operator.core.observed_pipeline import ObservedPipeline
from penstock_operator.core.probe_targets import target_of
from penstock_operator.core.probed import probed
from penstock_operator.core.promoted import promoted
from penstock_operator.core.schedules import scheduled
from penstock_operator.core.settings import Settings
from penstock_operator.core.small_jobs import deletion
from penstock_operator.core.times import earliest
from penstock_operator.core.trigger_world import Outcome, TriggerWorld
from penstock_operator.manifests.revisions import revision
from penstock_spec.triggers import Trigger

Entry = Mapping[str, Any]
SUSPENDED = "suspended: it starts nothing until spec.suspend is removed"
REFUSED = "the spec is refused: it starts nothing until that is mended"


@dataclass(frozen=True)
class Triggering:
    """What the triggers of a Pipeline ask for now."""

    entries: Sequence[Entry] = ()  # status.triggers
    actions: Sequence[Action] = ()
    started: Sequence[str] = ()  # runs that the actions make
    confirm: Sequence[Ref] = ()
    inquire: Sequence[str] = ()
    after: Sequence[Action] = ()  # Jobs that have looked, to be deleted
    notes: Sequence[EventNote] = ()
    look_again: datetime | None = None


def triggered(
    observed: ObservedPipeline, definition: Definition, change: Change, now: datetime, settings: Settings
) -> Triggering:
    """The triggers' answer. A suspended Pipeline's start nothing."""
    spec = definition.pipeline.spec
    memory = {one["name"]: one for one in observed.pipeline.status.get("triggers", ())}
    if spec.suspend:
        return Triggering(
            entries=[_resting(one.name, memory.get(one.name), SUSPENDED) for one in spec.triggers],
            after=looked(observed),
        )
    outcomes: list[Outcome] = []
    # Names of runs that this very plan makes before a trigger is asked.
    taken = frozenset({str(change.last_started["run"])} if change.actions and change.last_started else ())
    for trigger in spec.triggers:
        world = TriggerWorld(observed, definition, now, settings, trigger, memory.get(trigger.name), taken)
        outcomes.append(_answer(world, trigger))
        taken |= {one["metadata"]["name"] for one in outcomes[-1].runs}
    return _gathered(observed, definition, outcomes)


def _answer(world: TriggerWorld, trigger: Trigger) -> Outcome:
    if trigger.schedule is not None:
        return scheduled(world, trigger.schedule)
    if trigger.endpoint_condition is not None:
        return conditioned(world, trigger.endpoint_condition)
    if trigger.registry is not None:
        return promoted(world, trigger.registry)
    if trigger.webhook is not None:
        return _receiving(world)
    target = target_of(trigger)
    if target is not None:
        return probed(world, target)
    raise AssertionError(f"trigger {trigger.name} has no kind")


def _receiving(world: TriggerWorld) -> Outcome:
    """Runs for messages are made by whoever receives those; here stands only what has come of it."""
    last = world.mine[-1].meta.name if world.mine else (world.entry or {}).get("lastRun", "")
    about = world.observed.pipeline.meta
    path = f"/v1/namespaces/{about.namespace}/pipelines/{about.name}/triggers/{world.trigger.name}"
    entry = {"name": world.trigger.name, "armed": "webhook", "lastRun": last}
    words = f"starts a run for each signed message to {path}"
    return Outcome({**{key: value for key, value in entry.items() if value}, "message": words})


def _gathered(observed: ObservedPipeline, definition: Definition, outcomes: Sequence[Outcome]) -> Triggering:
    meta = observed.pipeline.meta
    runs = [one for outcome in outcomes for one in outcome.runs]
    made: tuple[Action, ...] = ()
    awaited = frozenset(one.awaits for one in outcomes)
    if runs:
        frozen = revision(meta.namespace, meta.name, meta.uid, definition.digest, definition.pipeline.spec)
        made = (Create(frozen), *(Create(one) for one in runs))
    return Triggering(
        entries=[one.entry for one in outcomes],
        actions=(*(Create(job) for one in outcomes for job in one.jobs), *made),
        started=[one["metadata"]["name"] for one in runs],
        inquire=[name for one in outcomes for name in one.inquire],
        after=looked(observed, awaited),
        confirm=tuple(dict.fromkeys(ref for one in outcomes for ref in one.confirm)),
        notes=[note for one in outcomes for note in one.notes],
        look_again=earliest(*(one.look_again for one in outcomes)),
    )


def looked(observed: ObservedPipeline, awaited: frozenset[str] = frozenset()) -> Sequence[Action]:
    """The deletion of Jobs that nobody waits for any more: what they said is in the status."""
    uid = observed.pipeline.meta.uid
    return [
        deletion(job)
        for name, job in sorted(observed.jobs.items())
        if name not in awaited
        and job.meta.owner_uid == uid
        and not (job.meta.deleting or job.archives or job.sweeps)
    ]


def resting(observed: ObservedPipeline) -> Sequence[Entry]:
    """The entries of a Pipeline whose spec is refused: they keep their memory and start nothing."""
    return [_resting(one["name"], one, REFUSED) for one in observed.pipeline.status.get("triggers", ())]


def _resting(name: str, before: Entry | None, message: str) -> Entry:
    kept = {key: value for key, value in (before or {}).items() if key != "next"}
    return {**kept, "name": name, "suspended": True, "message": message}


def next_start(entries: Sequence[Entry]) -> str:
    """When the next of the triggers starts a run; empty where none will."""
    return min((one["next"] for one in entries if one.get("next")), default="")
