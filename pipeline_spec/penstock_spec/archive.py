"""The archived record of a run: what it holds, where it lies, and how it is checked.

<prefix>/<namespace>/archive/<uid of the Pipeline>/<uid of the run>.json      one line of JSON, written once
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from penstock_spec.plain import canonical, plain

RECORD_VERSION = 1
KIND = "archive"  # of the Task that writes a batch of records
_LARGEST = 1024 * 1024
_UID = re.compile(r"[0-9A-Za-z][-0-9A-Za-z]{0,62}")


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its own digest. SpecError where it is larger than 1 MiB."""
    data = plain(record, ("record",), _LARGEST)
    return {**data, "digest": _digest(data)}


def is_sound(record: Any) -> bool:
    """Whether it is a sealed record that says of itself what it is."""
    if not isinstance(record, Mapping) or not isinstance(record.get("digest"), str):
        return False
    rest = {name: value for name, value in record.items() if name != "digest"}
    return all(_UID.fullmatch(str(rest.get(one, ""))) for one in ("pipelineUid", "uid")) and (
        _digest(rest) == record["digest"]
    )


def _digest(data: Mapping[str, Any]) -> str:
    """Over canonical JSON, like every digest; without the models, of which who only stores has no need."""
    return f"sha256:{hashlib.sha256(canonical(dict(data)).encode()).hexdigest()}"


def key_of(pipeline_uid: str, run_uid: str) -> str:
    """The key below the folder of the namespace. ValueError where the uids are none."""
    if not (_UID.fullmatch(pipeline_uid) and _UID.fullmatch(run_uid)):
        raise ValueError("these are no uids of objects")
    return f"archive/{pipeline_uid}/{run_uid}.json"
