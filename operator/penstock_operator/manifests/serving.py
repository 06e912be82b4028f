"""What serves a model version: a Deployment per version, and the endpoint's Service that selects exactly one
of them.
"""

from dataclasses import dataclass
from typing import Any

from penstock_operator.manifests import pods
from penstock_operator.manifests.identity import owner, with_hash
from penstock_operator.manifests.settings import PodSettings
from penstock_spec import contract, names

_CPU_OF_FETCH = "100m"
_PORT_NAME = "http"
# Answers while it drains (5 s) and then finishes what is in flight (20 s), so that nobody sees a closed door.
_GRACE_SECONDS = 40


@dataclass(frozen=True)
class Server:
    """One version on one endpoint."""

    namespace: str
    endpoint: str
    endpoint_uid: str
    version: str
    model: str
    digest: str
    replicas: int
    cpu: str
    memory: str

    @property
    def name(self) -> str:
        """The Deployment's name."""
        return names.server_name(self.endpoint, self.version, self.digest)

    @property
    def selector(self) -> dict[str, str]:
        """The labels by which the Service and the Deployment know the pods of exactly this version."""
        return {names.LABEL_ENDPOINT: self.endpoint, names.LABEL_MODEL_VERSION: self.version}


def deployment(server: Server, settings: PodSettings) -> dict[str, Any]:
    """The Deployment of one version. `maxUnavailable: 0`: a change of it never takes capacity away."""
    labels = pods.labels(**{names.LABEL_COMPONENT: "server", **server.selector})
    return with_hash(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": server.name,
                "namespace": server.namespace,
                "labels": labels,
                "ownerReferences": [_owner(server.endpoint, server.endpoint_uid)],
            },
            "spec": {
                "replicas": server.replicas,
                "revisionHistoryLimit": 0,
                "progressDeadlineSeconds": settings.progress_deadline_seconds,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "selector": {"matchLabels": server.selector},
                "template": {
                    "metadata": pods.template_metadata(labels, contract.SERVE),
                    "spec": pods.pod_spec(
                        [_serve(server, settings)], [_fetch(server, settings)], grace_seconds=_GRACE_SECONDS
                    ),
                },
            },
        }
    )


def service(namespace: str, endpoint: str, endpoint_uid: str, selector: dict[str, str]) -> dict[str, Any]:
    """The Service that clients know, selecting one version's pods. Port 80, so that the URL needs none."""
    return with_hash(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": endpoint,
                "namespace": namespace,
                "labels": pods.labels(**{names.LABEL_COMPONENT: "endpoint", names.LABEL_ENDPOINT: endpoint}),
                "ownerReferences": [_owner(endpoint, endpoint_uid)],
            },
            "spec": {
                "type": "ClusterIP",
                "selector": selector,
                "ports": [
                    {
                        "name": _PORT_NAME,
                        "port": 80,
                        "targetPort": _PORT_NAME,
                        "protocol": "TCP",
                        "appProtocol": "http",
                    }
                ],
            },
        }
    )


def _owner(endpoint: str, uid: str) -> dict[str, Any]:
    return owner(names.MODEL_ENDPOINT, names.API_VERSION, endpoint, uid)


def _environment(server: Server) -> list[dict[str, Any]]:
    values = {
        contract.MODEL_NAME_VARIABLE: server.model,
        contract.MODEL_VERSION_VARIABLE: server.version,
        contract.MODEL_DIGEST_VARIABLE: server.digest,
        contract.ENDPOINT_VARIABLE: server.endpoint,
        contract.NAMESPACE_VARIABLE: server.namespace,
        "HOME": pods.TMP["mountPath"],
    }
    return [pods.literal(name, value) for name, value in values.items()]


def _container(name: str, server: Server, settings: PodSettings) -> dict[str, Any]:
    return {
        "name": name,
        "image": settings.server_image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["python", "-m", "penstock_server", name],
        "env": _environment(server),
        "securityContext": pods.security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [pods.TMP, pods.WORK],
    }


def _fetch(server: Server, settings: PodSettings) -> dict[str, Any]:
    """Lays the model out. The only container with the store's credentials, gone before the first request."""
    container = _container(contract.FETCH, server, settings)
    return {
        **container,
        "env": [*container["env"], *pods.store_environment(settings.store_secret)],
        "resources": pods.resources(_CPU_OF_FETCH, server.memory),
    }


def _serve(server: Server, settings: PodSettings) -> dict[str, Any]:
    """Answers. Ready means that the model itself has answered; alive, that the process does."""
    ready = {"httpGet": {"path": "/v2/health/ready", "port": _PORT_NAME}}
    alive = {"httpGet": {"path": "/v2/health/live", "port": _PORT_NAME}}
    return {
        **_container(contract.SERVE, server, settings),
        "ports": [{"name": _PORT_NAME, "containerPort": contract.SERVE_PORT, "protocol": "TCP"}],
        "resources": pods.resources(server.cpu, server.memory),
        # A large model may take minutes to load; until then neither of the other probes counts.
        "startupProbe": {**ready, "periodSeconds": 1, "failureThreshold": 300, "timeoutSeconds": 2},
        "readinessProbe": {**ready, "periodSeconds": 2, "failureThreshold": 2, "timeoutSeconds": 2},
        "livenessProbe": {**alive, "periodSeconds": 10, "failureThreshold": 3, "timeoutSeconds": 5},
    }
