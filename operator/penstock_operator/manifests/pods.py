"""What every pod that the operator makes has in common.

Restricted Pod Security, scratch space, no token, no surprises.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from penstock_operator.manifests.quantity import cpu_limit
from penstock_spec import contract
from penstock_spec.names import LABEL_MANAGED_BY, MANAGED_BY, STEP_SERVICE_ACCOUNT

USER = 65532  # the uid and gid of our images, and of programs that do not say otherwise

# Service meshes hold up a pod's first connections and never let its Job end. Istio reads a label, Linkerd
# only an
# annotation (its own, not ours).
MESH_LABELS = {"sidecar.istio.io/inject": "false"}
MESH_ANNOTATIONS = {"linkerd.io/inject": "disabled"}

TMP = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - a mount of the pod's own, not a shared folder
WORK = {"name": "penstock", "mountPath": contract.ROOT}
INPUTS = {"name": "penstock", "mountPath": contract.IN, "subPath": "in", "readOnly": True}


def labels(**values: str) -> dict[str, str]:
    """Our labels on an object; `values` come with the full label as key."""
    return {LABEL_MANAGED_BY: MANAGED_BY, **values}


def template_metadata(own: Mapping[str, str], container: str) -> dict[str, Any]:
    """Metadata of a pod template: our labels, no mesh, and the container whose log `kubectl logs` shows."""
    return {
        "labels": {**own, **MESH_LABELS},
        "annotations": {"kubectl.kubernetes.io/default-container": container, **MESH_ANNOTATIONS},
    }


def pod_spec(
    containers: Sequence[Mapping[str, Any]],
    init: Sequence[Mapping[str, Any]] = (),
    volumes: Sequence[Mapping[str, Any]] = (),
    grace_seconds: int = 30,
    scratch: str = "",
) -> dict[str, Any]:
    """A pod under the `restricted` level, with empty folders /tmp and /penstock.

    Its files belong to group USER; `scratch` bounds each of the two.
    """
    size = {"sizeLimit": scratch} if scratch else {}
    spec: dict[str, Any] = {
        "serviceAccountName": STEP_SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [
            {"name": "tmp", "emptyDir": dict(size)},
            {"name": "penstock", "emptyDir": dict(size)},
            *volumes,
        ],
        "containers": list(containers),
    }
    if init:
        spec["initContainers"] = list(init)
    return spec


def security(user: int | None = USER, *, read_only: bool = True) -> dict[str, Any]:
    """The security context of one container. Without `user` the image's own user runs, in the pod's group."""
    context: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": read_only,
    }
    return context if user is None else {**context, "runAsUser": user, "runAsGroup": USER}


def resources(cpu: str, memory: str, processes: int = 1, scratch: str = "") -> dict[str, Any]:
    """Requests and limits.

    Memory is reserved in full, so that a node never runs out of it for lack of reckoning; so is scratch
    space,
    of which the folders themselves are the limit.
    """
    disk = {"ephemeral-storage": scratch} if scratch else {}
    return {
        "requests": {"cpu": cpu, "memory": memory, **disk},
        "limits": {"cpu": cpu_limit(cpu, processes), "memory": memory},
    }


def literal(name: str, value: str) -> dict[str, Any]:
    """An environment variable with this value.

    Each `$` is doubled, since the kubelet would expand $(OTHER).
    """
    return {"name": name, "value": value.replace("$", "$$")}


def from_secret(name: str, secret: str, key: str, *, optional: bool = False) -> dict[str, Any]:
    """An environment variable that the kubelet fills from a Secret; the operator never reads it."""
    ref: dict[str, Any] = {"name": secret, "key": key}
    return {"name": name, "valueFrom": {"secretKeyRef": {**ref, **({"optional": True} if optional else {})}}}


def from_config_map(name: str, config_map: str, key: str, *, optional: bool = False) -> dict[str, Any]:
    """An environment variable that the kubelet fills from a ConfigMap."""
    ref: dict[str, Any] = {"name": config_map, "key": key}
    return {
        "name": name,
        "valueFrom": {"configMapKeyRef": {**ref, **({"optional": True} if optional else {})}},
    }


def from_field(name: str, path: str) -> dict[str, Any]:
    """An environment variable that the kubelet fills from the pod's own object."""
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def store_environment(secret: str) -> list[dict[str, Any]]:
    """The store's address and credentials.

    Only `url` must be there: the rest may come from the node's identity.
    """
    return [
        from_secret(variable, secret, key, optional=key != "url")
        for key, variable in contract.STORE_VARIABLES.items()
    ]


def connection_environment(connection: str) -> list[dict[str, Any]]:
    """A connection's description (its `bucket` must be there) and its credentials, where it has any."""
    described = [
        from_config_map(variable, connection, key, optional=key != "bucket")
        for key, variable in contract.CONNECTION_VARIABLES.items()
    ]
    return described + [
        from_secret(variable, connection, key, optional=True)
        for key, variable in contract.CONNECTION_SECRET_VARIABLES.items()
    ]
