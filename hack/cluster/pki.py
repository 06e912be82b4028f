"""Certificates and kubeconfigs, made with openssl once per cluster and valid for ten years."""

import base64
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.network import Ranges
from hack.cluster.paths import Paths, write_atomically
from hack.cluster.shell import run

_DAYS = "3650"
API_PORT = 6443


@dataclass(frozen=True)
class Identity:
    """One certificate: who its holder is to Kubernetes (CN and O), and the names by which it serves."""

    file: str
    common_name: str
    organization: str | None = None
    serves: tuple[str, ...] = ()


def identities(node: str, ranges: Ranges) -> tuple[Identity, ...]:
    """Everybody who needs a certificate in the cluster whose only node is ``node``."""
    api = (
        *(
            f"DNS:{name}"
            for name in ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")
        ),
        "DNS:kubernetes.default.svc.cluster.local",
        *(f"IP:{address}" for address in ("127.0.0.1", ranges.api_service, ranges.node)),
    )
    return (
        Identity("apiserver", "kube-apiserver", serves=api),
        Identity("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
        Identity("admin", "penstock-admin", "system:masters"),
        Identity("controller-manager", "system:kube-controller-manager"),
        Identity("scheduler", "system:kube-scheduler"),
        Identity("proxy", "system:kube-proxy"),
        Identity("coredns", "penstock-dns"),
        Identity(
            "kubelet", f"system:node:{node}", "system:nodes", serves=(f"DNS:{node}", f"IP:{ranges.node}")
        ),
    )


def ensure(paths: Paths, ranges: Ranges) -> None:
    """Make the authority, certificates and kubeconfigs that are missing."""
    paths.pki.mkdir(parents=True, exist_ok=True)
    paths.pki.chmod(0o700)
    authority, key = paths.pki / "ca.crt", paths.pki / "ca.key"
    if not authority.exists():
        _key(key)
        subject = ["-subj", "/CN=penstock-cluster-ca", "-days", _DAYS]
        usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"]
        _make(authority, ["openssl", "req", "-x509", "-new", "-key", str(key), *subject, *usage])
    for identity in identities(paths.name, ranges):
        if not (paths.pki / f"{identity.file}.crt").exists():
            _certificate(paths.pki, identity)
    service_accounts = paths.pki / "service-accounts.key"
    if not service_accounts.exists():
        _key(service_accounts)
    public = paths.pki / "service-accounts.pub"
    if not public.exists():
        _make(public, ["openssl", "pkey", "-in", str(service_accounts), "-pubout"])
    server = f"https://{ranges.node}:{API_PORT}"
    for file in ("controller-manager", "scheduler", "proxy", "coredns", "kubelet"):
        _kubeconfig(paths, file, server, paths.pki / f"{file}.kubeconfig")
    _kubeconfig(paths, "admin", server, paths.kubeconfig)


def _key(path: Path) -> None:
    _make(path, ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], mode=0o600)


def _make(path: Path, command: list[str], mode: int = 0o644) -> None:
    write_atomically(path, run(command), mode)


def _certificate(pki: Path, identity: Identity) -> None:
    key = pki / f"{identity.file}.key"
    _key(key)
    subject = (f"/O={identity.organization}" if identity.organization else "") + f"/CN={identity.common_name}"
    lines = ["keyUsage=critical,digitalSignature", "basicConstraints=critical,CA:FALSE"]
    lines.append("extendedKeyUsage=clientAuth" + (",serverAuth" if identity.serves else ""))
    if identity.serves:
        lines.append("subjectAltName=" + ",".join(identity.serves))
    with tempfile.TemporaryDirectory() as scratch:
        extensions = Path(scratch) / "extensions"
        extensions.write_text("\n".join(lines) + "\n")
        request = run(["openssl", "req", "-new", "-key", key, "-subj", subject])
        signer = ["-CA", str(pki / "ca.crt"), "-CAkey", str(pki / "ca.key"), "-days", _DAYS]
        signed = run(["openssl", "x509", "-req", *signer, "-extfile", extensions], stdin=request)
    write_atomically(pki / f"{identity.file}.crt", signed)


def _kubeconfig(paths: Paths, identity: str, server: str, target: Path) -> None:
    """Write a kubeconfig (JSON, which is YAML) that holds its keys itself, so that it can be copied."""

    def data(name: str) -> str:
        return base64.b64encode((paths.pki / name).read_bytes()).decode()

    context = f"penstock-{paths.name}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": context, "cluster": {"server": server, "certificate-authority-data": data("ca.crt")}},
        ],
        "users": [
            {
                "name": identity,
                "user": {
                    "client-certificate-data": data(f"{identity}.crt"),
                    "client-key-data": data(f"{identity}.key"),
                },
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": context, "user": identity}}],
        "current-context": context,
    }
    write_atomically(target, json.dumps(config, indent=1), 0o600)
