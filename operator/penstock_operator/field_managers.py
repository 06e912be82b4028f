"""Who last wrote a few fields of a ModelEndpoint.

Each entry of managedFields is a manager, a time, and the set of fields that it owns, as nested keys
`f:<name>`. All of it is half of a small object; only this is kept of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from penstock_spec import names

KEY = "penstock.dev/field-managers"  # in the cached metadata, where it stands for managedFields
MONITORED_KEY = "penstock.dev/monitored-at"  # beside it: when a monitor step last changed anything
PATHS = (
    "spec.model.version",
    "spec.rollbackTo",
    "spec.rollout.deadline",
    "spec.scale.replicas",
    "spec.scale.minReplicas",
    "spec.scale.maxReplicas",
    "spec.scale.targetCPUUtilization",
)


def managers_of(entries: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The managers of each of PATHS that has one; who wrote last is last."""
    found: dict[str, list[str]] = {}
    for entry in sorted(entries, key=lambda one: str(one.get("time", ""))):
        for path in PATHS:
            if _owns(entry.get("fieldsV1") or {}, path) and entry.get("manager"):
                found.setdefault(path, []).append(entry["manager"])
    return found


def monitored_at(entries: Sequence[Mapping[str, Any]]) -> str:
    """When a monitor step last changed the object, RFC 3339; empty for never. An apply that changes nothing
    leaves the time as it is.
    """
    return max((str(one.get("time", "")) for one in entries if _is_monitor(one)), default="")


def _is_monitor(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("manager") == names.MANAGER_MONITOR)


def _owns(fields: Mapping[str, Any], path: str) -> bool:
    place: Any = fields
    for name in path.split("."):
        place = place.get(f"f:{name}") if isinstance(place, Mapping) else None
        if place is None:
            return False
    return True
