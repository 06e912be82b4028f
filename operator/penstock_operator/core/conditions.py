"""Conditions in the usual Kubernetes form; a time changes only when the status does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Wanted:
    """A condition as it should be."""

    type: str
    status: bool | None  # None is Unknown
    reason: str
    message: str = ""


def merged(
    before: Sequence[Mapping[str, Any]], wanted: Sequence[Wanted], generation: int, stamp: str
) -> list[dict[str, Any]]:
    """The conditions to write, in the order of `wanted`."""
    old = {one.get("type"): one for one in before}
    return [_merged(old.get(one.type), one, generation, stamp) for one in wanted]


def _merged(old: Mapping[str, Any] | None, one: Wanted, generation: int, stamp: str) -> dict[str, Any]:
    status = "Unknown" if one.status is None else str(one.status)
    same = old is not None and old.get("status") == status
    entry: dict[str, Any] = {"type": one.type, "status": status, "reason": one.reason}
    if one.message:
        entry["message"] = one.message
    entry["observedGeneration"] = generation
    entry["lastTransitionTime"] = old["lastTransitionTime"] if same and old is not None else stamp
    return entry


def find(status: Mapping[str, Any], type_: str) -> Mapping[str, Any] | None:
    """The condition of this type in a status."""
    return next((one for one in status.get("conditions", ()) if one.get("type") == type_), None)


def is_true(status: Mapping[str, Any], type_: str) -> bool:
    """Whether the condition of this type is True."""
    found = find(status, type_)
    return found is not None and found.get("status") == "True"
