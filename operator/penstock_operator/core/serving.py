"""What serves and what should: the endpoint's versions, Deployments and Service, sorted once into named
parts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from penstock_operator.core.observed import Meta
from penstock_operator.core.observed_endpoint import DeploymentView, ObservedEndpoint, Unit
from penstock_operator.core.scaling import replicas_of
from penstock_operator.core.target import Problem, Target, target_of
from penstock_operator.core.times import after
from penstock_operator.manifests.facade import Facade
from penstock_operator.manifests.server import Server
from penstock_operator.manifests.windows import log_of
from penstock_spec.base import seconds_of
from penstock_spec.checks.servers import impossible
from penstock_spec.endpoint import ModelEndpointSpec
from penstock_spec.names import Reason, digest_label
from penstock_spec.object_names import server_name

HELD_SECONDS = 10.0  # that a new endpoint waits for the monitoring that its maker promised


@dataclass(frozen=True)
class Scene:
    """The endpoint's parts. `target` and `server` are None where there is a `problem`."""

    observed: ObservedEndpoint
    spec: ModelEndpointSpec | None
    target: Target | None
    server: Server | None
    problem: Problem | None

    @property
    def facade(self) -> Facade:
        """The endpoint, as its Service is named after it."""
        meta = self.observed.meta
        return Facade(meta.namespace, meta.name, meta.uid)

    @property
    def wanted(self) -> Unit | None:
        """What should serve."""
        server = self.server
        return Unit.of(server.version, server.digest, server.settings) if server is not None else None

    @property
    def selected(self) -> Unit | None:
        """What the Service selects now; None before the first, or where somebody else's has the name."""
        service = self.observed.service
        if service is None or service.meta.owner_uid != self.observed.meta.uid:
            return None
        found = Unit.labelled(service.selector)
        return found if found.version else None

    @property
    def last_stable(self) -> Unit | None:
        """What served when the status was written: the one to keep when the Service is gone."""
        status = self.observed.status
        facts = (str(status.get(name, "")) for name in ("stable", "stableDigest", "stableSettings"))
        return Unit.of(*facts)

    @property
    def current(self) -> Unit | None:
        """What serves, or did last."""
        return self.selected or self.last_stable

    @property
    def replicas(self) -> int:
        """How many pods are wanted."""
        return replicas_of(self.spec.scale) if self.spec is not None else 1

    def deployment(self, unit: Unit | None) -> DeploymentView | None:
        """The Deployment of these bytes and settings."""
        return next((one for one in self.observed.deployments if one.unit == unit), None)

    @property
    def serving(self) -> DeploymentView | None:
        """The Deployment whose pods the Service selects."""
        return self.deployment(self.selected) if self.selected is not None else None

    @property
    def answers(self) -> bool:
        """Whether anything answers behind the Service."""
        return self.serving is not None and self.serving.available > 0

    @property
    def replacing(self) -> bool:
        """Whether something else than what is wanted answers behind the Service."""
        return self.answers and self.selected != self.wanted

    @property
    def same_model(self) -> bool:
        """Whether what serves is the wanted model, though by other settings. Of pods that an earlier Penstock
        made nobody knows.
        """
        target, current = self.target, self.current
        if target is None or current is None or not current.settings or current == self.wanted:
            return False
        return current.serves(target.version, target.digest)

    @property
    def subject(self) -> str:
        """What is on its way, for people."""
        version = self.target.version if self.target is not None else ""
        return f"{version} with changed settings" if self.same_model else version

    @property
    def wanted_ready(self) -> bool:
        """Whether every wanted pod of the wanted version is there, new and available, by fresh figures."""
        found = self.deployment(self.wanted)
        if self.server is None or found is None:
            return False
        # Figures count old pods too: only where there are no others are all that are ready new ones.
        figures = {found.replicas, found.existing, found.updated, found.ready, found.available}
        return found.observed_generation >= found.meta.generation and figures == {self.server.replicas}

    def held_until(self, now: datetime) -> datetime | None:
        """Until when no pods are made, because their log comes with the next write; None: they are."""
        observed = self.observed
        if not observed.monitoring_follows or observed.deployments or "monitoring" in observed.spec:
            return None
        end = after(observed.meta.created, HELD_SECONDS)
        return end if now < end else None

    @property
    def unseen(self) -> str:
        """The name of the Deployment that should serve now, where it is not known; empty where it is."""
        current = self.current
        if current in (None, self.wanted) or current is None or self.deployment(current):
            return ""
        digest = self.digest_of(current)
        about = (self.observed.meta.name, current.version, digest, current.settings)
        return server_name(*about) if digest else ""

    def digest_of(self, unit: Unit) -> str:
        """The whole digest of a unit, from whoever knows it; empty where nobody does."""
        return next((one for one in self._digests(unit) if digest_label(one) == unit.digest), "")

    def _digests(self, unit: Unit) -> Iterator[str]:
        observed, status = self.observed, self.observed.status
        if self.target is not None and self.target.version == unit.version:
            yield self.target.digest
        yield from (one.digest for one in observed.deployments if one.unit == unit)
        yield from (one["digest"] for one in status.get("history", ()) if one["version"] == unit.version)
        yield from (one.digest for one in observed.versions if one.meta.name == unit.version)
        yield str(status.get("stableDigest", ""))


def scene_of(observed: ObservedEndpoint) -> Scene:
    """Sorts the endpoint's world."""
    try:
        spec = ModelEndpointSpec.model_validate(dict(observed.spec), by_alias=True, by_name=False)
    except ValidationError as error:
        words = "; ".join(
            f"spec.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5]
        )
        return Scene(observed, None, None, None, Problem(Reason.INVALID_SPEC, words))
    words = "; ".join(impossible(spec))
    target = target_of(observed, spec) if not words else Problem(Reason.INVALID_SPEC, words)
    if isinstance(target, Problem):
        return Scene(observed, spec, None, None, target)
    return Scene(observed, spec, target, server_of(observed.meta, spec, target), None)


def server_of(about: Meta, spec: ModelEndpointSpec, target: Target) -> Server:
    """What the pods of the endpoint `about` run for the target."""
    return Server(
        namespace=about.namespace,
        endpoint=about.name,
        endpoint_uid=about.uid,
        version=target.version,
        model=target.model,
        digest=target.digest,
        replicas=replicas_of(spec.scale),
        cpu=spec.resources.cpu,
        memory=spec.resources.memory,
        deadline_seconds=seconds_of(spec.rollout.deadline),
        tokens=spec.authentication.secret if spec.authentication is not None else "",
        program=spec.server,
        log=log_of(spec.monitoring),
    )
