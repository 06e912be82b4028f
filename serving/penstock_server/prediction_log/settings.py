"""What both halves are told of the prediction log."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock_server.settings import SettingsError
from penstock_spec import serving_contract

SPOOL_BYTES_VARIABLE = "PENSTOCK_SERVE_LOG_BYTES"
STOP_SECONDS_VARIABLE = "PENSTOCK_SERVE_LOG_STOP_SECONDS"
_SPOOL_BYTES = 64 * 1024 * 1024
_STOP_SECONDS = 20


@dataclass(frozen=True)
class LogSettings:
    """Settings of the log of one pod."""

    folder: Path
    sample_ratio: float  # of the requests, in (0, 1]
    redact: frozenset[str]  # columns that are never written anywhere
    flush_seconds: float  # a row waits no longer for others of its batch
    spool_bytes: int  # above this, new rows are dropped and counted
    stop_seconds: int  # how long `ship` goes on once the server has ended

    @classmethod
    def read(cls, environment: Mapping[str, str], folder: Path) -> "LogSettings | None":
        """The settings, or None where nothing is to be logged. SettingsError names what is wrong."""
        text = environment.get(serving_contract.PREDICTION_LOG_VARIABLE, "")
        if not text:
            return None
        try:
            data = json.loads(text)
        except ValueError as error:
            raise _wrong("must be JSON") from error
        if not isinstance(data, dict):
            raise _wrong("must be a JSON object")
        ratio, flush = data.get("sampleRatio", 1.0), data.get("flushSeconds", 10)
        redact = data.get("redact", [])
        if not _is_number(ratio) or not 0 < ratio <= 1:
            raise _wrong("sampleRatio must be above 0 and at most 1")
        if not _is_number(flush) or not 0 < flush <= 3600:
            raise _wrong("flushSeconds must be above 0 and at most 3600")
        if not isinstance(redact, list) or any(not isinstance(name, str) for name in redact):
            raise _wrong("redact must be a list of names of columns")
        return cls(
            folder=folder,
            sample_ratio=float(ratio),
            redact=frozenset(redact),
            flush_seconds=float(flush),
            spool_bytes=_number(environment, SPOOL_BYTES_VARIABLE, _SPOOL_BYTES),
            stop_seconds=_number(environment, STOP_SECONDS_VARIABLE, _STOP_SECONDS),
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "")
    if text and (not text.isascii() or not text.isdigit() or int(text) < 1):
        raise SettingsError(f"{name} must be a whole number of at least 1")
    return int(text) if text else default


def _wrong(what: str) -> SettingsError:
    return SettingsError(f"{serving_contract.PREDICTION_LOG_VARIABLE} {what}; the operator sets it")
