"""A wanted status as a JSON patch of the stored one: only what differs is sent."""

from collections.abc import Mapping
from typing import Any

from penstock_operator.store import Object

STEPS = "steps"


def status_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Object]:
    """The operations that turn `before` into `after`; none where they are equal.

    Steps are replaced one by one.
    """
    if not before:
        return [{"op": "add", "path": "/status", "value": dict(after)}] if after else []
    operations: list[Object] = [
        {"op": "remove", "path": f"/status/{key}"} for key in before if key not in after
    ]
    for key, value in after.items():
        old = before.get(key)
        if key in before and old == value:
            continue
        if key == STEPS and isinstance(old, list) and len(old) == len(value):
            operations += [
                {"op": "replace", "path": f"/status/{STEPS}/{index}", "value": new}
                for index, (one, new) in enumerate(zip(old, value, strict=True))
                if one != new
            ]
        else:
            operations.append({"op": "add", "path": f"/status/{key}", "value": value})
    return operations
