"""When a status is written. What decisions rest on is written at once; news of how it goes is for people, who
look every few seconds, and what has passed by then is never written.

News that waits is held, and planned from as if it had been written: a step is seen to end although nobody was
told that it began. So is an end that Jobs may bear (core/bearing.py): what follows does not wait for it to be
written. It holds nothing that a new process would not find again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

from penstock_operator import views
from penstock_operator.core.actions import EventNote, Plan
from penstock_operator.core.bearing import Entry, may_bear, unwritten
from penstock_operator.gates import makes_job
from penstock_operator.store import Object
from penstock_operator.workqueue import Key
from penstock_spec import names
from penstock_spec.names import StatusWord
from penstock_spec.status import TERMINAL

NEWS_INTERVAL = 5.0  # seconds between two writes of one object where the later one is only news
REPEATED = 30.0  # of a Pipeline, which repeats what its run says, after the first SOON of a run
SOON = 2
IN_LINE = 30.0  # of a run that goes on waiting: it names those before it, each end changes that for all
UNHURRIED = 2.0  # where steps have ended, and no other waits for that
SHARED = 15.0  # where the ends that Jobs bear have used up the run's credit
# Writes of its status, news among them, that leave a run its credit: so many, and for each step that has
# ended. With one for each Job this makes less than the 1.5 for each step, and 10, that a run may cost.
CREDIT, CREDIT_PER_END = 2, 1 / 4
PRESSING = 0.2  # for all else: steps that end at about the same time share a write
REMEMBERED = 10_000
# The fields that only tell how it goes. Steps that end are no news, nor is what is told in an Event.
NEWS: Mapping[str, frozenset[str]] = {
    names.PIPELINE: frozenset({"reason", "message", "step", "progress", "model"}),
    names.PIPELINE_RUN: frozenset({"conditions", "reason", "message", "step", "progress", "steps"}),
}


@dataclass(frozen=True)
class _Held:
    uid: str
    written: Mapping[str, Any]  # the status that it was planned upon; a changed spec does not matter
    status: Mapping[str, Any]
    events: Sequence[EventNote] = ()  # these and the next are told when it is written
    steps_ended: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Writes:
    """Of one object, by this process."""

    last: float = float("-inf")
    count: int = 0
    news: int = 0  # of them, since the last that was more than that

    def another(self, at: float, *, news: bool) -> "_Writes":
        return _Writes(at, self.count + 1, self.news + 1 if news else 0)


_NONE = _Writes()


@dataclass
class Pace:
    """Remembers when each object was written, and what is still to be written of it."""

    clock: Callable[[], float] = perf_counter
    _writes: dict[Key, _Writes] = field(default_factory=dict)
    _held: dict[Key, _Held] = field(default_factory=dict)

    def seen(self, key: Key, item: Object) -> Object:
        """The object with the status that is held for it, unless its own is another one by now."""
        held = self._held.get(key)
        if held is None:
            return item
        if held.uid != item["metadata"]["uid"] or held.written != (item.get("status") or {}):
            del self._held[key]
            return item
        return {**item, "status": held.status}

    def bears(self, key: Key, item: Object, plan: Plan, wanted: Mapping[str, Any]) -> bool:
        """Whether this status of `item` is held, for Jobs may bear what ends in it; planning goes on."""
        before: Mapping[str, Any] = item.get("status") or {}
        if not plan.bearable or not _only_tells(key.kind, before, wanted):
            return False
        self._hold(key, item, plan, wanted)
        return True

    def unwritten(self, key: Key) -> Sequence[Entry]:
        """The ends that are held: what is made before they are written has to bear them."""
        held = self._held.get(key)
        return () if held is None or not held.steps_ended else unwritten(held.written, held.status)

    def lets_be(self, key: Key, plan: Plan) -> bool:
        """Whether what the plan does may be done before the ends that are held are written: it bears them."""
        entries = self.unwritten(key)
        return not entries or (all(map(makes_job, plan.actions)) and may_bear(len(plan.actions), entries))

    def pause(self, key: Key, item: Object, plan: Plan, wanted: Mapping[str, Any]) -> float:
        """How many seconds to wait with this status of `item`; 0 where it is to be written now.

        News is held while it waits; anything else is planned for anew.
        """
        if views.finished({"status": wanted}):
            return 0.0
        before: Mapping[str, Any] = item.get("status") or {}
        news = is_news(key.kind, before, plan, wanted)
        interval = (
            self._news_interval(key, before, wanted) if news else _interval(key.kind, plan, before, wanted)
        )
        pause = max(0.0, self._writes.get(key, _NONE).last + interval - self.clock())
        if pause and news:
            self._hold(key, item, plan, wanted)
        return pause

    def _news_interval(self, key: Key, before: Mapping[str, Any], wanted: Mapping[str, Any]) -> float:
        writes = self._writes.get(key, _NONE)
        if self.unwritten(key):
            ended = sum(one["state"] in TERMINAL for one in wanted.get("steps", ()))
            return PRESSING if writes.count < CREDIT + CREDIT_PER_END * ended else SHARED
        if key.kind == names.PIPELINE:
            return NEWS_INTERVAL if writes.news < SOON else REPEATED
        in_line = key.kind == names.PIPELINE_RUN and wanted.get("status") == StatusWord.WAITING
        # That it waits at all is told as soon as any news.
        return IN_LINE if in_line and before.get("reason") == wanted.get("reason") else NEWS_INTERVAL

    def _hold(self, key: Key, item: Object, plan: Plan, wanted: Mapping[str, Any]) -> None:
        told = self.told(key, plan)
        before = item.get("status") or {}
        self._held[key] = _Held(item["metadata"]["uid"], before, wanted, told.events, told.steps_ended)

    def told(self, key: Key, plan: Plan) -> Plan:
        """The plan with what is to be told of the ends that are held."""
        held = self._held.get(key)
        if held is None or not held.steps_ended:
            return plan
        ended = {**held.steps_ended, **plan.steps_ended}
        return replace(plan, events=(*held.events, *plan.events), steps_ended=ended)

    def holds(self, key: Key, status: Mapping[str, Any]) -> bool:
        """Whether this very status is held, and planned from."""
        held = self._held.get(key)
        return held is not None and held.status is status

    def took_back(self, key: Key) -> None:
        """What is written is right: news that says something else is out of date."""
        self._held.pop(key, None)

    def wrote(self, key: Key, *, news: bool = False) -> None:
        """It has just been written."""
        writes = self._writes.get(key, _NONE)
        self.forget(key)
        self._writes[key] = writes.another(self.clock(), news=news)
        if len(self._writes) > REMEMBERED:
            self.forget(next(one for one in self._writes if one not in self._held))

    def forget(self, key: Key) -> None:
        """The object is gone, or what was held is out of date."""
        self._held.pop(key, None)
        self._writes.pop(key, None)


def _interval(kind: str, plan: Plan, before: Mapping[str, Any], wanted: Mapping[str, Any]) -> float:
    # An end may be written with something that may not wait: that the run has begun, say.
    return UNHURRIED if plan.unhurried and _only_tells(kind, before, wanted) else PRESSING


def is_news(kind: str, before: Mapping[str, Any], plan: Plan, wanted: Mapping[str, Any]) -> bool:
    """Whether nothing rests on this status: nothing ends, and nothing is to follow the write."""
    if plan.steps_ended or plan.pressing or plan.events or plan.after:
        return False
    return _only_tells(kind, before, wanted)


def _only_tells(kind: str, before: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether no field changes but those that tell how it goes."""
    changed = {name for name in {*before, *wanted} if before.get(name) != wanted.get(name)}
    return changed <= NEWS.get(kind, frozenset())
