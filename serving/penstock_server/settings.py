"""What the server is told: which model, where it lies, its limits. From the environment, checked at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from penstock_spec import serving_contract

_MEBIBYTE = 1024 * 1024


REQUEST_LOG = ("all", "refused", "none")


class SettingsError(ValueError):
    """A variable is missing or unusable; the message names it and says what to set."""


@dataclass(frozen=True)
class Limits:
    """How much one request, and all of them together, may ask of the server."""

    body_bytes: int = 10 * _MEBIBYTE  # of one request
    waiting_bytes: int = 32 * _MEBIBYTE  # of all bodies held at one time
    body_seconds: int = 30  # until a body has arrived
    rows: int = 50_000  # of one request
    request_seconds: int = 30  # from the whole body until the answer
    waiting_requests: int = 256  # that wait for a thread or a batch at one time


@dataclass(frozen=True)
class Batching:
    """Whether requests that come together run as one call of ONNX Runtime."""

    rows: int = 0  # most rows of one call; 0: every request runs by itself
    milliseconds: int = 2  # that the first request of a batch waits for others


@dataclass(frozen=True)
class Settings:
    """Everything that differs between two servers."""

    model: str
    version: str
    digest: str
    endpoint: str
    folder: Path
    host: str
    port: int
    grpc_port: int
    tokens: Path  # the folder with a token per client; none at the start: no authentication
    workers: int  # processes that answer
    drain_seconds: (
        int  # how long it still answers after SIGTERM, so that every proxy has taken it off its list
    )
    stop_seconds: int  # how long it then waits for requests in flight
    threads: int  # that work on large requests
    request_log: str  # which requests get a line in the log: one of REQUEST_LOG
    limits: Limits
    batching: Batching

    @property
    def manifest(self) -> Path:
        """The manifest that `fetch` left beside the model's folder."""
        return self.folder.parent / serving_contract.MODEL_MANIFEST

    @classmethod
    def read(
        cls,
        environment: Mapping[str, str],
        *,
        folder: Path,
        host: str = "",
        port: int = serving_contract.SERVE_PORT,
        grpc_port: int = serving_contract.GRPC_PORT,
        tokens: Path = Path(serving_contract.TOKENS_FOLDER),
    ) -> "Settings":
        """Settings from the variables of `contract` and the PENSTOCK_SERVE_* limits. SettingsError."""
        return cls(
            model=required(environment, serving_contract.MODEL_NAME_VARIABLE),
            version=required(environment, serving_contract.MODEL_VERSION_VARIABLE),
            digest=digest(environment),
            endpoint=environment.get(serving_contract.ENDPOINT_VARIABLE, ""),
            folder=folder,
            host=host,
            port=port,
            grpc_port=grpc_port,
            tokens=tokens,
            workers=_number(environment, "PENSTOCK_SERVE_WORKERS", 1),
            drain_seconds=_number(environment, "PENSTOCK_SERVE_DRAIN_SECONDS", 5, minimum=0),
            stop_seconds=_number(environment, "PENSTOCK_SERVE_STOP_SECONDS", 20),
            threads=_number(environment, "PENSTOCK_SERVE_THREADS", 2),
            request_log=_choice(environment, "PENSTOCK_SERVE_REQUEST_LOG", REQUEST_LOG, "refused"),
            limits=Limits(
                body_bytes=_number(environment, "PENSTOCK_SERVE_BODY_BYTES", Limits.body_bytes),
                waiting_bytes=_number(environment, "PENSTOCK_SERVE_WAITING_BYTES", Limits.waiting_bytes),
                body_seconds=_number(environment, "PENSTOCK_SERVE_BODY_SECONDS", Limits.body_seconds),
                rows=_number(environment, "PENSTOCK_SERVE_ROWS", Limits.rows),
                request_seconds=_number(
                    environment, "PENSTOCK_SERVE_REQUEST_SECONDS", Limits.request_seconds
                ),
                waiting_requests=_number(
                    environment, "PENSTOCK_SERVE_WAITING_REQUESTS", Limits.waiting_requests
                ),
            ),
            batching=Batching(
                rows=_number(environment, "PENSTOCK_SERVE_BATCH_ROWS", Batching.rows, minimum=0),
                milliseconds=_number(
                    environment, "PENSTOCK_SERVE_BATCH_MILLISECONDS", Batching.milliseconds, minimum=0
                ),
            ),
        )


def required(environment: Mapping[str, str], name: str) -> str:
    """The variable's value. SettingsError when it is absent or empty."""
    value = environment.get(name, "")
    if not value:
        raise SettingsError(
            f"the environment variable {name} is not set; the operator sets it on every server"
        )
    return value


def digest(environment: Mapping[str, str]) -> str:
    """The digest that the model must have. SettingsError when it is not sha256:<64 hex digits>."""
    value = required(environment, serving_contract.MODEL_DIGEST_VARIABLE)
    algorithm, _, digits = value.partition(":")
    if algorithm != "sha256" or len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
        raise SettingsError(
            f"{serving_contract.MODEL_DIGEST_VARIABLE} must be sha256: and 64 hexadecimal digits"
        )
    return value


def _number(environment: Mapping[str, str], name: str, default: int, *, minimum: int = 1) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or int(text) < minimum:
        raise SettingsError(f"{name} must be a whole number of at least {minimum}")
    return int(text)


def _choice(environment: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    text = environment.get(name, "") or default
    if text not in choices:
        raise SettingsError(f"{name} must be one of {', '.join(choices)}")
    return text
