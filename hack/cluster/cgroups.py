"""A cgroup root of its own for each cluster.

Without it two kubelets on one machine take each other's Pods for orphans and kill them.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

from hack.cluster.errors import ClusterError

CGROUPS = Path("/sys/fs/cgroup")
_V2_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids", "hugetlb")


def root_name(cluster: str) -> str:
    """The path of the cluster's root in each hierarchy, as the kubelet's ``cgroupRoot`` wants it."""
    return f"/penstock-{cluster}"


def is_v1(top: Path = CGROUPS) -> bool:
    """Whether the machine has one hierarchy per controller."""
    return not (top / "cgroup.controllers").exists()


def ensure(cluster: str, top: Path = CGROUPS) -> None:
    """Create the cluster's root in every hierarchy, with all processors and memory nodes allowed."""
    if is_v1(top):
        for hierarchy in _hierarchies(top):
            root = hierarchy / root_name(cluster).lstrip("/")
            root.mkdir(exist_ok=True)
            for key in ("cpuset.cpus", "cpuset.mems"):
                # A new v1 cpuset is empty, and no process may enter an empty one.
                if (root / key).exists() and not (root / key).read_text().strip():
                    (root / key).write_text((hierarchy / key).read_text())
        return
    offered = (top / "cgroup.controllers").read_text().split()
    for controller in _V2_CONTROLLERS:
        if controller in offered:
            (top / "cgroup.subtree_control").write_text(f"+{controller}")
    (top / root_name(cluster).lstrip("/")).mkdir(exist_ok=True)


def remove(cluster: str, top: Path = CGROUPS) -> None:
    """Kill what still runs below the cluster's root (only its Pods can) and remove the groups."""
    roots = [
        hierarchy / root_name(cluster).lstrip("/")
        for hierarchy in (_hierarchies(top) if is_v1(top) else [top])
    ]
    deadline = time.monotonic() + 60
    while any(root.exists() for root in roots):
        for root in roots:
            for pid in _members(root):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            _remove_tree(root)
        if time.monotonic() > deadline:
            raise ClusterError(
                f"cannot remove the cgroups {root_name(cluster)}: processes {_members(roots[0])}"
            )
        time.sleep(0.1)


def _hierarchies(top: Path) -> list[Path]:
    # Symbolic links (cpu -> cpu,cpuacct) are second names; "unified" has no controllers beside v1.
    return [
        h
        for h in sorted(top.iterdir())
        if h.is_dir() and not h.is_symlink() and (h / "cgroup.procs").exists()
    ]


def _members(root: Path) -> list[int]:
    pids: list[int] = []
    for group in _bottom_up(root):
        with contextlib.suppress(OSError):
            pids += [int(line) for line in (group / "cgroup.procs").read_text().split()]
    return pids


def _remove_tree(root: Path) -> None:
    for group in _bottom_up(root):
        with contextlib.suppress(OSError):
            group.rmdir()


def _bottom_up(root: Path) -> list[Path]:
    return [Path(folder) for folder, _, _ in os.walk(root, topdown=False)]
