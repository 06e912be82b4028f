"""The kinds of the Prometheus Operator, and what their schemas do not allow.

The schemas are those of its release, descriptions left out (tests/observability/crds names it). The API
server would prune an unknown field in silence; here it is a fault.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support import ROOT

FOLDER = ROOT / "tests/observability/crds"
SCHEMAS: Mapping[str, Any] = {
    path.stem: json.loads(path.read_text())["schema"] for path in sorted(FOLDER.glob("*.json"))
}
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}
_OF_EVERY_OBJECT = {"apiVersion", "kind", "metadata"}


def faults(item: Mapping[str, Any]) -> list[str]:
    """What the kind's schema does not allow in this object, in words; empty when it is one."""
    spec = SCHEMAS[item["kind"]]["properties"]["spec"]
    unknown = [f"{name}: unknown" for name in item if name not in {*_OF_EVERY_OBJECT, "spec"}]
    return [*unknown, *_faults(item["spec"], spec, "spec")]


def _faults(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, int | str):
            yield f"{path}: a number or a text is expected"
        return
    kind = schema.get("type")
    if kind is not None and not isinstance(value, _TYPES[kind]):
        yield f"{path}: expected {kind}, got {type(value).__name__}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{path}: {value!r} does not match {schema['pattern']}"
    if isinstance(value, Mapping):
        yield from _faults_of_fields(value, schema, path)
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"{path}: too few entries"
        for index, one in enumerate(value):
            yield from _faults(one, schema["items"], f"{path}[{index}]")


def _faults_of_fields(value: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[str]:
    yield from (f"{path}.{name}: required" for name in schema.get("required", ()) if name not in value)
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name, one in value.items():
        if name in known:
            yield from _faults(one, known[name], f"{path}.{name}")
        elif isinstance(others, Mapping):
            yield from _faults(one, others, f"{path}.{name}")
        elif not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield f"{path}.{name}: unknown"
