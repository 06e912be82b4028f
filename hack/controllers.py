"""JobSet's and Kueue's own controllers on a cluster: for tests of what Penstock does where they are.

Both are built from their modules and installed by the charts in these, webhooks and all.
"""

import json
from collections.abc import Mapping
from typing import Any

from hack.cluster.build import ensure
from hack.cluster.cluster import Cluster
from hack.cluster.images import build_and_load
from hack.cluster.shell import run, say
from hack.cluster.versions import JOBSET, KUEUE, Tool
from hack.project import ROOT, kubectl

# What they ask for in their charts is meant for large clusters.
_SMALL = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
_VISIBILITY = ("v1beta1.visibility.kueue.x-k8s.io", "v1beta2.visibility.kueue.x-k8s.io")
_KUEUE_SETTINGS = {
    "apiVersion": "config.kueue.x-k8s.io/v1beta2",
    "kind": "Configuration",
    "health": {"healthProbeBindAddress": ":8081"},
    "webhook": {"port": 9443},
    "leaderElection": {"leaderElect": False},
    "integrations": {"frameworks": ["batch/job", "jobset.x-k8s.io/jobset"]},
}


def install_jobset(cluster: Cluster) -> None:
    """JobSet, ready to work. What looks for its kind when it starts, Kueue and Penstock, comes after it."""
    values = {
        "image": _image(cluster, JOBSET),
        "controller": {"resources": _SMALL, "leaderElection": {"enable": False}},
    }
    _install(cluster, JOBSET, values)


def install_kueue(cluster: Cluster) -> None:
    """Kueue for Jobs and JobSets, ready to work, and no queue."""
    manager = {"image": _image(cluster, KUEUE), "resources": _SMALL}
    values = {
        "controllerManager": {"manager": manager, "readinessProbe": {"initialDelaySeconds": 1}},
        "managerConfig": {"controllerManagerConfigYaml": json.dumps(_KUEUE_SETTINGS)},
    }
    _install(cluster, KUEUE, values)
    # An API of queues for people. An API server that has no certificate to show to it cannot reach it, and
    # would end no namespace any more.
    kubectl(cluster, "delete", "apiservice", *_VISIBILITY, "--ignore-not-found")


def _image(cluster: Cluster, tool: Tool) -> dict[str, str]:
    folder = ensure(tool)
    reference = build_and_load(
        cluster,
        ROOT / "tests/images/manager.Dockerfile",
        f"penstock/test-{tool.name}",
        [folder / tool.name],
        build_args={"PROGRAM": tool.name},
        context=folder,
    )
    repository, _, tag = reference.rpartition(":")
    return {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"}


def _install(cluster: Cluster, tool: Tool, values: Mapping[str, Any]) -> None:
    namespace = f"{tool.name}-system"
    helm = [cluster.helm, "--kubeconfig", cluster.kubeconfig]
    # Once is enough: helm would have back the Secret into which the controller writes its certificates.
    if tool.name not in run([*helm, "list", "--short", "--namespace", namespace]).split():
        words = ["install", tool.name, str(ensure(tool) / "chart"), "--namespace", namespace]
        run([*helm, *words, "--create-namespace", "-f", "-"], stdin=json.dumps(values))
    # Each makes its certificates itself and waits until they are mounted; until then it is not ready.
    kubectl(cluster, "rollout", "status", "deployment", "-n", namespace, "--timeout=240s", timeout=250)
    say(f"{tool.name} {tool.version} installed")
