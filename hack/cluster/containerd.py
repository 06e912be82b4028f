"""containerd of one cluster: its configuration and the few things asked of it."""

import json
from pathlib import Path

from hack.cluster.network import BRIDGE, Ranges
from hack.cluster.packages import find
from hack.cluster.paths import Paths, write_atomically
from hack.cluster.shell import run, succeeds

_CNI_PLUGINS = "/usr/lib/cni"


class Containerd:
    """Files and commands of the containerd that runs the Pods of one cluster."""

    def __init__(self, paths: Paths) -> None:
        """Place everything below the cluster's folder."""
        self.root = paths.root / "containerd"
        self.socket = self.root / "containerd.sock"
        self.volatile = self.root / "state"
        self.config = paths.config / "containerd.toml"
        self.cni = paths.config / "cni"
        self.addresses = paths.root / "cni-addresses"

    def configure(self, name: str, ranges: Ranges, sandbox_image: str) -> None:
        """Write the configuration: every path below the cluster's folder, our own sandbox image."""
        network = {
            "cniVersion": "0.4.0",
            "name": f"penstock-{name}",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": BRIDGE,
                    "isGateway": True,
                    "ipMasq": False,
                    "hairpinMode": True,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": str(self.addresses),
                        "ranges": [[{"subnet": ranges.pods}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        }
        write_atomically(self.cni / "10-penstock.conflist", json.dumps(network, indent=1))
        write_atomically(
            self.config,
            f"""version = 2
root = "{self.root}/root"
state = "{self.volatile}"
[grpc]
  address = "{self.socket}"
[ttrpc]
  address = "{self.socket}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{self.root}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox_image}"
  # Without CAP_SYS_RESOURCE no process may lower its score, and no Pod would start.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{_CNI_PLUGINS}"
    conf_dir = "{self.cni}"
""",
        )

    @property
    def argv(self) -> tuple[str, ...]:
        """The command that runs it."""
        return (find("containerd") or "containerd", "--config", str(self.config))

    def answers(self) -> bool:
        """Whether it takes requests."""
        return succeeds(["ctr", "--address", self.socket, "version"])

    def ctr(self, *words: str | Path, timeout: float = 60) -> str:
        """Run ``ctr`` in the namespace that holds the Pods' images and containers."""
        return run(["ctr", "--address", self.socket, "--namespace", "k8s.io", *words], timeout=timeout)

    def has_image(self, reference: str) -> bool:
        """Whether the image is there under this full reference."""
        return reference in self.ctr("images", "list", "--quiet").split()

    def load(self, archive: Path) -> None:
        """Import a docker archive."""
        self.ctr("images", "import", archive, timeout=300)

    def tag(self, reference: str, other: str) -> None:
        """Give the image another full reference."""
        self.ctr("images", "tag", "--force", reference, other)

    def tasks(self) -> list[str]:
        """The ids of all containers that have a process."""
        return self.ctr("tasks", "list", "--quiet").split()
