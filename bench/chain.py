"""How soon a step begins after the one before it has ended, on an API server in memory.

    python -m bench.chain [STEPS]

The reconciler itself, with its caches, queue and HTTP client; pods take no time, and no kubelet or Job
controller stands in between. What is left is ours, and the watch's. Ratios between two versions count, not
the figures.
"""

import asyncio
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from penstock_operator import views
from penstock_spec import names
from tests.core.pipelines import programs
from tests.shell.desk import Desk, desk
from tests.shell.test_unseen import pod_of

ABOUT = {"apiVersion": names.API_VERSION}
STATUS = "PATCH pipelineruns/r/status"


async def begin(seen: Desk, steps: int) -> None:
    """A run of so many steps, each of which needs the one before it."""
    spec = programs({f"s{n}": [f"s{n - 1}"] if n else [] for n in range(steps)})
    made = await seen.api.add({**ABOUT, "kind": names.PIPELINE, "metadata": {"name": "p"}, "spec": spec})
    owner = {"kind": names.PIPELINE, "name": "p", "uid": made["metadata"]["uid"], "controller": True}
    meta = {"name": "r", "ownerReferences": [owner]}
    await seen.api.add({**ABOUT, "kind": names.PIPELINE_RUN, "metadata": meta, "spec": {"pipeline": "p"}})
    await seen.look(names.PIPELINE_RUN, "r")


async def chain(steps: int) -> tuple[list[float], int]:
    """The seconds between the beginnings of the steps, and how often the run's status was written."""
    with tempfile.TemporaryDirectory() as folder:
        async with desk(Path(folder)) as seen:
            begun: list[float] = []
            ends: list[asyncio.Task[None]] = []

            async def ended(job: dict[str, Any]) -> None:
                await seen.api.add(pod_of(job, "Succeeded", {"terminated": {"exitCode": 0}}))
                await seen.api.add(
                    {**job, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}
                )
                await seen.look(names.PIPELINE_RUN, "r")

            async def made(job: dict[str, Any]) -> None:
                begun.append(time.perf_counter())
                ends.append(asyncio.create_task(ended(job)))

            seen.api.created = made
            await begin(seen, steps)
            await seen.until(lambda: views.finished(seen.api.held(names.PIPELINE_RUN, "r")), 300)
            await asyncio.gather(*ends)
            return [late - early for early, late in pairwise(begun)], seen.api.writes.count(STATUS)


def main() -> None:
    """Five rounds, each a line."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for _ in range(5):
        gaps, writes = asyncio.run(chain(steps))
        middle, worst = (round(1000 * of(gaps)) for of in (median, max))
        print(f"{steps} steps: {middle} ms from one to the next, worst {worst}; {writes} status writes")


if __name__ == "__main__":
    main()
