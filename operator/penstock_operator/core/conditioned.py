"""Triggers on the condition of an endpoint: one run for an episode, damped so that noise cannot make a storm.

Each rule that holds a start back says so in the trigger's message, with the time when it ends if it has one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from penstock_operator.core import challengers, damping
from penstock_operator.core.actions import EventNote
from penstock_operator.core.challengers import Tally, counted
from penstock_operator.core.damping import Hold
from penstock_operator.core.observed import EndpointView, Ref
from penstock_operator.core.text import one_line, sentence
from penstock_operator.core.times import after, earliest, stamp
from penstock_operator.core.trigger_world import Outcome, TriggerWorld
from penstock_spec import names, object_names
from penstock_spec.names import Reason
from penstock_spec.trigger_status import TROUBLE_LENGTH
from penstock_spec.triggers import EndpointCondition


@dataclass(frozen=True)
class _Desk:
    """Everything about one trigger at one moment."""

    world: TriggerWorld
    condition: EndpointCondition
    endpoint: EndpointView
    decided: int  # the newest episode that needs no decision any more
    starts: tuple[str, ...]  # of runs, in the last week
    tally: Tally
    trouble: str = ""  # why nothing was started for the newest decided episode


def conditioned(world: TriggerWorld, condition: EndpointCondition) -> Outcome:
    """The answer of such a trigger. It is armed first; an episode that began before starts nothing."""
    entry = world.entry or {}
    armed = f"{condition.type} of {condition.endpoint}"
    endpoint = world.observed.endpoints.get(condition.endpoint)
    if endpoint is None:
        words = f"there is no ModelEndpoint {condition.endpoint} yet"
        gone = ("suspended", "episode", "endpointUid", "trouble")
        kept = {key: value for key, value in entry.items() if key not in gone}
        return Outcome({**kept, "name": world.trigger.name, "armed": armed, "message": words})
    anew = world.armed_anew(armed)
    begins = (
        anew or entry.get("endpointUid") != endpoint.meta.uid or entry.get("episode", 0) > endpoint.episodes
    )
    decided = endpoint.episodes if begins else int(entry.get("episode", 0))
    starts = damping.recent(entry.get("starts", ()), world.now)
    trouble = "" if begins else str(entry.get("trouble", ""))
    desk = _Desk(world, condition, endpoint, decided, starts, counted(world, anew=anew), trouble)
    return _pending(desk) if endpoint.episodes > decided else _outcome(desk, _idle(desk))


def _idle(desk: _Desk) -> str:
    """What it waits for, and what came of the last time: nothing of that may be gone at the next look."""
    tripped, run = _given_up(desk), desk.tally.run
    if tripped is not None:
        return tripped.message
    verb, last = "starts", f"the last was {run}"
    if desk.world.trigger.suggest:
        verb, last = "suggests", f"{run} says what the last would do, create a run to have it done"
    words = f"{verb} a run when endpoint {desk.condition.endpoint} is {desk.condition.type} anew"
    return sentence(words, desk.trouble or (last if run else ""))


def _pending(desk: _Desk) -> Outcome:
    """An episode that no run was started for."""
    made = _made(desk)
    if made:
        recorded = _recorded(desk, made, _created(desk, made))
        return _outcome(recorded, _idle(recorded))
    if not desk.endpoint.drifting:
        over = f"episode {desk.endpoint.episodes} was over before a run could start"
        note = EventNote(Reason.RUN_SKIPPED, f"trigger {desk.world.trigger.name}: {over}")
        return _dropped(desk, over, note)
    hold = next((found for rule in HOLDS if (found := rule(desk)) is not None), None)
    if hold is not None:
        words = f"episode {desk.endpoint.episodes} waits: {hold.message}"
        again = hold.until or after(desk.world.now, desk.world.settings.resync)
        return _outcome(desk, words, look_again=again)
    ref = Ref(names.MODEL_ENDPOINT, desk.condition.endpoint)
    unseen = (*desk.world.unseen, *(() if ref in desk.world.observed.live else (ref,)))
    if unseen:
        return Outcome(desk.world.entry or {}, confirm=unseen)
    return _start(desk)


def _names(desk: _Desk) -> tuple[str, str]:
    """The names that the run of this episode may have."""
    pipeline, number = desk.world.observed.pipeline.meta.name, desk.endpoint.episodes
    return (
        object_names.episode_name(pipeline, desk.condition.type, number),
        object_names.episode_name(pipeline, desk.condition.type, number, desk.endpoint.meta.uid),
    )


def _made(desk: _Desk) -> str:
    """The run that exists for this episode; else empty."""
    possible, wanted = set(_names(desk)), _episode(desk)
    uid = desk.world.observed.pipeline.meta.uid
    for one in desk.world.observed.runs:
        if one.meta.owner_uid == uid and one.meta.name in possible and dict(one.episode) == wanted:
            return one.meta.name
    return ""


def _created(desk: _Desk, run: str) -> datetime:
    return next(one.meta.created for one in desk.world.observed.runs if one.meta.name == run)


def _episode(desk: _Desk) -> dict[str, Any]:
    return {
        "endpoint": desk.condition.endpoint,
        "uid": desk.endpoint.meta.uid,
        "condition": str(desk.condition.type),
        "number": desk.endpoint.episodes,
    }


def _recorded(desk: _Desk, run: str, moment: datetime) -> _Desk:
    """An episode whose run exists."""
    return replace(
        desk,
        decided=desk.endpoint.episodes,
        starts=(*desk.starts, stamp(moment)),
        tally=replace(desk.tally, run=run, counted=""),
        trouble="",
    )


def _dropped(desk: _Desk, words: str, note: EventNote) -> Outcome:
    """An episode that no run will be started for."""
    dropped = replace(desk, decided=desk.endpoint.episodes, trouble=one_line(words, TROUBLE_LENGTH))
    return _outcome(dropped, _idle(dropped), notes=(note,))


def _start(desk: _Desk) -> Outcome:
    world = desk.world
    name = world.free_name(*_names(desk))
    refusal = world.refusal(name)
    if refusal is None:
        words = f"run {name} {_does(desk)}: {desk.condition.endpoint} is {desk.condition.type}"
        note = EventNote(_reason(desk), f"trigger {world.trigger.name}: {words}")
        run = world.manifest(name, episode=_episode(desk))
        recorded = _recorded(desk, name, world.now)
        return _outcome(recorded, _idle(recorded), runs=(run,), notes=(note,))
    words = f"no run could be started for episode {desk.endpoint.episodes}: {refusal.message}"
    if refusal.reason == Reason.QUOTA_EXCEEDED:
        return _outcome(desk, words, look_again=after(world.now, world.settings.resync))
    note = EventNote(Reason.RUN_SKIPPED, f"trigger {world.trigger.name}: {words}"[:1000], warning=True)
    return _dropped(desk, words, note)


def _does(desk: _Desk) -> str:
    return "says what a run would do, create one to have it done" if desk.world.trigger.suggest else "starts"


def _reason(desk: _Desk) -> Reason:
    return Reason.RUN_SUGGESTED if desk.world.trigger.suggest else Reason.RUN_STARTED


def _given_up(desk: _Desk) -> Hold | None:
    """Challenger after challenger has lost: the data may be what is wrong, and somebody has to look."""
    limit = desk.world.trigger.give_up_after
    if desk.tally.lost < limit:
        return None
    hint = "it goes on once a run of the pipeline succeeds, or after suspend and resume"
    return Hold(f"given up: {challengers.in_words(desk.tally.lost, desk.tally.run)}; {hint}")


# What holds a start back, in order.
HOLDS: Sequence[Callable[[_Desk], Hold | None]] = (
    _given_up,
    lambda desk: damping.held(desk.world, desk.starts),
)


def _outcome(
    desk: _Desk,
    message: str,
    runs: Sequence[Mapping[str, Any]] = (),
    notes: Sequence[EventNote] = (),
    look_again: datetime | None = None,
) -> Outcome:
    tally = desk.tally
    entry = {
        "name": desk.world.trigger.name,
        "armed": f"{desk.condition.type} of {desk.condition.endpoint}",
        "endpointUid": desk.endpoint.meta.uid,
        "episode": desk.decided,
        "starts": list(desk.starts),
        "lastRun": tally.run,
        "countedRun": tally.counted,
        "lost": tally.lost,
        "lostAt": tally.lost_at,
        "trouble": desk.trouble,
        "message": message,
    }
    kept = {key: value for key, value in entry.items() if value not in ("", 0, [])}
    return Outcome(kept, runs, notes=(*tally.notes, *notes), look_again=earliest(look_again))
