"""The bare cluster: one node with all servers, in a network namespace of this machine."""

import json
import shutil
import time
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from hack.cluster import build, cgroups, components, pki, teardown
from hack.cluster.base import sandbox_image
from hack.cluster.cluster import Cluster
from hack.cluster.containerd import Containerd
from hack.cluster.errors import ClusterError
from hack.cluster.network import Namespace, claim
from hack.cluster.packages import ensure_packages, require_root
from hack.cluster.paths import Paths, locked, write_atomically
from hack.cluster.processes import Process, boot_id
from hack.cluster.shell import Words, run, say, succeeds, tail, wait_until
from hack.cluster.storage import Objects
from hack.cluster.versions import COREDNS, ETCD, HELM, KUBERNETES_TOOL


def start(name: str) -> Cluster:
    """Bring the cluster up, or put right what died in it, and wait until Pods can run.

    Raises Missing without root or a package, ClusterError with the end of a log when a server fails.
    """
    require_root()
    ensure_packages()
    for tool in (KUBERNETES_TOOL, ETCD, COREDNS, HELM):
        build.ensure(tool)
    with locked(f"cluster-{name}"):
        return _Start(Paths(name)).run()


def cluster(name: str) -> Cluster:
    """The description of the bare cluster ``name``, running or not."""
    kubectl, helm = build.program(KUBERNETES_TOOL, "kubectl"), build.program(HELM)
    return Cluster(name, str(Paths(name).kubeconfig), str(kubectl), str(helm), "bare")


def problems(name: str) -> list[str]:
    """Why the cluster cannot be used, one line each; empty when it runs."""
    paths = Paths(name)
    if not (paths.root / "slot").exists():
        return ["it was never started"]
    servers = components.servers(paths, claim(paths)).in_start_order()
    dead = [f"{server.name} does not run; log: {server.log}" for server in servers if not server.running()]
    if not dead and not _node_is_ready(paths, since=0):
        dead.append("the node is not Ready: kubectl describe node")
    return dead


class _Start:
    """One start, step by step."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.ranges = claim(paths)
        self.namespace = Namespace(paths.name, self.ranges)
        self.servers = components.servers(paths, self.ranges)
        self.containerd = Containerd(paths)
        self.kubectl = _kubectl(paths)

    def run(self) -> Cluster:
        began, since = time.monotonic(), time.time()  # noqa: TID251 - compared with what the API server recorded
        self._forget_the_past()
        self.namespace.ensure()
        cgroups.ensure(self.paths.name)
        pki.ensure(self.paths, self.ranges)
        described = cluster(self.paths.name)
        described.link_programs()
        described.save()
        reference, archive = sandbox_image()
        components.configure(self.paths, self.ranges, reference)
        started = self._start_servers(reference, archive)
        Objects(self.paths, self.kubectl).apply()
        self._wait_for_node(since if self.servers.kubelet.name in started else 0)
        if started:
            say(
                f"cluster {self.paths.name} is up ({time.monotonic() - began:.1f} s): "
                f"started {', '.join(started)}"
            )
        else:
            say(f"cluster {self.paths.name} is already running")
        return described

    def _forget_the_past(self) -> None:
        """After a reboot, or when the namespace was lost, begin from nothing but the stored objects."""
        mark = self.paths.root / "boot"
        rebooted = mark.exists() and mark.read_text() != boot_id()
        orphans = not self.namespace.exists and any(s.running() for s in self.servers.in_start_order())
        if orphans:
            say("the network namespace is gone: stopping what is left")
            teardown.stop_servers(self.paths)
        if rebooted or orphans:
            shutil.rmtree(self.containerd.volatile, ignore_errors=True)
            shutil.rmtree(self.containerd.addresses, ignore_errors=True)
        write_atomically(mark, boot_id())

    def _start_servers(self, sandbox: str, archive: Path) -> list[str]:
        servers, inode = self.servers, self.namespace.inode
        started: list[str] = []

        def ensure(*wanted: Process) -> None:
            for server in wanted:
                if not server.current(inode):
                    server.stop()
                    server.start(self.namespace.enter())
                    started.append(server.name)

        ensure(servers.etcd, servers.apiserver, servers.containerd)
        self._wait(servers.containerd, self.containerd.answers)
        if not self.containerd.has_image(sandbox):
            self.containerd.load(archive)
        self._wait(servers.apiserver, lambda: succeeds([*self.kubectl, "get", "--raw", "/readyz"]))
        ensure(servers.controller_manager, servers.scheduler, servers.kubelet, servers.proxy, servers.coredns)
        return started

    def _wait_for_node(self, since: float) -> None:
        account: Words = [*self.kubectl, "get", "serviceaccount", "default"]
        dns = f"http://{self.ranges.node}:{components.DNS_HEALTH_PORT}/ready"
        proxy = f"http://{self.ranges.node}:{components.PROXY_HEALTH_PORT}/healthz"
        self._wait(self.servers.kubelet, lambda: _node_is_ready(self.paths, since))
        self._wait(self.servers.controller_manager, lambda: succeeds(account))
        self._wait(self.servers.coredns, lambda: _answers(dns))
        self._wait(self.servers.proxy, lambda: _answers(proxy))

    def _wait(self, server: Process, ready: Callable[[], bool]) -> None:
        def ready_or_dead() -> bool:
            if not server.running():
                raise ClusterError(f"{server.name} ended; {tail(server.log)}")
            return ready()

        wait_until(ready_or_dead, f"{server.name} is not ready", seconds=240, log=server.log)


def _kubectl(paths: Paths) -> Words:
    kubectl = build.program(KUBERNETES_TOOL, "kubectl")
    return [kubectl, "--kubeconfig", paths.kubeconfig, "--request-timeout=10s"]


def _node_is_ready(paths: Paths, since: float) -> bool:
    """Whether the node is Ready by a kubelet that lived after ``since`` (seconds since the epoch)."""
    get: Words = [*_kubectl(paths), "get", "-o", "json"]
    try:
        node = json.loads(run([*get, "node", paths.name]))
        lease = run([*get, "lease", "-n", "kube-node-lease", paths.name, "--ignore-not-found"])
    except ClusterError:
        return False
    ready = next((c for c in node["status"].get("conditions", []) if c["type"] == "Ready"), None)
    if ready is None or ready["status"] != "True":
        return False
    # A node stays Ready for 40 s after its kubelet's end. A kubelet that begins renews its lease at once;
    # only that of a new node has none for 10 s, and gives a first heartbeat (in whole seconds) instead.
    signs = [ready["lastHeartbeatTime"], *([json.loads(lease)["spec"]["renewTime"]] if lease else [])]
    return max(datetime.fromisoformat(sign).timestamp() for sign in signs) >= int(since)


def _answers(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False
