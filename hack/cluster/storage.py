"""What the cluster holds besides servers: volumes for stores that outlive their Pods, and rights of DNS."""

import json
import shutil
from pathlib import Path

from hack.cluster.paths import Paths
from hack.cluster.shell import Words, run

STORAGE_CLASS = "penstock-local"
_VOLUMES = 8
_SIZE = "10Gi"


class Objects:
    """Objects that the cluster's own parts need in the API."""

    def __init__(self, paths: Paths, kubectl: Words) -> None:
        """Talk to the API by ``kubectl``, the words of a command that acts as administrator."""
        self._paths = paths
        self._kubectl = kubectl

    def apply(self) -> None:
        """Create what is missing and renew volumes whose claim is gone (their data with them)."""
        for name, phase in self._phases().items():
            # Nothing recycles local volumes; a released one would stay bound to a claim of the past.
            if phase in ("Released", "Failed"):
                run([*self._kubectl, "delete", "pv", name, "--wait=true", "--timeout=30s"])
                shutil.rmtree(self._folder(name), ignore_errors=True)
        items = [_storage_class(), *_dns_rights()]
        for number in range(1, _VOLUMES + 1):
            name = f"{STORAGE_CLASS}-{number}"
            folder = self._folder(name)
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777)  # Pods run as users the host does not know
            items.append(_volume(name, folder, self._paths.name))
        run(
            [*self._kubectl, "apply", "-f", "-"],
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}),
        )

    def _phases(self) -> dict[str, str]:
        listed = json.loads(run([*self._kubectl, "get", "pv", "-o", "json"]))["items"]
        ours = (v for v in listed if v["spec"].get("storageClassName") == STORAGE_CLASS)
        return {volume["metadata"]["name"]: volume.get("status", {}).get("phase", "") for volume in ours}

    def _folder(self, name: str) -> Path:
        return self._paths.volumes / name


def _storage_class() -> dict[str, object]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Retain",
    }


def _volume(name: str, folder: Path, node: str) -> dict[str, object]:
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": _SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STORAGE_CLASS,
            # hostPath volumes ignore fsGroup; local ones honour it.
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }


def _dns_rights() -> list[dict[str, object]]:
    name = {"name": "penstock-dns"}
    rbac = "rbac.authorization.k8s.io"
    return [
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRole",
            "metadata": name,
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["services", "pods", "namespaces"],
                    "verbs": ["list", "watch"],
                },
                {
                    "apiGroups": ["discovery.k8s.io"],
                    "resources": ["endpointslices"],
                    "verbs": ["list", "watch"],
                },
            ],
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": name,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", **name},
            "subjects": [{"apiGroup": rbac, "kind": "User", **name}],
        },
    ]
