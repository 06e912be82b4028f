"""A release of the chart in a namespace of its own, with a run in flight: for tests that take it apart."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hack.project import image_values
from tests.chart.rendering import CHART, NO_CLUSTER_RIGHTS, merged
from tests.support import Kubectl, Runs, pipeline, steps_of, wait_for

RELEASE = "trial"
OPERATOR = f"{RELEASE}-penstock"
CRDS = [
    f"{plural}.penstock.dev" for plural in ("pipelines", "pipelineruns", "modelversions", "modelendpoints")
]
# A sleeping program does not hear SIGTERM, and nobody has to wait for it here.
SETTINGS = {"settings": {"pods": {"terminationGraceSeconds": 2}}}
SMALL = {"resources": {"cpu": "20m", "memory": "48Mi"}}


@dataclass(frozen=True)
class Trial:
    """One release and its namespace."""

    kubectl: Kubectl
    helm: Callable[..., Any]
    namespace: str
    images: Mapping[str, str]

    def install(self, chart: Path = CHART, **other: str) -> None:
        """Install or upgrade, with other images where they are given, and wait until all is ready."""
        names = {**self.images, **other}
        ours = {part: image_values(names[part]) for part in ("operator", "steps", "server", "store")}
        text = json.dumps(merged(NO_CLUSTER_RIGHTS, {"image": ours, **SETTINGS}))
        words = ("upgrade", "--install", RELEASE, str(chart), "-n", self.namespace)
        self.helm(*words, "--wait", "--timeout", "3m", "--values", "-", input=text)

    def uninstall(self) -> None:
        """`helm uninstall`; the release may have gone, or be going, with its namespace."""
        words = ("uninstall", RELEASE, "-n", self.namespace, "--ignore-not-found", "--timeout", "1m")
        done = self.helm(*words, check=False)
        assert done.returncode == 0 or "not found" in done.stderr, done.stderr

    def delete_namespace(self) -> None:
        """Ask for its deletion."""
        self.kubectl.run("delete", "namespace", self.namespace, "--wait=false", "--ignore-not-found")

    def kill_operator(self) -> None:
        """The pod is gone at once; another one comes if its Deployment is still there."""
        selector = "app.kubernetes.io/component=operator"
        self.kubectl.run(
            *("delete", "pod", "-n", self.namespace, "-l", selector, "--force", "--grace-period=0")
        )

    def delete_definitions(self) -> None:
        """Of the whole cluster: every custom resource goes with them."""
        self.kubectl.run("delete", "crd", *CRDS, "--wait=false", "--ignore-not-found")

    def start_a_run(self) -> Runs:
        """A pipeline whose second step sleeps for an hour, once that program runs."""
        run = {"image": self.images["server"], "command": ["true"]}
        steps = [
            {"name": "quick", "run": run, **SMALL},
            {"name": "long", "dependsOn": ["quick"], "run": {**run, "command": ["sleep", "3600"]}, **SMALL},
        ]
        self.kubectl.apply(pipeline("p", self.namespace, {"steps": steps}))
        runs = Runs(self.kubectl, self.namespace)
        name = runs.started("p", 1)
        wait_for("the program to run", lambda: state(runs, name, "long") == "Running", 90)
        return runs

    def gone(self) -> bool:
        """Whether the namespace, and with it everything that was in it, is gone."""
        done = self.kubectl.run("get", "namespace", self.namespace, check=False)
        return done.returncode != 0 and "NotFound" in done.stderr


@contextmanager
def trial(kubectl: Kubectl, helm: Callable[..., Any], images: Mapping[str, str]) -> Iterator[Trial]:
    """A release in a new namespace that admits restricted pods only; whatever is left goes afterwards."""
    name = f"trial-{time.monotonic_ns() % 10**9}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "penstock.dev/test": "true"}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    found = Trial(kubectl, helm, name, images)
    try:
        found.install()
        yield found
    finally:
        found.delete_namespace()


def state(runs: Runs, run: str, step: str) -> str:
    """The state of a step as written."""
    return str(steps_of(runs.get(run)).get(step, {}).get("state", ""))


def next_chart(folder: Path) -> Path:
    """A copy of the chart under a higher version."""
    copied = folder / "penstock"
    shutil.copytree(CHART, copied)
    about = yaml.safe_load((copied / "Chart.yaml").read_text())
    major, minor, _ = (int(part) for part in about["version"].split("."))
    following = f"{major}.{minor + 1}.0"
    (copied / "Chart.yaml").write_text(
        yaml.safe_dump({**about, "version": following, "appVersion": following})
    )
    return copied
