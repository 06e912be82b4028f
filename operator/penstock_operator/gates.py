"""What only one of several may take: the last place for a Job, the turn among the runs of a Pipeline.

Workers that decide at the same time see the same caches, and each would take it. So who is about to take it
passes a gate first, decides once more behind it, and leaves it when its write has been answered and is in the
caches. There is one process at a time, so locks in memory suffice.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from penstock_operator import views
from penstock_operator.core.actions import Action, Create, Plan
from penstock_operator.resources import JOB, JOB_SET
from penstock_operator.store import Object
from penstock_spec import names

Gate = tuple[str, ...]


def gates_of(item: Object, plan: Plan, is_bounded: Callable[[str], bool]) -> frozenset[Gate]:
    """The gates that this plan has to pass; `is_bounded` says of a namespace whether its Jobs are bounded."""
    found: set[Gate] = set()
    namespace = item["metadata"]["namespace"]
    if any(map(makes_job, plan.actions)) and is_bounded(namespace):
        found.add(("place", namespace))
    if item["kind"] == names.PIPELINE_RUN and _begins(item, plan):
        found.add(("turn", namespace, views.run(item).pipeline))
    return frozenset(found)


def makes_job(action: Action) -> bool:
    """Whether it begins an attempt of a step."""
    return isinstance(action, Create) and action.manifest["kind"] in (JOB, JOB_SET)


def _begins(item: Object, plan: Plan) -> bool:
    began = (item.get("status") or {}).get("startedAt")
    return not began and plan.status is not None and bool(plan.status.get("startedAt"))


class Gates:
    """The locks, each for as long as somebody is at it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Gate, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def passed(self, gates: frozenset[Gate]) -> AsyncIterator[None]:
        """Alone behind all of these; in one order for all, so that no two wait for each other."""
        async with AsyncExitStack() as stack:
            for gate in sorted(gates):
                await stack.enter_async_context(self._locks.setdefault(gate, asyncio.Lock()))
            yield
