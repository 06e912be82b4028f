"""What every other command and module needs to know of a cluster, whoever runs it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from hack.cluster.errors import ClusterError
from hack.cluster.paths import Paths, write_atomically

ProviderName = Literal["bare", "kind", "current"]


@dataclass(frozen=True)
class Cluster:
    """How to reach a cluster: programs and kubeconfig as full paths, and who runs it."""

    name: str
    kubeconfig: str
    kubectl: str
    helm: str
    provider: ProviderName

    def save(self) -> None:
        """Record the cluster for later commands."""
        write_atomically(Paths(self.name).record, json.dumps(asdict(self), indent=1) + "\n")

    def environment(self) -> dict[str, str]:
        """KUBECONFIG, and the folder that is to lead the PATH."""
        return {"KUBECONFIG": self.kubeconfig, "PATH": str(Paths(self.name).bin)}

    def link_programs(self) -> None:
        """Put links to kubectl and helm into the cluster's ``bin``."""
        folder = Paths(self.name).bin
        folder.mkdir(parents=True, exist_ok=True)
        for name, target in (("kubectl", self.kubectl), ("helm", self.helm)):
            link = folder / name
            if not link.is_symlink() or str(link.readlink()) != target:
                link.unlink(missing_ok=True)
                link.symlink_to(target)


def load(name: str) -> Cluster:
    """The cluster that was brought up last under ``name``. Raises ClusterError when there is none."""
    record = Paths(name).record
    try:
        return Cluster(**json.loads(record.read_text()))
    except FileNotFoundError:
        raise ClusterError(
            f"there is no cluster {name!r}: bring it up with `python3 -m hack.cluster up`"
        ) from None


def executable(path: str | Path) -> str:
    """``path`` as a full path with links kept (a link's name may decide what a program does)."""
    return str(Path(path).absolute())
