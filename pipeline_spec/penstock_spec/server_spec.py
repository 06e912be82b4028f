"""spec.server of a ModelEndpoint: the program that serves, ours with settings or any image that speaks the
protocol.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from penstock_spec.base import ImageRef, ListMap, ObjectName, Rule, SpecModel, exactly_one
from penstock_spec.contract import RESERVED_PREFIX
from penstock_spec.kinds.container import Argument, EnvName, SecretKey
from penstock_spec.serving_contract import SERVE_PORT, SERVE_PREFIX

# What follows SERVE_PREFIX in the variables that Penstock's own server and its sidecar read: docs/serving.md.
SERVE_SETTINGS = (
    "BATCH_MILLISECONDS",
    "BATCH_ROWS",
    "BODY_BYTES",
    "BODY_SECONDS",
    "DRAIN_SECONDS",
    "LOG_BYTES",
    "LOG_STOP_SECONDS",
    "REQUEST_LOG",
    "REQUEST_SECONDS",
    "ROWS",
    "STOP_SECONDS",
    "THREADS",
    "WAITING_BYTES",
    "WAITING_REQUESTS",
    "WORKERS",
)
_OWN_FIELDS = ("command", "args", "port", "grpcPort")
_OUR_FIELDS = ("workers", "batching", "requestSeconds")


def _any(fields: tuple[str, ...]) -> str:
    return " || ".join(f"has(self.{one})" for one in fields)


def _image_or_ours(server: Mapping[str, Any]) -> bool:
    return "image" in server or not set(_OWN_FIELDS) & server.keys()


def _ours_or_image(server: Mapping[str, Any]) -> bool:
    return "image" not in server or not set(_OUR_FIELDS) & server.keys()


def _two_ports(server: Mapping[str, Any]) -> bool:
    return bool(server.get("grpcPort") != server.get("port", SERVE_PORT))


def _free_name(variable: Mapping[str, Any]) -> bool:
    name = str(variable.get("name", ""))
    return not name.startswith(RESERVED_PREFIX) or name.startswith(SERVE_PREFIX)


class SecretKeyRef(SpecModel):
    """One key of a Secret of the endpoint's namespace."""

    name: ObjectName = Field(description="Name of a Secret in the endpoint's own namespace.")
    key: SecretKey = Field(
        description="Key inside that Secret. The kubelet reads it; the operator never does."
    )


class ServerVariable(SpecModel):
    """One environment variable of the serving program."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("value", "secret"),
        Rule(
            f"!self.name.startsWith('{RESERVED_PREFIX}') || self.name.startsWith('{SERVE_PREFIX}')",
            f"names that start with {RESERVED_PREFIX} are ours, but for the settings {SERVE_PREFIX}...",
            field_path=".name",
            holds=_free_name,
        ),
    )

    name: EnvName = Field(
        description="Name of the variable. Of ours, which start with PENSTOCK_, only the settings "
        "PENSTOCK_SERVE_... may be set."
    )
    value: Argument | None = Field(
        default=None, description="Its literal value; never expanded or templated."
    )
    secret: SecretKeyRef | None = Field(
        default=None, description="Its value is that of this key of a Secret, read by the kubelet."
    )


class Batching(SpecModel):
    """Small requests that arrive together are predicted together."""

    max_rows: int = Field(default=64, ge=2, le=10_000, description="Rows after which a batch is full.")
    max_delay_milliseconds: int = Field(
        default=2, ge=0, le=1000, description="How long the first request of a batch waits for others."
    )


class ServerSpec(SpecModel):
    """The program that serves."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"has(self.image) || !({_any(_OWN_FIELDS)})",
            "command, args, port and grpcPort belong to an image of your own: set image too",
            holds=_image_or_ours,
        ),
        Rule(
            f"!has(self.image) || !({_any(_OUR_FIELDS)})",
            "workers, batching and requestSeconds are settings of Penstock's own server, not of an image",
            holds=_ours_or_image,
        ),
        Rule(
            f"!has(self.grpcPort) || self.grpcPort != (has(self.port) ? self.port : {SERVE_PORT})",
            "grpcPort must be another port than port: each is listened on once",
            field_path=".grpcPort",
            holds=_two_ports,
        ),
    )

    image: ImageRef | None = Field(
        default=None,
        description="Image that serves in place of Penstock's own server. It finds the model in "
        "/penstock/model and speaks the Open Inference Protocol v2.",
    )
    command: tuple[Argument, ...] = Field(
        default=(),
        max_length=64,
        description="Replaces the image's entry point. Never passed through a shell.",
    )
    args: tuple[Argument, ...] = Field(
        default=(),
        max_length=64,
        description="Arguments after the command, or after the image's entry point.",
    )
    env: Annotated[tuple[ServerVariable, ...], ListMap()] = Field(
        default=(), max_length=64, description="Environment variables beside those that the contract sets."
    )
    port: int | None = Field(
        default=None,
        ge=1024,
        le=65535,
        description="Where the image answers HTTP, health included. Left out, 8080.",
    )
    grpc_port: int | None = Field(
        default=None,
        ge=1024,
        le=65535,
        description="Where the image answers gRPC. Left out, it does not.",
    )
    workers: int | None = Field(
        default=None, ge=1, le=64, description="Processes that answer in each pod. Left out, one."
    )
    batching: Batching | None = Field(
        default=None, description="Answers small requests together. Left out, each is answered by itself."
    )
    request_seconds: int | None = Field(
        default=None,
        ge=1,
        le=3600,
        description="Seconds after which a request is given up with an error. Left out, 30.",
    )
