"""The servers of a bare cluster: the words they are started with and their configuration files."""

import json
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import build, cgroups
from hack.cluster.containerd import Containerd
from hack.cluster.network import Ranges
from hack.cluster.paths import Paths, write_atomically
from hack.cluster.pki import API_PORT
from hack.cluster.processes import Process
from hack.cluster.versions import COREDNS, ETCD, KUBERNETES_TOOL

PROXY_HEALTH_PORT = 10256
DNS_HEALTH_PORT = 8181
_ETCD = "http://127.0.0.1:2379"


@dataclass(frozen=True)
class Servers:
    """All servers of one cluster, by name."""

    etcd: Process
    apiserver: Process
    controller_manager: Process
    scheduler: Process
    containerd: Process
    kubelet: Process
    proxy: Process
    coredns: Process

    def in_start_order(self) -> tuple[Process, ...]:
        """What others need comes first."""
        control_plane = (self.etcd, self.apiserver, self.controller_manager, self.scheduler)
        return (*control_plane, self.containerd, self.kubelet, self.proxy, self.coredns)


def servers(paths: Paths, ranges: Ranges) -> Servers:
    """Describe the servers. Configuration files are named here and written by ``configure``."""

    def process(name: str, argv: list[str], *config: Path) -> Process:
        return Process(name, tuple(argv), paths.logs / f"{name}.log", paths.run / f"{name}.json", config)

    def kube(name: str, *flags: str, config: tuple[Path, ...] = ()) -> Process:
        return process(name, [str(build.program(KUBERNETES_TOOL, name)), *flags], *config)

    containerd = Containerd(paths)
    kubelet, proxy, corefile = (paths.config / file for file in ("kubelet.json", "proxy.json", "Corefile"))
    dns = [str(build.program(COREDNS)), "-conf", str(corefile)]
    return Servers(
        etcd=process("etcd", _etcd(paths)),
        apiserver=kube("kube-apiserver", *_apiserver(paths, ranges)),
        controller_manager=kube("kube-controller-manager", *_controller_manager(paths)),
        scheduler=kube("kube-scheduler", *_client(paths, "scheduler")),
        containerd=process("containerd", list(containerd.argv), containerd.config),
        kubelet=kube("kubelet", *_kubelet(paths, ranges, kubelet), config=(kubelet,)),
        proxy=kube("kube-proxy", f"--config={proxy}", config=(proxy,)),
        coredns=process("coredns", dns, corefile),
    )


def configure(paths: Paths, ranges: Ranges, sandbox_image: str) -> None:
    """Write the configuration files of all servers."""
    Containerd(paths).configure(paths.name, ranges, sandbox_image)
    write_atomically(paths.config / "kubelet.json", json.dumps(_kubelet_config(paths, ranges), indent=1))
    write_atomically(paths.config / "proxy.json", json.dumps(_proxy_config(paths, ranges), indent=1))
    write_atomically(paths.config / "Corefile", _corefile(paths, ranges))


def _etcd(paths: Paths) -> list[str]:
    data = paths.root / "etcd"
    return [
        str(build.program(ETCD)),
        f"--data-dir={data}",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        # The data of a throw-away cluster need not survive a power cut.
        "--unsafe-no-fsync",
        "--auto-compaction-retention=1",
        "--quota-backend-bytes=4294967296",
    ]


def _apiserver(paths: Paths, ranges: Ranges) -> list[str]:
    pki = paths.pki
    return [
        f"--etcd-servers={_ETCD}",
        f"--secure-port={API_PORT}",
        f"--advertise-address={ranges.node}",
        f"--service-cluster-ip-range={ranges.services}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
        # The default looks the node's name up in DNS first, and `kubectl logs` would fail.
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/service-accounts.pub",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
    ]


def _client(paths: Paths, identity: str) -> list[str]:
    kubeconfig = f"{paths.pki}/{identity}.kubeconfig"
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        # There is one of each; an election would only delay a restart.
        "--leader-elect=false",
        # The default of 20 requests a second makes 2.5 Jobs a second.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def _controller_manager(paths: Paths) -> list[str]:
    pki = paths.pki
    return [
        *_client(paths, "controller-manager"),
        "--use-service-account-credentials",
        f"--root-ca-file={pki}/ca.crt",
        f"--service-account-private-key-file={pki}/service-accounts.key",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
    ]


def _kubelet(paths: Paths, ranges: Ranges, config: Path) -> list[str]:
    return [
        f"--config={config}",
        f"--kubeconfig={paths.pki}/kubelet.kubeconfig",
        f"--hostname-override={paths.name}",
        f"--node-ip={ranges.node}",
        f"--root-dir={paths.root}/kubelet",
    ]


def _kubelet_config(paths: Paths, ranges: Ranges) -> dict[str, object]:
    socket = f"unix://{Containerd(paths).socket}"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{paths.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{paths.pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{paths.pki}/kubelet.key",
        "containerRuntimeEndpoint": socket,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroups.root_name(paths.name),
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [ranges.node],
        "clusterDomain": "cluster.local",
        # Pods get the cluster's DNS only: the machine's own name servers are out of their reach.
        "resolvConf": "",
        "podLogsDir": f"{paths.root}/pod-logs",
        "volumePluginDir": f"{paths.root}/kubelet/volume-plugins",
        "staticPodPath": "",
        "maxPods": 110,
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        # A shared machine's disk is often fuller than the defaults like; act only when it is at its end.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "500Mi",
            "imagefs.available": "500Mi",
        },
        "evictionPressureTransitionPeriod": "10s",
        "nodeStatusUpdateFrequency": "5s",
    }


def _proxy_config(paths: Paths, ranges: Ranges) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{paths.pki}/proxy.kubeconfig"},
        "hostnameOverride": paths.name,
        "mode": "iptables",
        "healthzBindAddress": f"{ranges.node}:{PROXY_HEALTH_PORT}",
        "clusterCIDR": ranges.pods,
        # The limit of connections belongs to the machine, not to the namespace.
        "conntrack": {"maxPerCore": 0},
    }


def _corefile(paths: Paths, ranges: Ranges) -> str:
    # No cache: a test that looks a Service up too early must not be told for 30 s that it does not exist.
    # Names outside of the cluster get an answer at once (no such name) in place of a time-out.
    return f"""cluster.local in-addr.arpa ip6.arpa {{
    bind {ranges.node}
    errors
    ready {ranges.node}:{DNS_HEALTH_PORT}
    kubernetes {{
        kubeconfig {paths.pki}/coredns.kubeconfig
        pods insecure
    }}
    loadbalance
}}
. {{
    bind {ranges.node}
    errors
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""
