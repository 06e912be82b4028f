"""Stopping a bare cluster and removing what it left on the machine."""

import contextlib
import json
import shutil
from pathlib import Path

from hack.cluster import cgroups, components
from hack.cluster.containerd import Containerd
from hack.cluster.errors import ClusterError
from hack.cluster.network import Namespace, claim
from hack.cluster.packages import require_root
from hack.cluster.paths import Paths, cache_home, locked
from hack.cluster.shell import run, say, succeeds, wait_until


def stop(name: str) -> None:
    """Stop the cluster and keep what it stores; a later start goes on from there."""
    require_root()
    paths = Paths(name)
    with locked(f"cluster-{name}"):
        if not (paths.root / "slot").exists():
            say(f"cluster {name} was never started")
            return
        stop_servers(paths)
        Namespace(name, claim(paths)).delete()
        say(f"cluster {name} is stopped")


def clean(name: str) -> None:
    """Stop the cluster and delete everything it stored."""
    stop(name)
    paths = Paths(name)
    with locked(f"cluster-{name}"):
        remove_folder(paths.root)
        say(f"cluster {name} is deleted")


def remove_folder(folder: Path) -> None:
    """Delete ``folder``, unless something is still mounted below it (and would be deleted with it)."""
    if left := mounts_below(folder):
        raise ClusterError(f"not deleting {folder}: something is mounted at {left[0]}")
    if folder.exists():
        shutil.rmtree(folder)


def clean_cache() -> None:
    """Delete built programs, image archives and buildah's store."""
    for mount in mounts_below(cache_home()):  # buildah leaves its store mounted
        run(["umount", mount])
    remove_folder(cache_home())
    say(f"{cache_home()} is deleted")


def stop_servers(paths: Paths) -> None:
    """Stop servers and containers, unmount what they mounted, remove their cgroups."""
    ranges = claim(paths)
    servers = components.servers(paths, ranges)
    containerd = Containerd(paths)
    # First everybody who would start something again.
    for server in (
        servers.kubelet,
        servers.proxy,
        servers.coredns,
        servers.scheduler,
        servers.controller_manager,
    ):
        server.stop()
    namespaces: list[Path] = []
    if containerd.config.exists():
        if not servers.containerd.running():
            # Containers outlive a dead containerd; only a new one knows how to end them in order.
            namespace = Namespace(paths.name, ranges)
            servers.containerd.start(namespace.enter() if namespace.exists else [])
        wait_until(containerd.answers, "containerd does not answer", seconds=60, log=servers.containerd.log)
        namespaces = _end_containers(containerd)
    servers.containerd.stop()
    # Without etcd the API server would not end.
    servers.apiserver.stop(grace=5)
    servers.etcd.stop()
    cgroups.remove(paths.name)
    for namespace_file in namespaces:
        succeeds(["umount", namespace_file])
        namespace_file.unlink(missing_ok=True)
    for mount in mounts_below(paths.root):
        if not succeeds(["umount", mount]):
            run(["umount", "--lazy", mount])
    shutil.rmtree(containerd.volatile, ignore_errors=True)
    shutil.rmtree(containerd.addresses, ignore_errors=True)


def _end_containers(containerd: Containerd) -> list[Path]:
    """Kill all containers; return the files of their network namespaces."""
    for task in containerd.tasks():
        with contextlib.suppress(ClusterError):  # it may end by itself meanwhile
            containerd.ctr("tasks", "kill", "--signal", "SIGKILL", task)
    for task in containerd.tasks():
        with contextlib.suppress(ClusterError):
            containerd.ctr("tasks", "delete", "--force", task)
    files: list[Path] = []
    sandboxes = containerd.ctr("containers", "list", "--quiet", 'labels."io.cri-containerd.kind"==sandbox')
    for container in sandboxes.split():
        spec = json.loads(containerd.ctr("containers", "info", container)).get("Spec") or {}
        spaces = spec.get("linux", {}).get("namespaces", [])
        files += [Path(space["path"]) for space in spaces if space["type"] == "network" and "path" in space]
    return [file for file in dict.fromkeys(files) if file.name.startswith("cni-")]


def mounts_below(folder: Path) -> list[Path]:
    """Everything mounted below ``folder``, the deepest first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    # Blanks and such in a mount point are written as \\ and three octal digits.
    points = [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
    return sorted((point for point in points if folder in point.parents), key=lambda p: -len(p.parts))
