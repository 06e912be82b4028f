"""What the kubelet and Prometheus ask: is the operator alive, is it ready, what has it counted.

Alive means that it gets things done: the last full comparison and, where there is work, the last finished
reconcile are recent. A process that answers HTTP but has gone deaf is not alive.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter

from aiohttp import web

from penstock_operator.metrics import CONTENT_TYPE, Metrics

OLDEST = 180.0  # seconds: three missed comparisons
LONGEST_START = 120.0


@dataclass(frozen=True)
class Pulse:
    """Where the figures come from. Times are of perf_counter."""

    started_at: float
    compared_at: Callable[[], float]
    reconciled_at: Callable[[], float]
    waiting: Callable[[], int]  # keys that no worker has taken
    synced: Callable[[], bool]

    def ages(self, now: float) -> Mapping[str, float]:
        """Seconds since the start, the last full comparison, and the last finished reconcile."""
        return {
            "uptime": round(now - self.started_at, 1),
            "comparison": round(now - self.compared_at(), 1),
            "reconcile": round(now - self.reconciled_at(), 1),
        }

    def trouble(self, now: float) -> str:
        """Why this process should be replaced; empty while it is well."""
        if not self.synced():
            # Without definitions there is nothing to fill them with; to be told so counts as a comparison.
            late = now - max(self.started_at, self.compared_at()) > LONGEST_START
            return f"the caches have not been filled for {LONGEST_START:.0f} s" if late else ""
        ages = self.ages(now)
        if ages["comparison"] > OLDEST:
            return f"the last full comparison with the API server ended {ages['comparison']:.0f} s ago"
        if self.waiting() and ages["reconcile"] > OLDEST:
            return f"objects wait, and the last reconcile ended {ages['reconcile']:.0f} s ago"
        return ""


@asynccontextmanager
async def serving(pulse: Pulse, metrics: Metrics, address: str | None, port: int) -> AsyncIterator[int]:
    """/metrics, /healthz and /readyz while the context lasts; gives the port, also where 0 was asked for."""

    async def healthz(_request: web.Request) -> web.Response:
        now = perf_counter()
        trouble = pulse.trouble(now)
        body = {"healthy": not trouble, "why": trouble, "ages_s": pulse.ages(now)}
        return web.json_response(body, status=503 if trouble else 200)

    async def readyz(_request: web.Request) -> web.Response:
        ready = pulse.synced()
        return web.json_response({"ready": ready}, status=200 if ready else 503)

    async def metricsz(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application(client_max_size=1024)
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metricsz)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, address, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
