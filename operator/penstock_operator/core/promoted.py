"""Triggers on the registry: a version of a model that has come so far starts one run, or none.

Decided are all versions that were there when the trigger was armed, and those whose numbers are remembered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock_operator.core import causes
from penstock_operator.core.actions import EventNote
from penstock_operator.core.causes import Answer, Cause
from penstock_operator.core.damping import held, recent
from penstock_operator.core.observed import Ref, VersionView
from penstock_operator.core.text import clip, sentence
from penstock_operator.core.times import after, stamp
from penstock_operator.core.trigger_world import Outcome, TriggerWorld
from penstock_spec import names
from penstock_spec.model_version import Lifecycle
from penstock_spec.names import Reason
from penstock_spec.status import Verdict
from penstock_spec.trigger_names import is_cause_name
from penstock_spec.trigger_status import STARTS_REMEMBERED, VERSIONS_REMEMBERED
from penstock_spec.triggers import Registry

_SERVED = frozenset({Lifecycle.PRODUCTION, Lifecycle.ARCHIVED})


@dataclass(frozen=True)
class _Memory:
    """The entry of the trigger in the Pipeline's status, as it will be."""

    base: int  # versions up to this number need no decision
    numbers: frozenset[int]  # nor do these
    starts: tuple[str, ...]  # of runs, in the last week
    last_run: str = ""

    def decided(self, number: int) -> "_Memory":
        """With this version decided. Only so many are remembered: the oldest are left to the base."""
        kept = sorted({*self.numbers, number})
        extra = max(0, len(kept) - VERSIONS_REMEMBERED)
        base = max(self.base, kept[extra - 1]) if extra else self.base
        return replace(self, base=base, numbers=frozenset(kept[extra:]))


def promoted(world: TriggerWorld, registry: Registry) -> Outcome:
    """The answer of such a trigger. It is armed first; versions that are there already start nothing."""
    entry = world.entry or {}
    versions = sorted(
        (one for one in world.observed.versions if one.model == registry.model), key=lambda one: one.number
    )
    starts = recent(entry.get("starts", ()), world.now)
    if world.armed_anew(_armed(registry)):
        newest = max((one.number for one in versions), default=0)
        memory = _Memory(newest, frozenset(), starts, str(entry.get("lastRun", "")))
        return _outcome(world, registry, memory, _idle(registry))
    memory = _Memory(
        int(entry.get("decidedNumber", 0)),
        frozenset(entry.get("decidedNumbers", ())),
        starts,
        str(entry.get("lastRun", "")),
    )
    due = [one for one in versions if _is_due(one, memory, registry.lifecycle)]
    return _next(world, registry, memory, due) if due else _outcome(world, registry, memory, _idle(registry))


def _armed(registry: Registry) -> str:
    return f"{registry.lifecycle} of {registry.model}"


def _idle(registry: Registry) -> str:
    what = "is registered" if registry.lifecycle is Lifecycle.CANDIDATE else f"is {registry.lifecycle}"
    return f"starts a run when another version of model {registry.model} {what}"


def _is_due(version: VersionView, memory: _Memory, wanted: Lifecycle) -> bool:
    if version.number <= memory.base or version.number in memory.numbers or version.meta.deleting:
        return False
    return has_come(version, wanted)


def has_come(version: VersionView, wanted: Lifecycle) -> bool:
    """Whether the version is at `wanted`, or has passed it: what is missed in between is not lost."""
    if wanted is Lifecycle.CANDIDATE or version.lifecycle == wanted:
        return True
    if wanted is Lifecycle.PRODUCTION:
        return version.lifecycle in _SERVED
    passed = any(one.get("verdict") == Verdict.PASS for one in version.status.get("decisions", ()))
    return wanted is Lifecycle.APPROVED and version.lifecycle in _SERVED and passed


def _next(world: TriggerWorld, registry: Registry, memory: _Memory, due: Sequence[VersionView]) -> Outcome:
    """One version at a time, the oldest first."""
    version, name = due[0], due[0].meta.name
    words = f"{name} was registered" if registry.lifecycle is Lifecycle.CANDIDATE else f"{name} came so far"
    cause = Cause((name,), {"modelVersion": name}, words)
    known = causes.made(world, cause)
    if known is not None:
        return _settled(world, registry, memory, version, known, more=len(due) > 1)
    if _is_own(world, version):
        words = f"{name} was trained by a run that this trigger had started, so it starts none"
        note = EventNote(Reason.RUN_SKIPPED, f"trigger {world.trigger.name}: {words}")
        answer = Answer(words, settled=True, notes=(note,))
        return _settled(world, registry, memory, version, answer, more=len(due) > 1)
    hold = held(world, memory.starts)
    if hold is not None:
        waiting = clip(", ".join(one.meta.name for one in due), 300)
        again = hold.until or after(world.now, world.settings.resync)
        return replace(
            _outcome(world, registry, memory, f"waits for {waiting}: {hold.message}"), look_again=again
        )
    answer = causes.start(world, cause, (Ref(names.MODEL_VERSION, name),))
    if answer.confirm:
        return Outcome(world.entry or {}, confirm=answer.confirm)
    return _settled(world, registry, memory, version, answer, more=len(due) > 1)


def _is_own(world: TriggerWorld, version: VersionView) -> bool:
    """Whether a run of this very trigger has trained it: else one model would start the next, for ever."""
    meta, lineage = world.observed.pipeline.meta, version.lineage
    if lineage.get("pipelineUid") != meta.uid:
        return False
    return is_cause_name(str(lineage.get("run", "")), meta.name, world.trigger.name)


def _settled(
    world: TriggerWorld,
    registry: Registry,
    memory: _Memory,
    version: VersionView,
    answer: Answer,
    *,
    more: bool,
) -> Outcome:
    if answer.settled:
        memory = memory.decided(version.number)
    if answer.run:
        moment = stamp(answer.moment or world.now)
        starts = (*memory.starts, moment)[-STARTS_REMEMBERED:]
        memory = replace(memory, starts=starts, last_run=answer.run)
    found = _outcome(world, registry, memory, answer.message)
    pending = world.now if more and answer.settled else None
    return replace(found, runs=answer.manifests, notes=answer.notes, look_again=answer.look_again or pending)


def _outcome(world: TriggerWorld, registry: Registry, memory: _Memory, message: str) -> Outcome:
    entry: dict[str, Any] = {
        "name": world.trigger.name,
        "armed": _armed(registry),
        "decidedNumber": memory.base,
        "decidedNumbers": sorted(memory.numbers),
        "starts": list(memory.starts),
        "lastRun": memory.last_run,
        "message": sentence(message),
    }
    return Outcome({key: value for key, value in entry.items() if value not in ("", 0, [])})
