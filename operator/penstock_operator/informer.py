"""Keeps the stores of our own children up to date: list once, then watch from the last version for ever.

A stream that ends is taken up again at once from the last version seen. Only when that version is no longer
kept (410 Gone) is everything listed again, and what is missing from the list is forgotten: a deletion during
the gap is noticed. Faults of the API server are waited out; a refusal (RBAC, a kind that is not served) ends
the task, and with it the process.
"""

import asyncio
import logging
from collections.abc import Callable

from penstock_operator import clock
from penstock_operator.caches import Caches
from penstock_operator.cluster import Cluster
from penstock_operator.errors import Gone, Unavailable
from penstock_operator.resources import fields_of, labels_of
from penstock_operator.store import Object

log = logging.getLogger(__name__)

# Why a stream has to be opened again.
ENDED, GONE, UNAVAILABLE = "ended", "gone", "unavailable"
CAUSES = (ENDED, GONE, UNAVAILABLE)
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0


class Informer:
    """Lists and watches one kind in one namespace (None: in all)."""

    def __init__(
        self,
        cluster: Cluster,
        caches: Caches,
        kind: str,
        namespace: str | None,
        restarted: Callable[[str, str], None],
    ) -> None:
        self._cluster = cluster
        self._caches = caches
        self._kind = kind
        self._namespace = namespace
        self._selected = (labels_of(kind), fields_of(kind))
        self._restarted = (
            restarted  # called with kind and cause (of CAUSES) whenever a stream has to be opened again
        )
        self._version = ""  # empty: list first
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """Never returns; raises what cannot be waited out."""
        monotonic = asyncio.get_running_loop().time
        pause = FIRST_PAUSE
        while True:
            opened = monotonic()
            cause = await self._once()
            self._restarted(self._kind, cause)
            if monotonic() - opened > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            if cause != ENDED or monotonic() - opened < FIRST_PAUSE:
                await asyncio.sleep(clock.spread(pause / 2, pause))
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _once(self) -> str:
        """List if there is no version to go on from, watch until the stream ends; gives why it ended."""
        try:
            if not self._version:
                await self._list()
            await self._watch()
        except Gone:
            self._version = ""
            return GONE
        except Unavailable as error:
            log.warning("stream broken", extra={"kind": self._kind, "why": str(error)})
            return UNAVAILABLE
        return ENDED

    async def _list(self) -> None:
        items, version = await self._cluster.list(self._kind, self._namespace, *self._selected)
        self._caches.compare(self._kind, self._namespace, items, version)
        self._version = version
        self.synced.set()

    async def _watch(self) -> None:
        stream = self._cluster.watch(self._kind, self._namespace, self._version, *self._selected)
        async for event in stream:
            item: Object = event["object"]
            if event["type"] == "DELETED":
                self._caches.forget(self._kind, item)
            elif event["type"] != "BOOKMARK":
                self._caches.learn(self._kind, item)
            self._version = item["metadata"]["resourceVersion"]
