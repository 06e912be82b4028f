"""Two versions of a model in a namespace of their own, and endpoints by hand that serve them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support import Kubectl, condition, wait_for

_ASK = """
import sys, time, urllib.request, urllib.error
request = urllib.request.Request(sys.argv[1], data=sys.argv[2].encode())
for one in sys.argv[3:]:
    request.add_header(*one.split(": ", 1))
until = time.monotonic() + 30
while True:
    try:
        with urllib.request.urlopen(request, timeout=10) as found:
            print(found.status, found.read().decode())
        break
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode())
        break
    except OSError:
        if time.monotonic() > until:
            raise
        time.sleep(0.2)
"""


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
                "spec": {"model": model, "resources": {"cpu": "50m", "memory": "384Mi"}, **spec},
            }
        )
        served = Served(self, name)
        served.wait_serving(version)
        return served

    def clear(self) -> None:
        """Ask for the deletion of all endpoints: those that nobody asks any more take room from others."""
        self.kubectl.run("delete", "modelendpoints", "--all", "-n", self.namespace, "--wait=false")


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

    def wait(self, what: str, holds: Callable[[dict[str, Any]], Any], seconds: float = 240) -> dict[str, Any]:
        """The endpoint once `holds` is true of it."""

        def look() -> dict[str, Any] | None:
            found = self.get()
            return found if holds(found) else None

        found: dict[str, Any] = wait_for(f"{self.name}: {what}", look, seconds)
        return found

    def wait_serving(self, version: str, seconds: float = 240) -> dict[str, Any]:
        """The endpoint once this version has all traffic and all its pods."""
        return self.wait(f"{version} to serve", lambda me: serves(me, version), seconds)

    def wait_refused(self, seconds: float = 240) -> str:
        """The words of the refusal, once the version on its way has been refused."""

        def refused(me: dict[str, Any]) -> bool:
            return condition(me, "Stalled").get("reason") == "DeadlineExceeded"

        return str(condition(self.wait("the version to be refused", refused, seconds), "Stalled")["message"])

    def deployments(self) -> list[str]:
        """Versions that have a Deployment."""
        mine = f"penstock.dev/endpoint={self.name},app.kubernetes.io/component=server"
        found = self.stage.kubectl.list("deployments", self.stage.namespace, mine)
        return sorted(one["metadata"]["labels"]["penstock.dev/model-version"] for one in found)

    def answer(self, *headers: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON of one request to its Service, asked from one of its own pods.

        The nodes hear of a Service, and of a switch, a moment after the status tells of it.
        """
        where = ("-n", self.stage.namespace)
        selector = f"penstock.dev/endpoint={self.name},app.kubernetes.io/component=server"
        pods = self.stage.kubectl.list("pods", self.stage.namespace, selector)
        stays = [one for one in pods if "deletionTimestamp" not in one["metadata"]]
        ready = [one for one in stays if condition(one, "Ready").get("status") == "True"]
        url = f"http://{self.name}.{self.stage.namespace}.svc/v2/models/tumour/infer"
        inside = ("exec", *where, ready[0]["metadata"]["name"], "-c", "serve", "--")
        words = (*inside, "python", "-c", _ASK, url, self.stage.body)
        text = self.stage.kubectl.run(*words, *headers).stdout
        code, _, body = text.partition(" ")
        return int(code), json.loads(body)

    def events(self, reason: str) -> list[str]:
        """Messages of the Events about it that have this reason."""
        mine = f"involvedObject.name={self.name},reason={reason}"
        found = self.stage.kubectl.list("events", self.stage.namespace, fields=mine)
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
