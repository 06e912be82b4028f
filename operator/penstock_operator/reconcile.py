"""One pass over one object: observe, plan, create, write the status once, then clean up and tell.

Whatever fails is tried again from a new observation; nothing is remembered from one pass to the next but what
spreads the writes of statuses (pace.py).
"""

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from functools import partial
from time import perf_counter
from typing import Any

from penstock_operator import clock, events, views
from penstock_operator.act import Actor
from penstock_operator.caches import Caches
from penstock_operator.cluster import Cluster
from penstock_operator.core.actions import Plan
from penstock_operator.core.lifecycles import abandoned
from penstock_operator.core.plan_endpoint import plan_endpoint
from penstock_operator.core.plan_pipeline import plan_pipeline
from penstock_operator.core.plan_run import plan_run
from penstock_operator.core.settings import Settings
from penstock_operator.errors import ClusterError, Conflict, NotFound
from penstock_operator.gates import Gates, gates_of
from penstock_operator.metrics import Metrics
from penstock_operator.observe import Observer
from penstock_operator.pace import Pace, is_news
from penstock_operator.reads import Findings, Reads
from penstock_operator.statuses import status_patch
from penstock_operator.store import Object
from penstock_operator.workqueue import Key, WorkQueue
from penstock_spec import names

log = logging.getLogger(__name__)

ROUNDS = 16  # plans of one pass; a pass that needs more goes on later
SHORTEST_LOOK = 0.05
AFTER_CONFLICT = 0.2


class _Outcome(Enum):
    """What became of a status that was not written."""

    HELD = "held"  # news, and too soon after the last write: it is planned from as if it had been written
    LATER = "later"  # too soon as well, but nothing is built upon it before it is written
    AGAIN = "again"  # the object is another one by now, or known to be: plan again


class Reconciler:
    """Brings one object at a time to what is asked of it."""

    def __init__(
        self, cluster: Cluster, caches: Caches, queue: WorkQueue, metrics: Metrics, settings: Settings
    ) -> None:
        self._cluster = cluster
        self._caches = caches
        self._queue = queue
        self._metrics = metrics
        self._settings = settings
        self._reads = Reads(cluster, caches)
        self._observer = Observer(caches, self._reads, settings)
        self._actor = Actor(cluster, caches, self._reads)
        self._pace = Pace()
        self._gates = Gates()
        self.finished_at = perf_counter()  # when the last pass ended, whatever its result

    async def work(self) -> None:
        """Take keys and reconcile them until the queue closes. One object's failure is never another's."""
        while (key := await self._queue.take()) is not None:
            started = perf_counter()
            try:
                result = await self._guarded(key)
            finally:
                self._queue.done(key)
            self.finished_at = perf_counter()
            self._metrics.reconciled(key.kind, result, self.finished_at - started)

    async def _guarded(self, key: Key) -> str:
        try:
            result = await self._pass(key)
        except ClusterError as error:
            pause = (
                self._queue.failed(key, AFTER_CONFLICT)
                if isinstance(error, Conflict)
                else self._queue.failed(key)
            )
            log.warning(
                "reconcile failed",
                extra={"object": str(key), "why": str(error), "again_in_s": round(pause, 1)},
            )
            return type(error).__name__
        except Exception:
            pause = self._queue.failed(key)
            log.exception(
                "a fault of the operator", extra={"object": str(key), "again_in_s": round(pause, 1)}
            )
            return "Fault"
        self._queue.succeeded(key)
        return result

    async def _pass(self, key: Key) -> str:
        findings = Findings()
        rounds = 0
        # Each refusal brings one round more: an object may have hundreds of steps, all of them refused.
        while rounds < ROUNDS + len(findings.refusals):
            rounds += 1
            item = self._caches[key.kind].get(key.namespace, key.name)
            if item is None:
                if key.kind == names.MODEL_ENDPOINT:
                    await self._abandon(key)
                self._queue.forget(key)
                self._pace.forget(key)
                return "Absent"
            if item["metadata"].get("deletionTimestamp"):
                return "Deleting"  # what it owns goes with it; the API server sees to that
            plan = await self._plan(key, item, findings)
            if await self._learned_more(plan, item, findings):
                continue
            gates = gates_of(item, plan, self._observer.is_bounded)
            async with self._gates.passed(gates):
                if gates:
                    plan = await self._plan(key, item, findings)
                    if plan.confirm or not gates.issuperset(gates_of(item, plan, self._observer.is_bounded)):
                        continue
                if not self._pace.lets_be(key, plan):
                    await self._write_held(key, item)
                    continue
                if await self._carry_out(key, item, plan, findings):
                    continue
                written = await self._write_status(key, item, plan)
            if written is _Outcome.HELD or written is _Outcome.LATER:
                self._look_again(key, plan, anew=written is _Outcome.LATER)
                return "Later"
            if written is _Outcome.AGAIN:
                continue
            await self._conclude(key, plan)
            return "Done"
        raise Conflict(f"{key} did not settle in {rounds} rounds")

    async def _carry_out(self, key: Key, item: Object, plan: Plan, findings: Findings) -> bool:
        """True when the planner has to look again. What Jobs were to bear is written where none can be."""
        try:
            return await self._actor.carry_out(plan.actions, findings, partial(self._overtaken, key, item))
        except ClusterError:
            if self._pace.unwritten(key):
                with suppress(ClusterError):
                    await self._write_held(key, item)
            raise

    def _overtaken(self, key: Key, item: Object) -> bool:
        """Whether the object is gone, or somebody has asked something else of it, since this was planned."""
        known = self._caches[key.kind].get(key.namespace, key.name)
        return known is None or known["metadata"].get("generation") != item["metadata"].get("generation")

    async def _abandon(self, key: Key) -> None:
        """Take an endpoint that is gone, by a live look, out of the registry."""
        writes = abandoned(key.name, self._observer.versions(key.namespace))
        if writes and await self._reads.fresh(*key) is None:
            await self._actor.carry_out(writes, Findings())

    async def _plan(self, key: Key, item: Object, findings: Findings) -> Plan:
        now, item = clock.now(), self._pace.seen(key, item)
        match item["kind"]:
            case names.PIPELINE:
                return plan_pipeline(self._observer.pipeline(item, findings), now, self._settings)
            case names.PIPELINE_RUN:
                observed = await self._observer.run(item, findings, self._pace.unwritten(key))
                return plan_run(observed, now, self._settings)
            case _:
                return plan_endpoint(self._observer.endpoint(item, findings), now, self._settings)

    async def _learned_more(self, plan: Plan, item: Object, findings: Findings) -> bool:
        """Read live what the plan asks for; True when there is something new to plan with."""
        namespace, uid = item["metadata"]["namespace"], item["metadata"]["uid"]
        if plan.confirm:
            await self._reads.confirm(plan.confirm, namespace, uid, findings)
            return True
        unasked = [name for name in plan.inquire if name not in findings.asked]
        if unasked:
            await self._reads.inquire(unasked, namespace, findings)
            return any(name in findings.troubles for name in unasked)
        return False

    async def _write_status(self, key: Key, item: Object, plan: Plan) -> Object | _Outcome:
        """The object as written, or as it is when there is nothing to write."""
        planned = self._pace.seen(key, item).get("status") if plan.status is None else plan.status
        if planned is None:
            return item
        wanted: dict[str, Any] = json.loads(json.dumps(planned))  # as the API server will give it back
        if not status_patch(item.get("status") or {}, wanted):
            self._pace.took_back(key)
            return item
        if self._pace.bears(key, item, plan, wanted):
            return _Outcome.AGAIN
        pause = self._pace.pause(key, item, plan, wanted)
        if pause:
            self._queue.add_after(key, pause)
            return _Outcome.HELD if self._pace.holds(key, wanted) else _Outcome.LATER
        return await self._write(key, item, plan, wanted)

    async def _write_held(self, key: Key, item: Object) -> None:
        """Write the ends that are held: what comes next cannot bear them."""
        await self._write(key, item, Plan(), self._pace.seen(key, item)["status"])

    async def _write(
        self, key: Key, item: Object, plan: Plan, wanted: Mapping[str, Any]
    ) -> Object | _Outcome:
        """Patch the status, and tell of what has ended."""
        plan, before = self._pace.told(key, plan), item.get("status") or {}
        version = item["metadata"]["resourceVersion"]
        try:
            written = await self._cluster.patch_status(*key, version, status_patch(before, wanted))
        except (Conflict, NotFound):
            await self._reads.fresh(*key)
            return _Outcome.AGAIN
        except ClusterError:
            # It may have been written all the same, and whoever passes the gate next has to know.
            known = None
            with suppress(ClusterError):
                known = await self._reads.fresh(*key)
            if known is None or known.get("status") != wanted:
                raise
            written = known
        self._pace.wrote(key, news=is_news(key.kind, before, plan, wanted))
        self._caches.learn(key.kind, written)
        self._tell(key, plan, written, item)
        await events.post(self._cluster, written, plan.events, clock.now())
        return written

    async def _conclude(self, key: Key, plan: Plan) -> None:
        """What may only be done once the status is written."""
        if await self._actor.carry_out(plan.after, Findings()):
            self._queue.add(key)
        self._look_again(key, plan)

    def _look_again(self, key: Key, plan: Plan, *, anew: bool = False) -> None:
        """`anew`: the status is planned again in a moment, so what is due now is due when that is written."""
        if plan.look_again is None:
            return
        pause = (plan.look_again - clock.now()).total_seconds()
        if pause > 0 or not anew:
            self._queue.add_after(key, max(SHORTEST_LOOK, pause))

    def _tell(self, key: Key, plan: Plan, written: Object, before: Object) -> None:
        status: Mapping[str, Any] = written.get("status") or {}
        steps = {one["name"]: one for one in status.get("steps") or ()}
        for name, state in plan.steps_ended.items():
            step = steps.get(name, {})
            self._metrics.steps.labels(step.get("kind", ""), state, step.get("reason", "")).inc()
        if key.kind == names.PIPELINE_RUN and views.finished(written) and not views.finished(before):
            self._metrics.runs.labels(status.get("status", ""), status.get("reason", "")).inc()
        about = {"object": str(key), "status": status.get("status", ""), "reason": status.get("reason", "")}
        log.info("status written", extra={**about, "steps_ended": dict(plan.steps_ended)})
