"""Prometheus and promtool, for tests of rules, dashboards and scraping.

The package is unpacked and never installed: Debian's would start a server of its own on port 9090, which is
the last thing that a test machine needs. That takes no root either.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.errors import ClusterError, Missing
from hack.cluster.packages import find
from hack.cluster.paths import cache_home, locked
from hack.cluster.shell import run, say

_PROGRAMS = ("prometheus", "promtool")


@dataclass(frozen=True)
class Prometheus:
    """The two programs."""

    server: str
    tool: str


def ensure_prometheus() -> Prometheus:
    """Those of the machine, else those of Debian's package in the user's cache.

    Raises Missing where there is neither a package manager to ask nor both programs on the PATH.
    """
    there = [find(name) for name in _PROGRAMS]
    if there[0] and there[1]:
        return Prometheus(there[0], there[1])
    folder = cache_home() / "prometheus"
    with locked("build-prometheus"):
        if not all((folder / name).is_file() for name in _PROGRAMS):
            _unpack(folder)
    return Prometheus(*(str(folder / name) for name in _PROGRAMS))


def _unpack(folder: Path) -> None:
    if find("apt-get") is None or find("dpkg-deb") is None:
        raise Missing(f"please put these on the PATH (version 2.42 or newer): {', '.join(_PROGRAMS)}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".prometheus-", dir=folder.parent) as scratch:
        draft = Path(scratch)
        say("prometheus: unpacking Debian's package")
        _download(draft)
        (archive,) = draft.glob("prometheus_*.deb")
        run(["dpkg-deb", "--extract", archive, draft / "package"])
        ready = draft / "ready"
        ready.mkdir()
        for name in _PROGRAMS:
            shutil.move(draft / "package/usr/bin" / name, ready / name)
            run([ready / name, "--version"])
        shutil.rmtree(folder, ignore_errors=True)
        ready.rename(folder)


def _download(into: Path) -> None:
    download = ["apt-get", "download", "-qq", "prometheus"]
    try:
        run(download, cwd=into, timeout=300)
    except ClusterError:  # most often the package lists are old or absent
        try:
            run(["apt-get", "update", "-qq"], timeout=300)
            run(download, cwd=into, timeout=300)
        except ClusterError as error:
            raise Missing(
                f"please install prometheus (2.42 or newer), or let apt-get find it: {error}"
            ) from error
