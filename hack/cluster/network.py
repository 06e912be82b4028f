"""A network namespace for the whole node, and the host's routes to what is in it.

Nothing in the namespace has a default route, so Pods cannot reach anything outside of the machine, and no
address is translated on the host: its iptables stay as they are.
"""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.packages import find
from hack.cluster.paths import Paths, locked, state_home, write_atomically
from hack.cluster.shell import run, succeeds

SLOTS = 64
BRIDGE = "cni0"
# Ranges set aside for documentation (RFC 5737) and for tests of networks (RFC 2544): no network that the
# machine is part of uses them. They hold exactly 64 slots.
_LINKS = ipaddress.IPv4Network("198.51.100.0/24")
_INSIDE = ipaddress.IPv4Network("198.18.0.0/15")


@dataclass(frozen=True)
class Ranges:
    """The addresses of the cluster in ``slot`` (0 to 63). No two slots share an address."""

    slot: int

    @property
    def _link(self) -> ipaddress.IPv4Network:
        return list(_LINKS.subnets(new_prefix=30))[self.slot]

    @property
    def _block(self) -> ipaddress.IPv4Network:
        return list(_INSIDE.subnets(new_prefix=21))[self.slot]

    @property
    def link(self) -> str:
        """The range of the cable between host and node, a /30."""
        return str(self._link)

    @property
    def host(self) -> str:
        """The host's address on the cable: what Pods call the host by."""
        return str(self._link[1])

    @property
    def node(self) -> str:
        """The node's address: API server, kubelet, DNS."""
        return str(self._link[2])

    @property
    def pods(self) -> str:
        """The range of Pods, a /22."""
        return str(next(iter(self._block.subnets())))

    @property
    def gateway(self) -> str:
        """The node's address on the bridge of the Pods, with its prefix length."""
        pods = next(iter(self._block.subnets()))
        return f"{pods[1]}/{pods.prefixlen}"

    @property
    def services(self) -> str:
        """The range of Services, a /22."""
        return str(list(self._block.subnets())[1])

    @property
    def api_service(self) -> str:
        """The first address of the Services, which Kubernetes gives to its own API."""
        return str(list(self._block.subnets())[1][1])

    @property
    def host_interface(self) -> str:
        """The host's end of the cable (at most 15 characters, as Linux wants it)."""
        return f"penstock{self.slot}"


def claim(paths: Paths) -> Ranges:
    """The ranges of this cluster: as recorded, or the lowest slot that no other cluster has."""
    record = paths.root / "slot"
    with locked("slots"):
        if not record.exists():
            taken = {int(other.read_text()) for other in (state_home() / "clusters").glob("*/slot")}
            # An interface without a record belongs to a cluster of another user or state folder.
            free = (s for s in range(SLOTS) if s not in taken and not _exists(Ranges(s).host_interface))
            slot = next(free, None)
            if slot is None:
                raise ClusterError(
                    f"all {SLOTS} address ranges are taken; remove a cluster: hack.cluster clean --name X"
                )
            write_atomically(record, str(slot))
        return Ranges(int(record.read_text()))


class Namespace:
    """The network namespace of one cluster, with its cable, bridge and routes."""

    def __init__(self, name: str, ranges: Ranges) -> None:
        """Name the namespace after the cluster; nothing is created yet."""
        self.name = f"penstock-{name}"
        self.ranges = ranges
        self.file = Path("/run/netns") / self.name

    @property
    def exists(self) -> bool:
        """Whether the namespace and the host's end of its cable are there."""
        return self.file.exists() and _exists(self.ranges.host_interface)

    @property
    def inode(self) -> int:
        """What /proc/PID/ns/net of a process inside shows."""
        return self.file.stat().st_ino

    def enter(self) -> list[str]:
        """The words before a command that is to run inside.

        ``ip netns exec`` would mount another /sys and so hide the cgroups; nsenter does not.
        """
        return [find("nsenter") or "nsenter", f"--net={self.file}"]

    def ensure(self) -> None:
        """Create what is missing.

        The cable comes first, so that a namespace without one is known to be somebody else's.
        """
        host, inner, ranges = self.ranges.host_interface, "node0", self.ranges
        if self.file.exists() and not _exists(host):
            raise ClusterError(
                f"the network namespace {self.name} exists, but is not connected to this cluster; "
                f"when nothing runs in it, remove it with: ip netns delete {self.name}"
            )
        if not _exists(host):
            run(["ip", "link", "add", host, "type", "veth", "peer", "name", f"{host}n"])
        if not self.file.exists():
            run(["ip", "netns", "add", self.name])
        if _exists(f"{host}n"):
            run(["ip", "link", "set", f"{host}n", "netns", self.name, "name", inner])
        run(["ip", "addr", "replace", f"{ranges.host}/30", "dev", host])
        run(["ip", "link", "set", host, "up"])
        self._ip("addr", "replace", f"{ranges.node}/30", "dev", inner)
        self._ip("link", "set", inner, "up")
        self._ip("link", "set", "lo", "up")
        if not succeeds([*self.enter(), "ip", "link", "show", BRIDGE]):
            self._ip("link", "add", BRIDGE, "type", "bridge")
        self._ip("addr", "replace", ranges.gateway, "dev", BRIDGE)
        self._ip("link", "set", BRIDGE, "up")
        # The API server calls webhooks by Service address. The packet needs a route, any route, before
        # kube-proxy's rules can turn it to a Pod.
        self._ip("route", "replace", ranges.services, "dev", BRIDGE)
        self._sysctl("net/ipv4/ip_forward")
        self._bridge_sysctl()
        for inside in (ranges.pods, ranges.services):
            run(["ip", "route", "replace", inside, "via", ranges.node])

    def delete(self) -> None:
        """Delete namespace and cable; bridge, rules and routes go with them."""
        if _exists(self.ranges.host_interface):
            run(["ip", "link", "delete", self.ranges.host_interface])
        if self.file.exists():
            run(["ip", "netns", "delete", self.name])

    def _ip(self, *words: str) -> None:
        run([*self.enter(), "ip", *words])

    def _sysctl(self, key: str) -> None:
        run([*self.enter(), "sh", "-c", f"echo 1 > /proc/sys/{key}"])

    def _bridge_sysctl(self) -> None:
        # Without it a Pod that calls a Service backed by its neighbour gets the answer from a wrong address.
        key = "net/bridge/bridge-nf-call-iptables"
        if not (Path("/proc/sys") / key).exists() and not succeeds(["modprobe", "br_netfilter"]):
            raise ClusterError("the kernel lacks br_netfilter: load it with `modprobe br_netfilter`")
        self._sysctl(key)


def _exists(interface: str) -> bool:
    return (Path("/sys/class/net") / interface).exists()
