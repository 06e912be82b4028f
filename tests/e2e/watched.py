"""The tumour example served and watched in windows short enough for a test, and traffic to it."""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import yaml

from examples import traffic
from hack import load
from hack.cluster.cluster import Cluster
from hack.cluster.cluster import load as cluster
from hack.project import pods_of
from tests.support import ROOT, Kubectl, Runs, condition, steps_of, wait_for

EVERY = "15s"
RATE = 40.0
SHIFT = {"mean_texture": 0.5, "worst_symmetry": 0.5}  # standard deviations
ENDPOINT = "tumour"


def here() -> Cluster:
    """The cluster of the end-to-end tests."""
    return cluster(os.environ["PENSTOCK_CLUSTER"])


def watched_tumour(namespace: str, **spec: Any) -> dict[str, Any]:
    """The example, with windows short enough for a test."""
    text = (ROOT / "examples/tumour/pipeline.yaml").read_text()
    assert "every: 5m" in text
    found: dict[str, Any] = yaml.safe_load(text.replace("every: 5m", f"every: {EVERY}"))
    found["metadata"]["namespace"] = namespace
    found["spec"] |= spec
    return found


def sending(
    namespace: str, table: traffic.Table, *, rate: float = RATE, shift: Mapping[str, float] | None = None
) -> AbstractContextManager[Counter[str]]:
    """Traffic to the endpoint while the context lasts; what was answered, by status."""
    return load.sending(here(), namespace, ENDPOINT, table, rate=rate, shift=shift)


class Watch:
    """What the endpoint says of its windows."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        self._kubectl = kubectl
        self._namespace = namespace

    def endpoint(self) -> dict[str, Any]:
        """As it is now."""
        return self._kubectl.get("modelendpoint", ENDPOINT, self._namespace)

    def windows(self) -> list[dict[str, Any]]:
        """The newest last."""
        return list(self.endpoint().get("status", {}).get("monitoring", {}).get("windows", ()))

    def last(self) -> str:
        """The end of the newest one; empty before the first."""
        found = self.windows()
        return str(found[-1]["end"]) if found else ""

    def wait(self, what: str, found: Callable[[list[dict[str, Any]]], Any], after: str = "") -> Any:
        """The first true value of `found` over the windows that ended after `after`."""
        return wait_for(
            what, lambda: found([one for one in self.windows() if one["end"] > after]), 400, every=0.5
        )

    def drifted(self) -> dict[str, Any]:
        """The condition."""
        return condition(self.endpoint(), "Drifted")

    def wait_drifted(self, status: str) -> dict[str, Any]:
        """The endpoint once the condition is so."""

        def look() -> dict[str, Any] | None:
            found = self.endpoint()
            return found if condition(found, "Drifted").get("status") == status else None

        return dict(wait_for(f"Drifted {status}", look, 400, every=0.5))


def serve(runs: Runs, manifest: Mapping[str, Any]) -> Watch:
    """The pipeline's endpoint, once it serves and everything that is asked of it is logged."""
    run = runs.execute(manifest)
    assert run["status"]["status"] == "Succeeded", json.dumps(run["status"], indent=1)
    assert steps_of(run)["watch"]["state"] == "Succeeded"

    def settled() -> bool:
        pods = pods_of(here(), runs.namespace, ENDPOINT)
        return not any("deletionTimestamp" in one["metadata"] for one in pods)

    wait_for("the pods without a log to go", settled)
    return Watch(runs.kubectl, runs.namespace)
