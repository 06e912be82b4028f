"""Two versions of a model in a namespace of their own, and endpoints by hand that serve them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support import Kubectl, condition, wait_for


@dataclass(frozen=True)
class Stage:
    """A namespace with the ModelVersions tumour-1 and tumour-2."""

    kubectl: Kubectl
    namespace: str
    image: str  # of our server
    body: str  # a request for one row
    digests: Mapping[str, str]

    def endpoint(self, name: str, version: str = "tumour-1", **spec: Any) -> "Served":
        """A ModelEndpoint that serves a version."""
        model = {"version": version, "digest": self.digests[version]}
        self.kubectl.apply(
            {
                "apiVersion": "penstock.dev/v1alpha1",
                "kind": "ModelEndpoint",
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": {"model": model, "resources": {"cpu": "20m", "memory": "384Mi"}, **spec},
            }
        )
        served = Served(self, name)
        served.wait_serving(version)
        return served


@dataclass(frozen=True)
class Served:
    """A ModelEndpoint."""

    stage: Stage
    name: str

    def get(self) -> dict[str, Any]:
        """As it is now."""
        return self.stage.kubectl.get("modelendpoint", self.name, self.stage.namespace)

    def patch(self, spec: Mapping[str, Any]) -> None:
        """Change its spec as a person would with kubectl."""
        words = ("patch", "me", self.name, "-n", self.stage.namespace, "--type=merge")
        self.stage.kubectl.run(*words, "-p", json.dumps({"spec": spec}))

    def ask(self, version: str, **spec: Any) -> None:
        """Ask for another version."""
        self.patch({"model": {"version": version, "digest": self.stage.digests[version]}, **spec})

    def wait(self, what: str, holds: Callable[[dict[str, Any]], Any], seconds: float = 90) -> dict[str, Any]:
        """The endpoint once `holds` is true of it."""

        def look() -> dict[str, Any] | None:
            found = self.get()
            return found if holds(found) else None

        found: dict[str, Any] = wait_for(f"{self.name}: {what}", look, seconds)
        return found

    def wait_serving(self, version: str, seconds: float = 90) -> dict[str, Any]:
        """The endpoint once this version has all traffic and all its pods."""
        return self.wait(f"{version} to serve", lambda me: serves(me, version), seconds)

    def wait_refused(self, seconds: float = 90) -> str:
        """The words of the refusal, once the version on its way has been refused."""

        def refused(me: dict[str, Any]) -> bool:
            return condition(me, "Stalled").get("reason") == "DeadlineExceeded"

        return str(condition(self.wait("the version to be refused", refused, seconds), "Stalled")["message"])

    def deployments(self) -> list[str]:
        """Versions that have a Deployment."""
        words = ("-l", f"penstock.dev/endpoint={self.name},app.kubernetes.io/component=server")
        found = self.stage.kubectl.list("deployments", self.stage.namespace, *words)
        return sorted(one["metadata"]["labels"]["penstock.dev/model-version"] for one in found)

    def events(self, reason: str) -> list[str]:
        """Messages of the Events about it that have this reason."""
        words = ("--field-selector", f"involvedObject.name={self.name},reason={reason}")
        found = self.stage.kubectl.list("events", self.stage.namespace, *words)
        return [str(one["message"]) for one in found]


def serves(me: Mapping[str, Any], version: str) -> bool:
    """Whether the endpoint serves the version, and says so of this very spec."""
    status = me.get("status", {})
    return (
        status.get("observedGeneration") == me["metadata"]["generation"]
        and status.get("stable") == version
        and condition(me, "Ready").get("status") == "True"
        and condition(me, "Reconciling").get("status") == "False"
    )


def history(me: Mapping[str, Any]) -> list[tuple[int, str, str]]:
    """Revision, version and reason of each entry."""
    return [(one["revision"], one["version"], one["reason"]) for one in me["status"].get("history", ())]
