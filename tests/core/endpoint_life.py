"""An endpoint's whole life: people who change their minds, a Deployment controller and a kubelet that follow
a script, and an operator that may die at any write and sees figures late.

It knows Kubernetes' rules and what clients would see, not how the planner decides. What must hold at every
moment is checked at every write.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from penstock_operator.core.actions import Action, Apply, Delete, EventNote, PatchStatus
from penstock_operator.core.observed import Ref, Trouble, VersionView
from penstock_operator.core.observed_endpoint import (
    CompanionView,
    DeploymentView,
    ObservedEndpoint,
    ServiceView,
    Unit,
)
from penstock_operator.core.plan_endpoint import plan_endpoint
from penstock_operator.core.settings import Settings
from penstock_spec import names
from penstock_spec.endpoint_status import ModelEndpointStatus
from tests.core.endpoint_worlds import digest, version
from tests.core.pods import NOW, container, meta, pod

READY_AFTER = 3.0  # seconds in which the pods of a good version are ready
DEADLINE = 60.0
SLOW = 75.0  # seconds in which those of a slow one are


class Killed(Exception):  # noqa: N818 - the name says what happened
    """The operator died at a write."""


@dataclass(frozen=True)
class Cluster:
    """The children at one moment."""

    deployments: Mapping[str, DeploymentView] = field(default_factory=dict)
    service: ServiceView | None = None
    autoscaler: CompanionView | None = None
    budget: CompanionView | None = None


@dataclass
class EndpointLife:
    """`fates` says how the pods of a version or of an image go: good (the default), slow, hanging or
    crashing.
    """

    fates: Mapping[str, str] = field(default_factory=dict)
    fate_of_write: Callable[[], str] = lambda: ""
    lag: Callable[[], int] = lambda: 0
    settings: Settings = field(default_factory=Settings)
    now: datetime = NOW
    spec: dict[str, Any] = field(default_factory=dict)
    managers: dict[str, list[str]] = field(default_factory=dict)
    registry: dict[str, VersionView] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    events: list[EventNote] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    switches: list[tuple[datetime, Unit]] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)  # of Deployments, by name
    cluster: Cluster = field(default_factory=Cluster)

    def __post_init__(self) -> None:
        self.past: list[Cluster] = [self.cluster]
        self.generation = 0
        self.asked_at = self.now
        self.number = 0
        self._known = 0  # the operator has seen at least what it wrote itself

    # What people do

    def ask(
        self, name: str, asked_by: str = "run m-g1, step serve", manager: str = "penstock-deploy"
    ) -> None:
        """Somebody asks for a version."""
        self.registry.setdefault(name, version(name))
        self.managers["spec.model.version"] = [manager]
        model = {"version": name, "digest": digest(name), "askedBy": asked_by}
        self.edit(model=model, rollout={"deadline": f"{DEADLINE:.0f}s"})

    def edit(self, **fields: Any) -> None:
        """Somebody sets fields of the spec; None removes one."""
        whole = {**self.spec, **fields}
        self.spec = {name: value for name, value in whole.items() if value is not None}
        self.generation += 1
        if fields.keys() & {"model", "rollbackTo", "server", "resources", "authentication"}:
            self.asked_at = self.now

    # Time and what happens in it by itself

    def live(self, seconds: float) -> None:
        """Let time pass, second by second: passes when something happens or one was asked for, and each
        minute.
        """
        end = self.now + timedelta(seconds=seconds)
        wake = self.now
        while self.now <= end:
            if self.kubelet() or self.now >= wake:
                wake = self.operate() or self.now + timedelta(seconds=60)
            self.now += timedelta(seconds=1)

    def unwatched(self, seconds: int) -> None:
        """The operator is down, the cluster is not."""
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            self.kubelet()

    def operate(self) -> datetime | None:
        """Passes until one is carried out whole; after a death the next operator begins from a fresh list."""
        for _ in range(30):
            try:
                return self.run_pass()
            except Killed:
                self._known = len(self.past) - 1
        raise AssertionError("killed at every write")

    def kubelet(self) -> bool:
        """Pods get ready by their fate; True where something changed."""
        found = {name: self._grown(one) for name, one in self.cluster.deployments.items()}
        if found == dict(self.cluster.deployments):
            return False
        self._become(replace(self.cluster, deployments=found))
        return True

    def _grown(self, one: DeploymentView) -> DeploymentView:
        age = (self.now - one.meta.created).total_seconds()
        fate = self.fate(one)
        ready = one.replicas if age >= {"good": READY_AFTER, "slow": SLOW}.get(fate, 1e9) else 0
        fresh = replace(one, observed_generation=one.meta.generation, updated=one.replicas, ready=ready)
        since = one.available_since or self.now if ready else None
        pods = (pod(container("serve", waiting_reason="CrashLoopBackOff")),) if fate == "crashing" else ()
        return replace(fresh, available=ready, existing=one.replicas, available_since=since, pods=pods)

    def fate(self, one: DeploymentView) -> str:
        """How its pods go: what is wrong with its version comes before what is wrong with its image."""
        of_version = self.fates.get(one.unit.version, "good")
        return of_version if of_version != "good" else self.fates.get(self.images[one.meta.name], "good")

    def _become(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.past.append(cluster)

    # One pass of the operator

    def run_pass(self) -> datetime | None:
        live: set[Ref] = set()
        troubles: dict[str, Trouble] = {}
        asked: set[str] = set()
        seen = self.past[max(self._known, len(self.past) - 1 - self.lag())]
        for _ in range(30):
            plan = plan_endpoint(self._observed(seen, live, troubles), self.now, self.settings)
            if plan.confirm:
                assert not set(plan.confirm) & live, f"asks again for what was read live: {plan.confirm}"
                live |= set(plan.confirm)
                seen = self.cluster
                continue
            if set(plan.inquire) - asked:
                asked |= set(plan.inquire)
                troubles |= {name: Trouble("Unhealthy", "no answer") for name in plan.inquire}
                continue
            if plan.actions:
                for action in plan.actions:
                    self._carry_out(action)
                if any(isinstance(one, Apply) for one in plan.actions):
                    seen = self.past[max(self._known, len(self.past) - 1)]
                    continue
            if plan.status is not None:
                self._write("status", partial(self._set_status, dict(plan.status)))
                self.events += plan.events
            for action in plan.after:
                self._carry_out(action)
            # What the caches have not heard of yet wakes the operator when they do.
            return plan.look_again if seen is self.cluster else self.now + timedelta(seconds=1)
        raise AssertionError(f"a pass went round and round: {plan}")

    def _observed(self, seen: Cluster, live: set[Ref], troubles: Mapping[str, Trouble]) -> ObservedEndpoint:
        return ObservedEndpoint(
            meta=replace(meta("e", "e-uid", 0), generation=self.generation),
            spec=self.spec,
            status=self.status,
            versions=tuple(self.registry.values()),
            deployments=tuple(seen.deployments.values()),
            service=seen.service,
            autoscaler=seen.autoscaler,
            budget=seen.budget,
            managers=self.managers,
            troubles=troubles,
            live=frozenset(live),
        )

    def _write(self, what: str, do: Callable[[], None]) -> None:
        fate = self.fate_of_write()
        if fate == "before":
            raise Killed
        do()
        self.writes.append(what)
        self.check()
        self._known = len(self.past) - 1
        if fate == "after":
            raise Killed

    def _set_status(self, new: dict[str, Any]) -> None:
        ModelEndpointStatus.model_validate(new, by_alias=True, by_name=False)
        before, after = self.status.get("history", ()), new.get("history", ())
        # Append-only: what was there stays, but for the end of the last entry.
        assert [_ended(one) for one in before] == [_ended(one) for one in after][: len(before)]
        assert len(after) - len(before) in (0, 1)
        self.status = new

    def _carry_out(self, action: Action) -> None:
        match action:
            case Apply(manifest, manager):
                self._write(f"apply {manifest['kind']}", lambda: self._apply(manifest, manager))
            case Delete(kind, _, _, uid):
                self._write(f"delete {kind}", lambda: self._delete(kind, uid))
            case PatchStatus(_, _, name, _, status):
                self._write(f"lifecycle {name}", lambda: self._patch(name, status))

    def _patch(self, name: str, status: Mapping[str, Any]) -> None:
        self.registry[name] = replace(
            self.registry[name], lifecycle=str(status.get("lifecycle", "")), status=status
        )

    def _apply(self, manifest: Mapping[str, Any], manager: str) -> None:
        kind, spec = manifest["kind"], manifest["spec"]
        if kind == "Deployment":
            self._apply_deployment(manifest, manager)
        elif kind == "Service":
            before = self.cluster.service
            found = ServiceView(
                meta("e", "s-uid", 0, owner="e-uid"),
                dict(spec["selector"]),
                manifest["metadata"]["labels"][names.LABEL_SPEC_HASH],
            )
            if before is None or before.selector != found.selector:
                self.switches.append((self.now, Unit.labelled(found.selector)))
            self._become(replace(self.cluster, service=found))
        else:
            view = CompanionView(meta("e", f"{kind}-uid", 0, owner="e-uid"), spec)
            self._become(self._with(kind, view))

    def _with(self, kind: str, view: CompanionView | None) -> Cluster:
        if kind == "HorizontalPodAutoscaler":
            return replace(self.cluster, autoscaler=view)
        assert kind == "PodDisruptionBudget"
        return replace(self.cluster, budget=view)

    def _apply_deployment(self, manifest: Mapping[str, Any], manager: str) -> None:
        name, spec = manifest["metadata"]["name"], manifest["spec"]
        known = self.cluster.deployments.get(name)
        if known is not None:
            about = replace(known.meta, generation=known.meta.generation + 1)
            changed = replace(known, meta=about, replicas=spec["replicas"])
            if manager == "penstock":
                changed = replace(changed, spec_hash=manifest["metadata"]["labels"][names.LABEL_SPEC_HASH])
        else:
            assert "uid" not in manifest["metadata"], "nothing is scaled into being"
            self.number += 1
            self.images[name] = spec["template"]["spec"]["containers"][0]["image"]
            told = spec["template"]["spec"]["containers"][0]["env"]
            values = {one["name"]: one.get("value", "") for one in told}
            about = replace(meta(name, f"d-{self.number}", 0, owner="e-uid"), created=self.now)
            changed = DeploymentView(
                meta=about,
                unit=Unit.labelled(spec["selector"]["matchLabels"]),
                replicas=spec["replicas"],
                updated=0,
                ready=0,
                available=0,
                observed_generation=0,
                model=values["PENSTOCK_MODEL_NAME"],
                digest=values["PENSTOCK_MODEL_DIGEST"],
                spec_hash=manifest["metadata"]["labels"][names.LABEL_SPEC_HASH],
            )
        self._become(replace(self.cluster, deployments={**self.cluster.deployments, name: changed}))

    def _delete(self, kind: str, uid: str) -> None:
        if kind != "Deployment":
            self._become(self._with(kind, None))
            return
        gone = next(one for one in self.cluster.deployments.values() if one.meta.uid == uid)
        assert gone.unit != self.selected, "what the Service selects was deleted"
        # What has never served has no clients.
        if self.status.get("stable") and any(unit == gone.unit for _, unit in self.switches):
            waited = (self.now - self.switches[-1][0]).total_seconds()
            assert waited >= self.settings.settle, f"its clients had {waited} s to notice"
        rest = {name: one for name, one in self.cluster.deployments.items() if one.meta.uid != uid}
        self._become(replace(self.cluster, deployments=rest))

    # What must hold at every moment

    @property
    def selected(self) -> Unit | None:
        """What the Service selects."""
        service = self.cluster.service
        return None if service is None else Unit.labelled(service.selector)

    @property
    def behind(self) -> DeploymentView | None:
        """The Deployment whose pods answer."""
        found = [one for one in self.cluster.deployments.values() if one.unit == self.selected]
        return found[0] if found and found[0].available else None

    @property
    def answering(self) -> str:
        """The version that answers; empty where none does."""
        return self.behind.unit.version if self.behind is not None else ""

    @property
    def image(self) -> str:
        """The image that answers."""
        return self.images[self.behind.meta.name] if self.behind is not None else ""

    def check(self) -> None:
        """Once something has answered, something always does, and never what is broken or came too late."""
        if not self.status.get("stable"):
            return
        assert self.behind is not None, "nobody answers"
        fate, first = self.fate(self.behind), self.switches[0][1]
        if fate == "good" or self.behind.unit == first:
            return
        # Whoever asks again gives a slow one that has begun already another time to get ready in.
        tried = (self.switches[-1][0] - self.asked_at).total_seconds()
        assert fate == "slow", f"{self.behind.unit} is {fate} and answers"
        assert self.now > self.switches[-1][0] or tried <= DEADLINE, "it came too late and answers"


def _ended(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in entry.items() if name != "until"}
