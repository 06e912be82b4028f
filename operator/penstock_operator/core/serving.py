"""What serves and what should: the endpoint's versions, Deployments and Service, sorted once into named
parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from penstock_operator.core.observed import DeploymentView, ObservedEndpoint, VersionView
from penstock_operator.manifests.serving import Server
from penstock_spec.endpoint import ModelEndpointSpec
from penstock_spec.model_version import Lifecycle
from penstock_spec.names import LABEL_MODEL_VERSION, Reason, server_name


@dataclass(frozen=True)
class Problem:
    """Why the wanted version cannot serve; what serves goes on."""

    reason: str
    message: str


@dataclass(frozen=True)
class Scene:
    """The endpoint's parts. `server` is None where the wanted version cannot serve."""

    observed: ObservedEndpoint
    spec: ModelEndpointSpec | None
    server: Server | None
    problem: Problem | None

    @property
    def selected(self) -> str:
        """The version that the Service selects now; empty before the first."""
        service = self.observed.service
        if service is None or service.meta.owner_uid != self.observed.meta.uid:
            return ""
        return str(service.selector.get(LABEL_MODEL_VERSION, ""))

    @property
    def last_stable(self) -> str:
        """The version that served when the status was written: the one to keep when the Service is gone."""
        return str(self.observed.status.get("stable", ""))

    @property
    def replicas(self) -> int:
        """How many pods are wanted."""
        return self.spec.scale.replicas if self.spec is not None else 1

    def deployment(self, version: str) -> DeploymentView | None:
        """The Deployment of this version; of the wanted one, rather that of the wanted bytes."""
        found = [one for one in self.observed.deployments if one.version == version]
        wanted = self.server.name if self.server is not None else ""
        return min(found, key=lambda one: one.meta.name != wanted, default=None)

    def version(self, name: str) -> VersionView | None:
        """The ModelVersion of this name."""
        return next((one for one in self.observed.versions if one.meta.name == name), None)

    @property
    def wanted_ready(self) -> bool:
        """Whether every wanted pod of the wanted version is there, new and available, by fresh figures."""
        if self.server is None:
            return False
        found = self.deployment(self.server.version)
        return (
            found is not None
            and found.meta.name == self.server.name
            and found.observed_generation >= found.meta.generation
            and found.replicas == found.updated == found.ready == found.available == self.server.replicas
        )

    def others(self, keep: Sequence[str]) -> list[DeploymentView]:
        """The Deployments of other versions than these, and of other bytes under the wanted one's name."""
        found = [one for one in self.observed.deployments if one.version not in keep]
        if self.server is None or not self.wanted_ready:
            return found
        mine = [one for one in self.observed.deployments if one.version == self.server.version]
        return found + [one for one in mine if one.meta.name != self.server.name]

    @property
    def unseen(self) -> str:
        """The name of the Deployment that should serve now, where it is not known; empty where it is."""
        current = self.selected or self.last_stable
        if self.server is None or current in ("", self.server.version) or self.deployment(current):
            return ""
        status, found = self.observed.status, self.version(current)
        digest = found.digest if found is not None else str(status.get("stableDigest", ""))
        return server_name(self.observed.meta.name, current, digest)


def scene_of(observed: ObservedEndpoint) -> Scene:
    """Sorts the endpoint's world."""
    try:
        spec = ModelEndpointSpec.model_validate(dict(observed.spec), by_alias=True, by_name=False)
    except ValidationError as error:
        words = "; ".join(
            f"spec.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5]
        )
        return Scene(observed, None, None, Problem(Reason.INVALID_SPEC, words))
    scene = Scene(observed, spec, None, None)
    found = scene.version(spec.model.version)
    problem = _problem(observed, spec, found)
    if problem is not None or found is None:
        return replace(scene, problem=problem)
    server = Server(
        namespace=observed.meta.namespace,
        endpoint=observed.meta.name,
        endpoint_uid=observed.meta.uid,
        version=found.meta.name,
        model=found.model,
        digest=found.digest,
        replicas=spec.scale.replicas,
        cpu=spec.resources.cpu,
        memory=spec.resources.memory,
    )
    return replace(scene, server=server)


def _problem(
    observed: ObservedEndpoint, spec: ModelEndpointSpec, found: VersionView | None
) -> Problem | None:
    name = spec.model.version
    if found is None:
        command = f"kubectl get mv -n {observed.meta.namespace}"
        return Problem(Reason.MODEL_VERSION_NOT_FOUND, f"there is no ModelVersion {name}; {command}")
    if spec.model.digest is not None and spec.model.digest != found.digest:
        words = f"ModelVersion {name} has digest {found.digest}, the endpoint asks for {spec.model.digest}"
        return Problem(Reason.MODEL_VERSION_NOT_FOUND, words)
    # What serves already goes on serving: taking it away is a person's decision.
    serves = observed.status.get("stable") == name
    if found.lifecycle == Lifecycle.REJECTED and not serves:
        command = f"kubectl describe mv -n {observed.meta.namespace} {name}"
        return Problem(Reason.MODEL_NOT_APPROVED, f"ModelVersion {name} was rejected by its gate; {command}")
    return None
