"""How the models that a trigger asked for have fared: the memory of its circuit breaker.

A challenger has lost when a gate did not pass it. A run that failed for another reason, or found no new data,
says nothing about models.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock_operator.core.actions import EventNote
from penstock_operator.core.conditions import is_true
from penstock_operator.core.observed import RunObject
from penstock_operator.core.trigger_world import TriggerWorld
from penstock_spec.names import Condition, Reason
from penstock_spec.status import StepState

_NOT_PASSED = frozenset({str(Reason.THRESHOLD_NOT_MET), str(Reason.INCONCLUSIVE)})


@dataclass(frozen=True)
class Tally:
    """The last run that the trigger started, and how many in a row have lost."""

    run: str = ""
    counted: str = ""  # the run whose end is in `lost` already
    lost: int = 0
    lost_at: str = ""
    notes: tuple[EventNote, ...] = ()


def counted(world: TriggerWorld, *, anew: bool) -> Tally:
    """The tally up to now; from nothing where the trigger was armed only now."""
    entry: Mapping[str, Any] = world.entry or {}
    run, done = str(entry.get("lastRun", "")), str(entry.get("countedRun", ""))
    lost, lost_at = int(entry.get("lost", 0)), str(entry.get("lostAt", ""))
    if anew:
        return Tally(run, counted=run)
    last = next((one for one in world.runs if one.meta.name == run and one.finished), None)
    notes: tuple[EventNote, ...] = ()
    if last is not None and done != run:
        done = run
        if _won(last):
            lost, lost_at = 0, ""
        elif _lost(last):
            lost, lost_at = lost + 1, str(last.status.get("finishedAt", ""))
            notes = _told(world, run, lost)
    if lost and any(_won(one) and one.status.get("finishedAt", "") > lost_at for one in world.runs):
        lost, lost_at = 0, ""
    return Tally(run, done, lost, lost_at, notes)


def in_words(lost: int, run: str) -> str:
    """So many lost, the last of them in this run."""
    if lost == 1:
        return f"a model did not pass its gate, in run {run}"
    return f"{lost} models in a row did not pass their gate, the last in run {run}"


def _told(world: TriggerWorld, run: str, lost: int) -> tuple[EventNote, ...]:
    if lost != world.trigger.give_up_after:
        return ()
    words = f"trigger {world.trigger.name} gives up: {in_words(lost, run)}"
    return (EventNote(Reason.TRIGGER_GAVE_UP, words, warning=True),)


def _won(run: RunObject) -> bool:
    succeeded = run.finished and is_true(run.status, Condition.SUCCEEDED)
    return succeeded and run.status.get("reason") != Reason.NO_NEW_DATA


def _lost(run: RunObject) -> bool:
    return any(
        one.get("kind") in ("validate", "pipeline")
        and one.get("state") == StepState.FAILED
        and one.get("reason") in _NOT_PASSED
        for one in run.status.get("steps", ())
    )
