"""A cluster in Docker, by kind."""

import shutil
from pathlib import Path

from hack.cluster import build, docker
from hack.cluster.cluster import Cluster, executable
from hack.cluster.errors import Missing
from hack.cluster.paths import REPO, Paths, locked
from hack.cluster.shell import Words, run, say, succeeds
from hack.cluster.teardown import remove_folder
from hack.cluster.versions import HELM, KIND, KUBERNETES_TOOL, Tool

CONFIG = REPO / "kind-config.yaml"


def up(name: str) -> Cluster:
    """Create the cluster, unless it is there, with a kubeconfig of its own.

    Raises Missing when no Docker answers.
    """
    if not docker.answers():
        raise Missing(
            "kind needs Docker, and `docker info` does not answer: start its engine, or use CLUSTER=bare"
        )
    kind, paths = _kind(), Paths(name)
    with locked(f"cluster-{name}"):
        if name in run([kind, "get", "clusters"]).split():
            say(f"kind cluster {name} is already there")
            run([kind, "export", "kubeconfig", "--name", name, "--kubeconfig", paths.kubeconfig])
        else:
            paths.root.mkdir(parents=True, exist_ok=True)
            say(f"creating kind cluster {name}")
            where: Words = ["--kubeconfig", paths.kubeconfig, "--wait", "120s"]
            run([kind, "create", "cluster", "--name", name, "--config", CONFIG, *where], timeout=900)
        cluster = Cluster(
            name=name,
            kubeconfig=str(paths.kubeconfig),
            kubectl=find_or_build(KUBERNETES_TOOL, "kubectl", "version", "--client"),
            helm=find_or_build(HELM, "helm", "version", "--short"),
            provider="kind",
        )
        cluster.link_programs()
        cluster.save()
        return cluster


def down(name: str) -> None:
    """Delete the cluster with all that it holds."""
    with locked(f"cluster-{name}"):
        run([_kind(), "delete", "cluster", "--name", name, "--kubeconfig", Paths(name).kubeconfig])
        remove_folder(Paths(name).root)


def running(name: str) -> bool:
    """Whether Docker answers and has the cluster."""
    return docker.answers() and name in run([_kind(), "get", "clusters"]).split()


def has_image(name: str, reference: str) -> bool:
    """Whether the node has the image."""
    node = f"{name}-control-plane"
    return succeeds(["docker", "exec", node, "crictl", "inspecti", "--quiet", reference])


def load_image(name: str, reference: str) -> None:
    """Copy an image of Docker to the nodes."""
    run([_kind(), "load", "docker-image", reference, "--name", name], timeout=300)


def tag_image(name: str, reference: str, other: str) -> None:
    """Give an image of the node another full reference."""
    words: Words = ["ctr", "--namespace", "k8s.io", "images", "tag", "--force", reference, other]
    run(["docker", "exec", f"{name}-control-plane", *words])


def find_or_build(tool: Tool, program: str, *version: str) -> str:
    """The path of ``program``: from the PATH when it runs there, else built."""
    found = shutil.which(program)
    if found is not None and succeeds([found, *version]):
        return executable(found)
    return str(build.ensure(tool) / program)


def _kind() -> Path:
    return Path(find_or_build(KIND, "kind", "version"))
