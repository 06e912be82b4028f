"""When a status is written. What decisions rest on is written at once; news of how it goes is for people, who
look every few seconds, and what has passed by then is never written.

News that waits is held, and planned from as if it had been written: a step is seen to end although nobody was
told that it began. It holds nothing that a new process would not find again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from penstock_operator import views
from penstock_operator.core.actions import Plan
from penstock_operator.store import Object
from penstock_operator.workqueue import Key
from penstock_spec import names
from penstock_spec.names import StatusWord

NEWS_INTERVAL = 5.0  # seconds between two writes of one object where the later one is only news
IN_LINE = 30.0  # of a run that goes on waiting: it names those before it, each end changes that for all
UNHURRIED = 2.0  # where steps have ended, and no other waits for that
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


@dataclass
class Pace:
    """Remembers when each object was written, and what is still to be written of it."""

    clock: Callable[[], float] = perf_counter
    _written: dict[Key, float] = field(default_factory=dict)
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

    def pause(self, key: Key, item: Object, plan: Plan, wanted: Mapping[str, Any]) -> float:
        """How many seconds to wait with this status of `item`; 0 where it is to be written now.

        News is held while it waits; anything else is planned for anew.
        """
        if views.finished({"status": wanted}):
            return 0.0
        before: Mapping[str, Any] = item.get("status") or {}
        news = is_news(key.kind, before, plan, wanted)
        interval = _interval(key.kind, plan, before, wanted, news=news)
        pause = max(0.0, self._written.get(key, float("-inf")) + interval - self.clock())
        if pause and news:
            self._held[key] = _Held(item["metadata"]["uid"], before, wanted)
        return pause

    def holds(self, key: Key, status: Mapping[str, Any]) -> bool:
        """Whether this very status is held, and planned from."""
        held = self._held.get(key)
        return held is not None and held.status is status

    def took_back(self, key: Key) -> None:
        """What is written is right: news that says something else is out of date."""
        self._held.pop(key, None)

    def wrote(self, key: Key) -> None:
        """It has just been written."""
        self.forget(key)
        self._written[key] = self.clock()
        if len(self._written) > REMEMBERED:
            del self._written[next(iter(self._written))]

    def forget(self, key: Key) -> None:
        """The object is gone, or what was held is out of date."""
        self._held.pop(key, None)
        self._written.pop(key, None)


def _interval(
    kind: str, plan: Plan, before: Mapping[str, Any], wanted: Mapping[str, Any], *, news: bool
) -> float:
    if not news:
        # An end may be written with something that may not wait: that the run has begun, say.
        return UNHURRIED if plan.unhurried and _only_tells(kind, before, wanted) else PRESSING
    in_line = kind == names.PIPELINE_RUN and wanted.get("status") == StatusWord.WAITING
    # That it waits at all is told as soon as any news.
    return IN_LINE if in_line and before.get("reason") == wanted.get("reason") else NEWS_INTERVAL


def is_news(kind: str, before: Mapping[str, Any], plan: Plan, wanted: Mapping[str, Any]) -> bool:
    """Whether nothing rests on this status: nothing ends, and nothing is to follow the write."""
    if plan.steps_ended or plan.pressing or plan.events or plan.after:
        return False
    return _only_tells(kind, before, wanted)


def _only_tells(kind: str, before: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether no field changes but those that tell how it goes."""
    changed = {name for name in {*before, *wanted} if before.get(name) != wanted.get(name)}
    return changed <= NEWS.get(kind, frozenset())
