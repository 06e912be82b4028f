"""The start of a run for something that a trigger saw. Its name is the lock: one run for each thing seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock_operator.core.actions import EventNote
from penstock_operator.core.observed import Ref
from penstock_operator.core.text import clip
from penstock_operator.core.times import after
from penstock_operator.core.trigger_world import TriggerWorld
from penstock_spec.names import Reason
from penstock_spec.trigger_names import cause_name

_EVENT_LENGTH = 1000


@dataclass(frozen=True)
class Cause:
    """What was seen: `key` tells it from all else that this trigger sees, `words` say it to people."""

    key: tuple[str, ...]
    triggered_by: Mapping[str, Any]
    words: str


@dataclass(frozen=True)
class Answer:
    """What becomes of a cause now."""

    message: str
    settled: bool = False  # it needs no decision any more
    run: str = ""  # the one that was made for it, or is
    moment: datetime | None = None  # when that began
    manifests: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[EventNote] = ()
    confirm: Sequence[Ref] = ()
    look_again: datetime | None = None


def name_of(world: TriggerWorld, cause: Cause) -> str:
    """The name of the run for this cause."""
    meta = world.observed.pipeline.meta
    return cause_name(meta.name, meta.uid, world.trigger.name, *cause.key)


def made(world: TriggerWorld, cause: Cause) -> Answer | None:
    """The answer where the run exists, by a plan that was cut short."""
    name, uid = name_of(world, cause), world.observed.pipeline.meta.uid
    for one in world.observed.runs:
        if one.meta.name == name and one.meta.owner_uid == uid:
            words = f"run {name} was started: {cause.words}"
            return Answer(words, settled=True, run=name, moment=one.meta.created)
    return None


def start(world: TriggerWorld, cause: Cause, unseen: Sequence[Ref] = ()) -> Answer:
    """The run for this cause, which nothing holds back. `unseen` is what else must be read live before."""
    wanted = (*world.unseen, *(one for one in unseen if one not in world.observed.live))
    if wanted:
        return Answer("", confirm=wanted)
    name = name_of(world, cause)
    refusal = world.refusal(name)
    if refusal is None:
        words = f"run {name} starts: {cause.words}"
        note = EventNote(Reason.RUN_STARTED, clip(f"trigger {world.trigger.name}: {words}", _EVENT_LENGTH))
        manifest = world.manifest(name, triggered_by=cause.triggered_by)
        return Answer(words, settled=True, run=name, moment=world.now, manifests=(manifest,), notes=(note,))
    words = f"no run could be started: {cause.words}; {refusal.message}"
    if refusal.reason == Reason.QUOTA_EXCEEDED:
        return Answer(words, look_again=after(world.now, world.settings.resync))
    note = EventNote(
        Reason.RUN_SKIPPED, clip(f"trigger {world.trigger.name}: {words}", _EVENT_LENGTH), warning=True
    )
    return Answer(words, settled=True, notes=(note,))
