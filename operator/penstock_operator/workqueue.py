"""Which objects to look at, and when: each at most once in the queue, at most one worker on it."""

import asyncio
from collections import Counter, deque
from typing import NamedTuple

from penstock_operator import clock

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


class Key(NamedTuple):
    """What is reconciled."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


class WorkQueue:
    """De-duplicating queue with timers and growing pauses after failures. Belongs to one event loop."""

    def __init__(self) -> None:
        self._ready: deque[Key] = deque()
        self._waiting: set[Key] = set()  # in _ready
        self._working: set[Key] = set()  # taken, not done
        self._again: set[Key] = set()  # added while being worked on
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: Counter[Key] = Counter()
        self._filled = asyncio.Event()
        self.closed = False

    def __len__(self) -> int:
        return len(self._ready) + len(self._again)

    @property
    def busy(self) -> int:
        """How many keys workers hold now."""
        return len(self._working)

    def add(self, key: Key) -> None:
        """Look at this soon. Whatever was planned for later is still done later."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.append(key)
            self._filled.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Look at this in so many seconds, unless it is planned for earlier already."""
        loop = asyncio.get_running_loop()
        due = loop.time() + max(0.0, seconds)
        planned = self._timers.get(key)
        if planned is not None:
            if planned.when() <= due:
                return
            planned.cancel()
        self._timers[key] = loop.call_at(due, self._due, key)

    def failed(self, key: Key, first: float = FIRST_PAUSE) -> float:
        """Look at this again after a pause that doubles with each failure in a row.

        Gives the pause in seconds.
        """
        self._failures[key] += 1
        pause = min(first * 2.0 ** (self._failures[key] - 1), LONGEST_PAUSE) * clock.spread(0.5, 1.0)
        self.add_after(key, pause)
        return pause

    def succeeded(self, key: Key) -> None:
        """The next failure is a first one again."""
        self._failures.pop(key, None)

    def forget(self, key: Key) -> None:
        """The object is gone: drop its timer and its history."""
        self._failures.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    async def take(self) -> Key | None:
        """The next key, or None once the queue is closed. Call `done` with it when finished."""
        while not self._ready or self.closed:
            if self.closed:
                return None
            self._filled.clear()
            await self._filled.wait()
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._working.add(key)
        return key

    def done(self, key: Key) -> None:
        """The worker has finished with it; what was added meanwhile becomes ready."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def close(self) -> None:
        """Hand out nothing more."""
        self.closed = True
        self._filled.set()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _due(self, key: Key) -> None:
        del self._timers[key]
        self.add(key)
