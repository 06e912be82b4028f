"""Releases of the chart that tests take apart, in a cluster of their own where nobody else's work stands."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hack.cluster.cluster import Cluster
from hack.project import CHART_IMAGES, image_values
from tests.chart.rendering import CHART, NO_CLUSTER_RIGHTS, merged
from tests.gates import WAITS, open_gates
from tests.support import (
    ROOT,
    Helm,
    Kubectl,
    Runs,
    condition,
    keep_evidence,
    pipeline,
    steps_of,
    wait_for,
)

RELEASE = "penstock"
CRDS = [
    f"{plural}.penstock.dev" for plural in ("pipelines", "pipelineruns", "modelversions", "modelendpoints")
]
# A sleeping program does not hear SIGTERM, and nobody has to wait for it here.
QUICK = {
    "settings": {"pods": {"terminationGraceSeconds": 2}},
    "store": {"bundled": {"persistence": {"enabled": False}}},
}
NEW_FIELD = "novelty"
SMALL = {"resources": {"cpu": "20m", "memory": "48Mi"}}


@dataclass(frozen=True)
class Ground:
    """A cluster that a test may take apart, and the images that it has."""

    cluster: Cluster
    kubectl: Kubectl
    helm: Helm
    images: Mapping[str, str]

    def bring_definitions(self, folder: Path = ROOT / "crds") -> None:
        """Install the definitions beside all releases, or change them to these."""
        wait_for("definitions to go or to stay", lambda: not self.going(), 120)
        self.kubectl.run("apply", "--server-side", "--force-conflicts", "-f", str(folder))
        wait_for("the definitions to be established", self.established, 120)

    def delete_definitions(self) -> None:
        """Every custom resource of the cluster goes with them."""
        self.kubectl.run("delete", "crd", *CRDS, "--wait=false", "--ignore-not-found")

    def established(self) -> bool:
        """Whether all of ours are there and served. `kubectl wait` fails where one has no condition yet."""
        found = {one["metadata"]["name"]: one for one in self.kubectl.list("crds", "default")}
        return all(condition(found.get(one, {}), "Established").get("status") == "True" for one in CRDS)

    def definitions(self) -> set[str]:
        """Names of those of ours that are there, or on their way out."""
        return set(CRDS) & {one["metadata"]["name"] for one in self.kubectl.list("crds", "default")}

    def going(self) -> list[str]:
        """Names of ours that are on their way out."""
        found = self.kubectl.list("crds", "default")
        ours = [one["metadata"] for one in found if one["metadata"]["name"] in CRDS]
        return [one["name"] for one in ours if "deletionTimestamp" in one]

    def has(self, namespace: str) -> bool:
        """Whether the namespace is there, or on its way out."""
        done = self.kubectl.run("get", "namespace", namespace, check=False)
        return done.returncode == 0 or "NotFound" not in done.stderr


@dataclass(frozen=True)
class Trial:
    """A release in a namespace of its own, without anything that belongs to the whole cluster."""

    ground: Ground
    namespace: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def install(self, chart: Path = CHART, images: Mapping[str, str] | None = None, **values: Any) -> None:
        """Install or upgrade, with other images where they are given, and wait until all is ready."""
        names = {**self.ground.images, **(images or {})}
        ours = {part: image_values(names[part]) for part in CHART_IMAGES}
        text = json.dumps(merged(NO_CLUSTER_RIGHTS, {"image": ours}, QUICK, self.values, values))
        words = ("upgrade", "--install", RELEASE, str(chart), "-n", self.namespace)
        owned = ("--take-ownership", "--force-conflicts")
        self.ground.helm(*words, *owned, "--wait", "--timeout", "6m", "--values", "-", input=text)

    def uninstall(self) -> None:
        """`helm uninstall`; the release may have gone, or be going, with its namespace."""
        done = self.ground.helm("uninstall", RELEASE, "-n", self.namespace, "--timeout", "1m", check=False)
        assert done.returncode == 0 or "not found" in done.stderr, done.stderr

    def delete_namespace(self) -> None:
        """Ask for its deletion."""
        self.ground.kubectl.run("delete", "namespace", self.namespace, "--wait=false", "--ignore-not-found")

    def kill_operator(self) -> None:
        """Its Deployment asks for none, and the pod is gone at once."""
        where = ("-n", self.namespace)
        self.ground.kubectl.run("scale", f"deployment/{RELEASE}", *where, "--replicas=0")
        pods = ("pod", *where, "-l", "app.kubernetes.io/component=operator")
        self.ground.kubectl.run("delete", *pods, "--force", "--grace-period=0")

    def operator(self) -> dict[str, Any]:
        """The operator's pod; there must be exactly one that is not on its way out."""
        mine = "app.kubernetes.io/component=operator"
        found = self.ground.kubectl.list("pods", self.namespace, mine)
        (pod,) = [one for one in found if "deletionTimestamp" not in one["metadata"]]
        return pod

    def start_a_run(self, namespace: str = "") -> Runs:
        """A pipeline "p" whose step "long" waits at its gate, once that program runs."""
        where = namespace or self.namespace
        image = self.ground.images["server"]
        steps = [step("quick", image), gated("long", image, "quick"), step("last", image, "long")]
        self.ground.kubectl.apply(pipeline("p", where, {"steps": steps}))
        runs = Runs(self.ground.kubectl, where)
        name = runs.started("p", 1)
        wait_for("the program to run", lambda: state(runs, name, "long") == "Running", 240)
        return runs


def step(name: str, image: str, *needs: str, before: str = "") -> dict[str, Any]:
    """A step that makes a file."""
    words = f"{before}open('/penstock/out/files/a', 'w').write('{name}')"
    run = {"image": image, "command": ["python3", "-c", words], "outputs": [{"name": "files"}]}
    return {"name": name, "run": run, **SMALL, **({"dependsOn": list(needs)} if needs else {})}


def gated(name: str, image: str, *needs: str) -> dict[str, Any]:
    """A step that does so once its gate is open; it does not hear SIGTERM."""
    return step(name, image, *needs, before=WAITS)


def open_gate(ground: Ground, namespace: str, name: str) -> None:
    """Let the program of this step go on."""
    open_gates(ground.kubectl, namespace, step=name)


def state(runs: Runs, run: str, name: str) -> str:
    """The state of a step as written."""
    return str(steps_of(runs.get(run)).get(name, {}).get("state", ""))


def new_namespace(ground: Ground, about: str) -> str:
    """A namespace that admits restricted pods only. It goes with the cluster, at the latest."""
    name = f"{about}-{time.monotonic_ns() % 10**9}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "penstock.dev/test": "true"}
    about_it = {"name": name, "labels": labels}
    ground.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": about_it})
    return name


@contextmanager
def evidence(ground: Ground, namespace: str, release: str = "") -> Iterator[None]:
    """Keep what is in the namespace, and the log of the release's operator, when the context fails."""
    try:
        yield
    except BaseException:
        folder = ROOT / ".artifacts/e2e" / namespace
        keep_evidence(ground.kubectl, namespace, folder, (release or namespace, RELEASE))
        raise


def next_definitions(folder: Path) -> Path:
    """The definitions as a next version may have them: a field and a column more for every kind."""
    folder.mkdir(parents=True)
    for path in (ROOT / "crds").glob("*.yaml"):
        found = yaml.safe_load(path.read_text())
        (version,) = found["spec"]["versions"]
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        spec["properties"][NEW_FIELD] = {"type": "string", "maxLength": 40, "description": "What is new."}
        column = {"name": NEW_FIELD, "type": "string", "jsonPath": f".spec.{NEW_FIELD}"}
        version.setdefault("additionalPrinterColumns", []).append(column)
        (folder / path.name).write_text(yaml.safe_dump(found))
    return folder


def next_chart(folder: Path) -> Path:
    """A copy of the chart under the next version, which also asks for other things by default."""
    copied = folder / "penstock"
    shutil.copytree(CHART, copied)
    about = yaml.safe_load((copied / "Chart.yaml").read_text())
    major, minor, _ = (int(part) for part in about["version"].split("."))
    version = f"{major}.{minor + 1}.0"
    (copied / "Chart.yaml").write_text(yaml.safe_dump({**about, "version": version, "appVersion": version}))
    values = copied / "values.yaml"
    text = values.read_text()
    for old, new in (
        ("  finishGrace: 30\n", "  finishGrace: 45\n"),
        ("defaultCpu: 250m", "defaultCpu: 200m"),
    ):
        assert old in text
        text = text.replace(old, new)
    values.write_text(text)
    return copied
