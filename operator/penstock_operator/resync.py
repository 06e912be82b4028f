"""Once a minute the caches are compared with full live lists, and everything unfinished is looked at again.

Streams may lie by silence; this is what bounds how long a lie lasts. Differences are counted: a healthy
cluster has none, or what happened during the listing itself.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from time import perf_counter

from penstock_operator import clock, routes
from penstock_operator.caches import Caches
from penstock_operator.errors import Unavailable
from penstock_operator.metrics import Metrics
from penstock_operator.reads import Reads
from penstock_operator.resources import CUSTOM_KINDS
from penstock_operator.workqueue import Key

log = logging.getLogger(__name__)

JITTER = 0.2


class Resync:
    """Compares and looks again, for ever."""

    def __init__(
        self,
        reads: Reads,
        caches: Caches,
        namespaces: Sequence[str | None],
        add: Callable[[Key], None],
        metrics: Metrics,
    ) -> None:
        self._reads = reads
        self._caches = caches
        self._namespaces = namespaces
        self._add = add
        self._metrics = metrics
        self.finished_at = perf_counter()  # when the last full comparison ended well

    async def load_custom(self) -> None:
        """The first lists of the custom resources, which kopf reports from then on. Faults are waited out."""
        while True:
            try:
                for namespace in self._namespaces:
                    for kind in CUSTOM_KINDS:
                        await self._reads.compare(kind, namespace)
            except Unavailable as error:
                log.warning("the API server does not answer yet", extra={"why": str(error)})
                await asyncio.sleep(1.0)
            else:
                return

    def nothing_there(self) -> None:
        """The API server has said that our kinds do not exist: with nothing there, nothing differs."""
        self.finished_at = perf_counter()

    async def run(self, every: float) -> None:
        """Never returns; raises what the API server refuses for good."""
        while True:
            await asyncio.sleep(every * clock.spread(1 - JITTER, 1 + JITTER))
            try:
                await self.once()
            except Unavailable as error:
                log.warning("full comparison failed", extra={"why": str(error)})

    async def once(self) -> None:
        """One full comparison."""
        for namespace in self._namespaces:
            for kind in (*CUSTOM_KINDS, *self._caches.watched):
                differences = await self._reads.compare(kind, namespace)
                if differences:
                    self._metrics.differences.labels(kind).inc(differences)
        for key in routes.unfinished(self._caches):
            self._add(key)
        self.finished_at = perf_counter()
