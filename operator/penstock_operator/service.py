"""The whole operator as one set of tasks. The death of any of them ends the process; the kubelet starts anew.

kopf ─────► caches ◄───── informers          resync compares all of it with live lists
              │ routes
              ▼
            queue ──► workers: observe, plan, act
"""

import asyncio
import logging
import signal
from collections.abc import Coroutine, Sequence
from time import perf_counter
from typing import Any

from penstock_operator import handlers, health, permissions, routes
from penstock_operator.caches import Caches
from penstock_operator.cluster import Cluster
from penstock_operator.credentials import Credentials
from penstock_operator.definitions import wait_for_definitions
from penstock_operator.errors import Forbidden, Unavailable
from penstock_operator.informer import CAUSES, Informer
from penstock_operator.metrics import Metrics
from penstock_operator.options import Options
from penstock_operator.reads import Reads
from penstock_operator.reconcile import Reconciler
from penstock_operator.resources import CUSTOM_KINDS, OPTIONAL_KINDS
from penstock_operator.resync import Resync
from penstock_operator.store import Change
from penstock_operator.watchdog import Watchdog
from penstock_operator.workqueue import WorkQueue
from penstock_spec import names

log = logging.getLogger(__name__)

DRAIN_SECONDS = 6.0  # for what is being written when the operator is told to stop
LEAVE_SECONDS = 2.5  # for the streams after that
RIGHTS_SECONDS = 60.0


class CannotStart(Exception):  # noqa: N818 - the name says what happened
    """Something outside has to be put right first; the message says what."""


async def run(options: Options) -> None:
    """Serve until told to stop by SIGTERM or SIGINT. Raises CannotStart, or what killed a stream."""
    metrics = Metrics()
    credentials = Credentials.load(options.kubeconfig)
    async with Cluster(credentials, metrics.request) as cluster:
        served = await served_namespaces(cluster, options.namespaces)
        optional = await served_kinds(cluster)
        await Service(options, cluster, credentials, metrics, served, optional).run()


async def served_namespaces(cluster: Cluster, wanted: Sequence[str | None]) -> Sequence[str | None]:
    """Those of `wanted` in which all rights are there; the others are named in the log and left out.

    Raises CannotStart where none is left: one namespace that goes away must not stop the others.
    """
    served = []
    for namespace in wanted:
        lacking = await _patiently(cluster, namespace)
        if lacking:
            where = f"namespace {namespace}" if namespace else "all namespaces"
            log.error(
                "rights are missing, so this is not served; install the chart's Role, or `helm upgrade`",
                extra={"where": where, "lacking": lacking[:10], "count": len(lacking)},
            )
        else:
            served.append(namespace)
    if not served:
        raise CannotStart(
            "the operator's identity lacks rights everywhere it should work (listed above): "
            "install the chart's Role and RoleBinding, or start with the kubeconfig of somebody who has them"
        )
    return served


async def _patiently(cluster: Cluster, namespace: str | None) -> list[str]:
    while True:
        try:
            return await permissions.missing(cluster, namespace)
        except Unavailable as error:
            log.warning("the API server does not answer yet", extra={"why": str(error)})
            await asyncio.sleep(1.0)


async def served_kinds(cluster: Cluster) -> Sequence[str]:
    """Those of the optional kinds that the API server has now."""
    while True:
        try:
            found = [kind for kind in OPTIONAL_KINDS if await cluster.serves(kind)]
        except Forbidden as error:
            log.warning("may not ask what the API server has; gangs are Jobs", extra={"why": str(error)})
            return ()
        except Unavailable as error:
            log.warning("the API server does not answer yet", extra={"why": str(error)})
            await asyncio.sleep(1.0)
        else:
            return tuple(found)


class Service:
    """Everything that runs, wired together."""

    def __init__(
        self,
        options: Options,
        cluster: Cluster,
        credentials: Credentials,
        metrics: Metrics,
        served: Sequence[str | None],
        optional: Sequence[str] = (),
    ) -> None:
        self._options = options
        self._cluster = cluster
        self._credentials = credentials
        self._metrics = metrics
        self._served = served
        self._started_at = perf_counter()
        self._queue = WorkQueue()
        self._caches = Caches(self._changed, optional)
        self._reads = Reads(cluster, self._caches)
        self._resync = Resync(self._reads, self._caches, served, self._queue.add, metrics)
        self._reconciler = Reconciler(cluster, self._caches, self._queue, metrics, options.settings)
        self._informers = [
            Informer(cluster, self._caches, kind, namespace, metrics.watch_restarted)
            for kind in self._caches.watched
            for namespace in served
        ]
        self._defined = asyncio.Event()
        self._synced = asyncio.Event()
        self._stop = asyncio.Event()
        self._leave = asyncio.Event()
        self._register_gauges()

    async def run(self) -> None:
        """Until told to stop; raises what killed a task."""
        pulse = health.Pulse(
            started_at=self._started_at,
            compared_at=lambda: self._resync.finished_at,
            reconciled_at=lambda: self._reconciler.finished_at,
            waiting=lambda: len(self._queue),
            synced=self._synced.is_set,
        )
        async with health.serving(pulse, self._metrics, self._options.address, self._options.port) as port:
            log.info("serving", extra={"port": port, "namespaces": list(self._served)})
            await self._run_tasks()
        log.info("stopped")

    async def _run_tasks(self) -> None:
        workers = [self._start("worker", self._work()) for _ in range(self._options.workers)]
        streams = [
            self._start("watchdog", Watchdog().run()),
            self._start("sync", self._sync()),
            self._start("rights", self._look_for_rights()),
            *(self._start("informer", one.run()) for one in self._informers),
            # Last: when kopf ends, it cancels every task that is younger than itself.
            self._start("kopf", self._watch_custom()),
        ]
        stopping = self._start("stop", self._stop.wait())
        try:
            await asyncio.wait([*workers, *streams, stopping], return_when=asyncio.FIRST_COMPLETED)
            died = [one for one in (*workers, *streams) if one.done()]
            if died and not self._stop.is_set():
                await died[0]  # raises what killed it
                raise RuntimeError(f"the task {died[0].get_name()} ended by itself")
            await self._drain(workers, streams[-1])
        finally:
            everything = [*workers, *streams, stopping]
            for task in everything:
                task.cancel()
            await asyncio.wait(everything, timeout=LEAVE_SECONDS)

    def _start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return asyncio.create_task(work, name=name)

    async def _drain(self, workers: Sequence[asyncio.Task[Any]], kopf: asyncio.Task[Any]) -> None:
        """Let the workers finish what they hold, then let kopf go."""
        log.info("stopping", extra={"objects_in_hand": self._queue.busy})
        if not self._synced.is_set():
            return  # nothing has begun
        self._queue.close()
        await asyncio.wait(workers, timeout=DRAIN_SECONDS)
        self._leave.set()
        await asyncio.wait([kopf], timeout=LEAVE_SECONDS)

    async def _work(self) -> None:
        await self._synced.wait()
        await self._reconciler.work()

    async def _sync(self) -> None:
        """Fill the caches, let the workers begin, and compare from then on."""
        await wait_for_definitions(self._cluster, self._resync.nothing_there)
        self._defined.set()
        await self._resync.load_custom()
        for informer in self._informers:
            await informer.synced.wait()
        self._synced.set()
        log.info(
            "ready",
            extra={
                "seconds": round(perf_counter() - self._started_at, 2),
                "objects": {kind: read() for kind, read in self._caches.sizes().items()},
            },
        )
        await self._resync.run(self._options.settings.resync)

    async def _look_for_rights(self) -> None:
        """Once rights that were missing at the start have come, a new process is to use them."""
        left_out = [one for one in self._options.namespaces if one not in self._served]
        while True:
            await asyncio.sleep(RIGHTS_SECONDS)
            for namespace in left_out:
                if not await _patiently(self._cluster, namespace):
                    log.info(
                        "rights have come; starting anew to serve this namespace", extra={"where": namespace}
                    )
                    self._stop.set()

    async def _watch_custom(self) -> None:
        self._take_signals()
        # Which kinds there are kopf asks once, when it starts; one that comes later it never watches.
        await self._defined.wait()
        ready = asyncio.Event()

        async def take_signals() -> None:
            # kopf takes the signals for itself when it starts; they are for all of us.
            await ready.wait()
            self._take_signals()

        async with asyncio.TaskGroup() as group:
            group.create_task(take_signals())
            group.create_task(
                handlers.watch(self._caches, self._credentials, self._served, self._leave, ready)
            )
        self._stop.set()  # kopf ends well only when it was told to

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, self._stop.set)

    def _changed(self, change: Change) -> None:
        # Called by the streams: one odd object may not end them.
        try:
            for key in routes.affected(change, self._caches):
                self._queue.add(key)
        except Exception:
            about = change.subject["metadata"]
            name = f"{change.kind}/{about.get('namespace')}/{about.get('name')}"
            log.exception("a fault of the operator", extra={"object": name})

    def _register_gauges(self) -> None:
        metrics, queue = self._metrics, self._queue
        metrics.gauge("queue_depth", "Objects that wait for a worker", lambda: len(queue))
        metrics.gauge("busy_workers", "Objects that workers hold now", lambda: queue.busy)
        metrics.gauge("synced", "1 once the caches are full", lambda: float(self._synced.is_set()))
        metrics.gauge(
            "seconds_since_reconcile",
            "Age of the last finished reconcile",
            lambda: perf_counter() - self._reconciler.finished_at,
        )
        metrics.gauge(
            "seconds_since_comparison",
            "Age of the last full comparison with the API server",
            lambda: perf_counter() - self._resync.finished_at,
        )
        left_out = len(self._options.namespaces) - len(self._served)
        metrics.gauge(
            "namespaces_left_out", "Namespaces that lack rights and are not served", lambda: left_out
        )
        watched = self._caches.watched
        metrics.expect((*CUSTOM_KINDS, *watched), watched, CAUSES)
        metrics.objects(self._caches.sizes())
        metrics.endpoints(self._caches[names.MODEL_ENDPOINT].all)
        metrics.pipelines(self._caches[names.PIPELINE].all)
