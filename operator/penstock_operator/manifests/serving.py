"""What serves a model version: a Deployment whose pods lay the model out, check it, and answer.

fetch (init) ── the model's files ──► serve ── the log's spool ──► ship (beside it, where it is monitored)
"""

from typing import Any

from penstock_operator.manifests import pods
from penstock_operator.manifests.identity import owner, with_hash
from penstock_operator.manifests.server import (
    DRAIN_SECONDS,
    Server,
    facts,
    log_settings,
    serving_environment,
)
from penstock_operator.manifests.settings import PodSettings
from penstock_spec import contract, names, serving_contract

HTTP, GRPC = "http", "grpc"  # names of the ports
_CPU_OF_SHIP, _MEMORY_OF_SHIP = "50m", "128Mi"
_TOKENS = "tokens"
# A large model may take minutes to load; a pod that takes longer than this is started anew.
_LEAST_STARTUP_SECONDS = 300


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
                "ownerReferences": [owned_by(server.endpoint, server.endpoint_uid)],
            },
            "spec": {
                "replicas": server.replicas,
                "revisionHistoryLimit": 0,
                "progressDeadlineSeconds": server.deadline_seconds,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "selector": {"matchLabels": server.selector},
                "template": {
                    "metadata": pods.template_metadata(labels, serving_contract.SERVE),
                    "spec": _pod(server, settings),
                },
            },
        }
    )


def owned_by(endpoint: str, uid: str) -> dict[str, Any]:
    """The reference that makes an object the endpoint's child."""
    return owner(names.MODEL_ENDPOINT, names.API_VERSION, endpoint, uid)


def _pod(server: Server, settings: PodSettings) -> dict[str, Any]:
    init = [_fetch(server, settings)]
    if server.logged:
        init.append(_ship(server, settings))
    serve = _serve(server, settings) if server.ours else _theirs(server, settings)
    volumes = []
    if server.tokens:
        # Not optional: without it everybody could call, so no pod starts.
        volumes = [{"name": _TOKENS, "secret": {"secretName": server.tokens, "defaultMode": 0o440}}]
    return pods.pod_spec([serve], init, volumes, grace_seconds=server.grace_seconds)


def _ours(name: str, server: Server, settings: PodSettings) -> dict[str, Any]:
    return {
        "name": name,
        "image": settings.server_image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["python", "-m", "penstock_server", name],
        "env": facts(server),
        "securityContext": pods.security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [pods.TMP, pods.WORK],
    }


def _fetch(server: Server, settings: PodSettings) -> dict[str, Any]:
    """Lays the model out, with the store's credentials, and is gone before the first request."""
    return {
        **_ours(contract.FETCH, server, settings),
        "env": [*facts(server), *pods.store_environment(settings.store_secret)],
        "resources": pods.resources(server.cpu, server.memory),
    }


def _ship(server: Server, settings: PodSettings) -> dict[str, Any]:
    """Brings the prediction log to the store, beside the server for as long as it runs and a little longer.

    It has the store's credentials and no port.
    """
    return {
        **_ours(serving_contract.SHIP, server, settings),
        "restartPolicy": "Always",
        "env": [*facts(server), *log_settings(server), *pods.store_environment(settings.store_secret)],
        "resources": pods.resources(_CPU_OF_SHIP, _MEMORY_OF_SHIP),
    }


def _serve(server: Server, settings: PodSettings) -> dict[str, Any]:
    """Our server. It talks to strangers and holds no credentials but their own tokens."""
    return {**_ours(serving_contract.SERVE, server, settings), **_answering(server)}


def _theirs(server: Server, settings: PodSettings) -> dict[str, Any]:
    """A server of the user's. It is given time before it is told to stop: few drain by themselves."""
    program = server.program
    container: dict[str, Any] = {
        "name": serving_contract.SERVE,
        "image": program.image,
        "imagePullPolicy": settings.image_pull_policy,
        "securityContext": pods.security(read_only=False),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}},
        **_answering(server),
    }
    # The kubelet would expand $(NAME) in both; what users write is what the program gets.
    if program.command:
        container["command"] = [part.replace("$", "$$") for part in program.command]
    if program.args:
        container["args"] = [part.replace("$", "$$") for part in program.args]
    return container


def _answering(server: Server) -> dict[str, Any]:
    """Ports, probes and means of what answers. Ready: the model itself answers. Alive: the process does."""
    ports = [{"name": HTTP, "containerPort": server.port, "protocol": "TCP"}]
    if server.grpc_port is not None:
        ports.append({"name": GRPC, "containerPort": server.grpc_port, "protocol": "TCP"})
    mounts: list[dict[str, Any]] = [pods.TMP, pods.WORK]
    if server.tokens:
        mounts.append({"name": _TOKENS, "mountPath": serving_contract.TOKENS_FOLDER, "readOnly": True})
    ready = {"httpGet": {"path": "/v2/health/ready", "port": HTTP}}
    alive = {"httpGet": {"path": "/v2/health/live", "port": HTTP}}
    patience = max(server.deadline_seconds, _LEAST_STARTUP_SECONDS)
    return {
        "env": serving_environment(server),
        "ports": ports,
        "volumeMounts": mounts,
        "resources": pods.resources(server.cpu, server.memory, server.processes),
        # Until it has succeeded neither of the other probes counts.
        "startupProbe": {**ready, "periodSeconds": 1, "failureThreshold": patience, "timeoutSeconds": 2},
        "readinessProbe": {**ready, "periodSeconds": 2, "failureThreshold": 2, "timeoutSeconds": 2},
        "livenessProbe": {**alive, "periodSeconds": 10, "failureThreshold": 3, "timeoutSeconds": 5},
    }
