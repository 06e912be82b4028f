"""What stands before the serving pods, and follows the switch from one version to the next."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock_operator.manifests import pods
from penstock_operator.manifests.identity import with_hash
from penstock_operator.manifests.serving import GRPC, HTTP, owned_by
from penstock_spec import names, serving_contract

DEFAULT_UTILIZATION = 80  # percent of the reserved CPU


@dataclass(frozen=True)
class Facade:
    """The endpoint whose objects these are. All of them bear its name."""

    namespace: str
    endpoint: str
    uid: str


def service(facade: Facade, selector: Mapping[str, str]) -> dict[str, Any]:
    """The Service that clients know, selecting one version's pods. Port 80, so that the URL needs none."""
    http = {"name": HTTP, "port": 80, "targetPort": HTTP, "protocol": "TCP", "appProtocol": "http"}
    grpc = {
        "name": GRPC,
        "port": serving_contract.GRPC_PORT,
        "targetPort": GRPC,
        "protocol": "TCP",
        "appProtocol": "kubernetes.io/h2c",
    }
    spec = {"type": "ClusterIP", "selector": dict(selector), "ports": [http, grpc]}
    return _object("v1", "Service", facade, spec)


def budget(facade: Facade, selector: Mapping[str, str]) -> dict[str, Any]:
    """How many serving pods a drained node may take at a time. Pods that do not answer hold up nobody."""
    spec = {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": dict(selector)},
    }
    return _object("policy/v1", "PodDisruptionBudget", facade, spec)


def autoscaler(facade: Facade, least: int, most: int, utilization: int) -> dict[str, Any]:
    """Scales the endpoint, not one Deployment of it: so it goes on when a version is replaced."""
    resource = {
        "name": "cpu",
        "container": serving_contract.SERVE,
        "target": {"type": "Utilization", "averageUtilization": utilization},
    }
    spec = {
        "scaleTargetRef": {
            "apiVersion": names.API_VERSION,
            "kind": names.MODEL_ENDPOINT,
            "name": facade.endpoint,
        },
        "minReplicas": least,
        "maxReplicas": most,
        "metrics": [{"type": "ContainerResource", "containerResource": resource}],
    }
    return _object("autoscaling/v2", "HorizontalPodAutoscaler", facade, spec)


def _object(api_version: str, kind: str, facade: Facade, spec: Mapping[str, Any]) -> dict[str, Any]:
    own = {names.LABEL_COMPONENT: "endpoint", names.LABEL_ENDPOINT: facade.endpoint}
    return with_hash(
        {
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {
                "name": facade.endpoint,
                "namespace": facade.namespace,
                "labels": pods.labels(**own),
                "ownerReferences": [owned_by(facade.endpoint, facade.uid)],
            },
            "spec": dict(spec),
        }
    )
