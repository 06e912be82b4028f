"""What tests on the real cluster share: kubectl, waiting with a bound, evidence of a failure."""

import json
import os
import subprocess
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.looks import looks

ROOT = Path(__file__).resolve().parent.parent
SYSTEM_NAMESPACE = "penstock-system"
# What kubectl says where its request never came to the API server, and where it got no answer.
_UNREACHED = ("was refused - did you specify the right host", "TLS handshake timeout", "dial tcp")
_UNANSWERED = ("Unable to connect to the server", "etcdserver: ", "unable to handle the request")
_PAUSES = (1, 2, 4)  # seconds


def _run(
    command: list[str], input: str | None, seconds: float, *, check: bool
) -> subprocess.CompletedProcess[str]:
    """The ended process; with `check` a failure is an error with the program's words."""
    done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=seconds, check=False)
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done


@dataclass(frozen=True)
class Kubectl:
    """kubectl on the test cluster, as its administrator."""

    program: str
    kubeconfig: str

    def run(
        self, *words: str, input: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl; with `check` a failure is an error with kubectl's words.

        An API server or an etcd that does not answer for a moment is no finding about Penstock. A question is
        asked again then; anything else only where it cannot have arrived.
        """
        command = [self.program, "--kubeconfig", self.kubeconfig, *words]
        silences = _UNREACHED + (_UNANSWERED if words[0] == "get" else ())
        for pause in _PAUSES:
            done = _run(command, input, 180, check=False)
            if done.returncode == 0 or not any(one in done.stderr for one in silences):
                break
            print(f"asked again in {pause} s: {' '.join(words[:3])}: {done.stderr.strip()[:200]}")
            time.sleep(pause)
        else:
            done = _run(command, input, 180, check=False)
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        """One object, as `kubectl get -o json` shows it."""
        return looks(self.kubeconfig).get(kind, name, namespace)

    def list(
        self, kinds: str, namespace: str, selector: str = "", *, fields: str = ""
    ) -> list[dict[str, Any]]:
        """All objects of these kinds in a namespace that the selectors of labels and of fields choose."""
        return looks(self.kubeconfig).list(kinds, namespace, selector, fields)

    def apply(self, *objects: Mapping[str, Any], server_side: bool = True) -> str:
        """Apply the objects."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        words = ["--server-side"] if server_side else []
        return self.run("apply", *words, "-f", "-", input=text).stdout


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 240, every: float = 0.25) -> Any:
    """The first true value of `condition`; fails after `seconds`, saying what was waited for.

    Where no such time is promised it is far above what anything takes: a slow machine is no finding.
    """
    deadline = time.monotonic() + seconds
    while True:
        seen = condition()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}; last seen: {seen!r}"
        time.sleep(every)


def made_namespace(kubectl: Kubectl) -> str:
    """A namespace of its own, restricted Pod Security enforced, with the store and the connection `lake`."""
    name = f"t-{os.getpid()}-{time.monotonic_ns() % 10**9}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "penstock.dev/test": "true"}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    secret = kubectl.get("secret", "penstock-store", SYSTEM_NAMESPACE)
    data = secret["data"]
    plain = {key: b64decode(value).decode() for key, value in data.items()}
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "penstock-store", "namespace": name},
            "data": data,
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "lake", "namespace": name, "labels": {"penstock.dev/connection": "s3"}},
            "data": {
                "type": "S3",
                "endpoint": plain["endpoint"],
                "region": plain.get("region", "us-east-1"),
                "bucket": plain["url"].removeprefix("s3://").split("/")[0],
                "prefix": f"lake/{name}",
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "lake", "namespace": name},
            "data": {key: data[key] for key in ("accessKeyId", "secretAccessKey")},
        },
    )
    return name


def keep_evidence(
    kubectl: Kubectl, namespace: str, folder: Path, operator: tuple[str, str] = (SYSTEM_NAMESPACE, "penstock")
) -> None:
    """Write what a person would look at first: objects, events, the log of `operator` (namespace, name)."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = "pipelines,pipelineruns,modelversions,modelendpoints,jobs,pods,deployments,services,configmaps"
    looks = {
        "objects.yaml": ("get", kinds, "-n", namespace, "-o", "yaml"),
        "table.txt": ("get", kinds, "-n", namespace, "-o", "wide"),
        "events.txt": ("get", "events", "-n", namespace, "--sort-by=.lastTimestamp"),
        "operator.log": ("logs", "-n", operator[0], f"deployment/{operator[1]}", "--tail=400"),
    }
    for name, words in looks.items():
        done = kubectl.run(*words, check=False)
        (folder / name).write_text(done.stdout + done.stderr)


@dataclass(frozen=True)
class Helm:
    """helm on a cluster."""

    program: str
    kubeconfig: str

    def __call__(
        self, *words: str, input: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run helm; with `check` a failure is an error with helm's words."""
        return _run([self.program, "--kubeconfig", self.kubeconfig, *words], input, 420, check=check)


@dataclass(frozen=True)
class OperatorSwitch:
    """Takes the cluster's operator down and brings it back."""

    kubectl: Kubectl

    def scale(self, replicas: int) -> None:
        """Bring the Deployment to this many pods and wait until it has them."""
        self.kubectl.run("scale", "deployment", "penstock", "-n", SYSTEM_NAMESPACE, f"--replicas={replicas}")
        if not replicas:
            selector = "app.kubernetes.io/component=operator"
            wait_for(
                "the operator to stop", lambda: not self.kubectl.list("pods", SYSTEM_NAMESPACE, selector)
            )
            return
        words = ("rollout", "status", "deployment/penstock", "-n", SYSTEM_NAMESPACE, "--timeout=170s")
        self.kubectl.run(*words)

    @contextmanager
    def up(self) -> Iterator[None]:
        """The operator runs while the context lasts."""
        self.scale(1)
        yield
        self.scale(0)


def pipeline(name: str, namespace: str, spec: Mapping[str, Any], **metadata: Any) -> dict[str, Any]:
    """A Pipeline object."""
    return {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "Pipeline",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": dict(spec),
    }


def condition(obj: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """One condition of an object's status; empty where it has none of this type."""
    found = obj.get("status", {}).get("conditions") or ()
    return next((one for one in found if one["type"] == kind), {})


def steps_of(run: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The steps of a run's status by name."""
    return {one["name"]: one for one in run.get("status", {}).get("steps", ())}


@dataclass(frozen=True)
class Runs:
    """The runs of a namespace, waited for and looked at."""

    kubectl: Kubectl
    namespace: str

    def names(self, pipeline: str = "") -> list[str]:
        """Names of the runs, oldest first."""
        found = self.kubectl.list("pipelineruns", self.namespace)
        mine = [one for one in found if not pipeline or one["spec"]["pipeline"] == pipeline]
        ordered = sorted(
            mine, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"])
        )
        return [one["metadata"]["name"] for one in ordered]

    def started(self, pipeline: str, generation: int, seconds: float = 120) -> str:
        """The run that this generation of the pipeline started."""
        return str(
            wait_for(
                f"a run of {pipeline} generation {generation}",
                lambda: next((one for one in self.names(pipeline) if f"-g{generation}" in one), None),
                seconds,
            )
        )

    def get(self, name: str) -> dict[str, Any]:
        """The run as it is now."""
        return self.kubectl.get("pipelinerun", name, self.namespace)

    def finished(self, name: str, seconds: float = 600) -> dict[str, Any]:
        """The run once the condition Finished is True."""

        def look() -> dict[str, Any] | None:
            run = self.get(name)
            return run if condition(run, "Finished").get("status") == "True" else None

        found: dict[str, Any] = wait_for(f"run {name} to finish", look, seconds, every=0.5)
        return found

    def execute(self, pipeline_object: Mapping[str, Any], seconds: float = 600) -> dict[str, Any]:
        """Apply a pipeline and wait for the run that its generation starts."""
        self.kubectl.apply(pipeline_object)
        name = pipeline_object["metadata"]["name"]
        generation = self.kubectl.get("pipeline", name, self.namespace)["metadata"]["generation"]
        return self.finished(self.started(name, generation), seconds)
