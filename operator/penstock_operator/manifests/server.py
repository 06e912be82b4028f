"""One model version on one endpoint: what its pods are called, what they run, what that program is told."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock_operator.manifests import pods
from penstock_spec import names, object_names, serving_contract
from penstock_spec.plain import canonical
from penstock_spec.server_spec import ServerSpec, ServerVariable

DRAIN_SECONDS = 5  # a server that was told to stop goes on answering for so long
_STOP_SECONDS = 20  # and then waits so long for what is in flight, unless its requests may take longer
_SPARE_SECONDS = 15  # for what ends after the server: its sidecar


@dataclass(frozen=True)
class PredictionLog:
    """What of the traffic is logged."""

    sample_ratio: float = 1.0
    redact: Sequence[str] = ()
    flush_seconds: float = 10.0

    def to_json(self) -> str:
        """The value of PREDICTION_LOG_VARIABLE."""
        data = {
            "sampleRatio": self.sample_ratio,
            "redact": list(self.redact),
            "flushSeconds": self.flush_seconds,
        }
        return json.dumps(data, separators=(",", ":"), ensure_ascii=False)


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
    deadline_seconds: int = 600
    tokens: str = ""  # the Secret with the callers' tokens; empty where everybody may call
    program: ServerSpec = field(default_factory=ServerSpec)
    log: PredictionLog | None = None

    @property
    def name(self) -> str:
        """The Deployment's name."""
        return object_names.server_name(self.endpoint, self.version, self.digest, self.settings)

    @property
    def settings(self) -> str:
        """Hash over how the model is served, whichever it is: the value of LABEL_SERVER_SETTINGS.

        Not the log: whoever watches an endpoint replaces nothing.
        """
        program = canonical(self.program.as_set())
        return object_names.short_hash(self.cpu, self.memory, self.tokens, program, length=16)

    @property
    def selector(self) -> dict[str, str]:
        """The labels by which Service and Deployment know the pods of exactly these bytes and settings."""
        return selector_of(self.endpoint, self.version, names.digest_label(self.digest), self.settings)

    @property
    def ours(self) -> bool:
        """Whether Penstock's own program serves."""
        return self.program.image is None

    @property
    def port(self) -> int:
        """Where it answers HTTP."""
        return self.program.port or serving_contract.SERVE_PORT

    @property
    def grpc_port(self) -> int | None:
        """Where it answers gRPC; None where it does not."""
        return serving_contract.GRPC_PORT if self.ours else self.program.grpc_port

    @property
    def processes(self) -> int:
        """How many processes answer in each pod."""
        return self.program.workers or 1

    @property
    def stop_seconds(self) -> int:
        """How long requests in flight may take once the server stops."""
        return max(_STOP_SECONDS, self.program.request_seconds or 0)

    @property
    def grace_seconds(self) -> int:
        """After how long a pod that was told to stop is killed: nobody sees a closed door before."""
        return DRAIN_SECONDS + self.stop_seconds + _SPARE_SECONDS

    @property
    def logged(self) -> bool:
        """Whether predictions are logged, which only our own server can."""
        return self.ours and self.log is not None


def selector_of(endpoint: str, version: str, digest_label: str, settings: str) -> dict[str, str]:
    """The labels of the pods that serve one version's bytes by these settings."""
    labels = {
        names.LABEL_ENDPOINT: endpoint,
        names.LABEL_MODEL_VERSION: version,
        names.LABEL_MODEL_DIGEST: digest_label,
    }
    return {**labels, names.LABEL_SERVER_SETTINGS: settings} if settings else labels


def facts(server: Server) -> list[dict[str, Any]]:
    """What every container of the pod is told: which model, where, and who it is."""
    values = {
        serving_contract.MODEL_NAME_VARIABLE: server.model,
        serving_contract.MODEL_VERSION_VARIABLE: server.version,
        serving_contract.MODEL_DIGEST_VARIABLE: server.digest,
        serving_contract.ENDPOINT_VARIABLE: server.endpoint,
        serving_contract.NAMESPACE_VARIABLE: server.namespace,
        "HOME": pods.TMP["mountPath"],
    }
    written = [pods.literal(name, value) for name, value in values.items()]
    return [*written, pods.from_field(serving_contract.POD_VARIABLE, "metadata.name")]


def log_settings(server: Server) -> list[dict[str, Any]]:
    """The prediction log's settings, for those that write and ship it."""
    if server.log is None or not server.ours:
        return []
    return [pods.literal(serving_contract.PREDICTION_LOG_VARIABLE, server.log.to_json())]


def serving_environment(server: Server) -> list[dict[str, Any]]:
    """The environment of the program that answers: the facts, its settings, and what the user adds.

    Each name stands once: of two, the endpoint's own field wins.
    """
    own = [*facts(server), *_settings(server), *log_settings(server)]
    taken = {one["name"] for one in own}
    return [*own, *(_variable(one) for one in server.program.env if one.name not in taken)]


def _settings(server: Server) -> list[dict[str, Any]]:
    program = server.program
    if not server.ours:
        return []
    values: Mapping[str, int | None] = {
        "WORKERS": program.workers,
        "BATCH_ROWS": program.batching.max_rows if program.batching else None,
        "BATCH_MILLISECONDS": program.batching.max_delay_milliseconds if program.batching else None,
        "REQUEST_SECONDS": program.request_seconds,
        "STOP_SECONDS": server.stop_seconds if server.stop_seconds > _STOP_SECONDS else None,
    }
    return [
        pods.literal(f"{serving_contract.SERVE_PREFIX}{name}", str(value))
        for name, value in values.items()
        if value is not None
    ]


def _variable(one: ServerVariable) -> dict[str, Any]:
    if one.secret is not None:
        return pods.from_secret(one.name, one.secret.name, one.secret.key)
    return pods.literal(one.name, one.value or "")
