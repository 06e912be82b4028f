"""Where things are kept: built programs in the user's cache, clusters in the user's state folder."""

import fcntl
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.errors import ClusterError

REPO = Path(__file__).resolve().parents[2]
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?")

BESIDE = ("controllers", "orders")
"""What the end-to-end suite has further clusters for: what they need would change the suite's own."""


def beside(name: str, purpose: str) -> str:
    """The name of the cluster for this purpose that belongs to the suite's cluster ``name``."""
    return f"{name[: 29 - len(purpose)].rstrip('-')}-{purpose}"


def cache_home() -> Path:
    """The folder of built programs and image archives (``$XDG_CACHE_HOME/penstock``)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock"


def state_home() -> Path:
    """The folder of everything that belongs to clusters (``$XDG_STATE_HOME/penstock``)."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "penstock"


@dataclass(frozen=True)
class Paths:
    """The folders and files of the cluster ``name``. All of them lie below ``root``."""

    name: str

    def __post_init__(self) -> None:
        """Refuse names that could not become a folder, a network namespace and a node at once."""
        if not _NAME.fullmatch(self.name):
            raise ClusterError(
                f"cluster name {self.name!r}: use 1 to 30 characters a-z, 0-9 and -, starting with a letter"
            )

    @property
    def root(self) -> Path:
        """Everything the cluster writes."""
        return state_home() / "clusters" / self.name

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; never the user's own ``~/.kube/config``."""
        return self.root / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Certificates, keys and the servers' kubeconfigs."""
        return self.root / "pki"

    @property
    def config(self) -> Path:
        """Configuration files of the servers, written anew at each start."""
        return self.root / "config"

    @property
    def logs(self) -> Path:
        """One log file per server."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """One record per process."""
        return self.root / "run"

    @property
    def bin(self) -> Path:
        """Links to kubectl and helm, for the user's PATH."""
        return self.root / "bin"

    @property
    def volumes(self) -> Path:
        """The folders behind the persistent volumes."""
        return self.root / "volumes"

    @property
    def record(self) -> Path:
        """Which provider runs the cluster and how to reach it, as JSON."""
        return self.root / "cluster.json"


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock ``name`` (one file per cluster, tool or image), waiting for whoever has it now."""
    folder = state_home() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another command that works on {name}", file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Write ``text`` so that a reader sees the old or the new file, never a part of one.

    A file that holds the text already is not touched: some servers watch theirs and end when it is written.
    """
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=mode)
    draft.write_text(text)
    draft.replace(path)
