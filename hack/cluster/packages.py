"""The Debian packages a bare cluster stands on."""

import os
import shutil

from hack.cluster.errors import ClusterError, Missing
from hack.cluster.shell import run, say

# A program (looked for on the PATH and in the folders of system programs) and the package that brings it.
_RUNTIME = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "socat": "socat",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "mount": "mount",
}
_IMAGES = {"buildah": "buildah", "debootstrap": "debootstrap", "/bin/busybox": "busybox-static"}
_SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))


def require_root() -> None:
    """Raise Missing unless this process may create namespaces and mounts."""
    if os.geteuid() != 0:
        raise Missing(
            "a bare cluster needs root (network namespace, mounts, cgroups): run as root, or install Docker, "
            "or use CLUSTER=current with a cluster you have"
        )


def ensure_packages(*, images: bool = True) -> None:
    """Install what is missing with apt-get.

    Raises Missing, with the list, when that needs root or apt-get and either is absent.
    """
    wanted = {**_RUNTIME, **(_IMAGES if images else {})}
    missing = sorted(package for program, package in wanted.items() if find(program) is None)
    if not missing:
        return
    names = " ".join(missing)
    if shutil.which("apt-get") is None:
        raise Missing(f"please install these (named as Debian names them): {names}")
    if os.geteuid() != 0:
        raise Missing(f"please install as root: apt-get install --no-install-recommends {names}")
    say(f"installing Debian packages: {names}")
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(install, env=env, timeout=600)
    except ClusterError:  # most often the package lists are old or absent
        run(["apt-get", "update", "-qq"], env=env, timeout=300)
        run(install, env=env, timeout=600)


def find(program: str) -> str | None:
    """The full path of ``program``, also when it is in a folder that only root has on the PATH."""
    return shutil.which(program, path=_SYSTEM_PATH)
