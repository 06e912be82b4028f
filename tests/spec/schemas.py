"""The generated schemas, flattened: every field with its path, its schema and what the models say of it."""

from collections.abc import Iterator, Mapping
from typing import Any

from penstock_spec.api import API_KINDS
from penstock_spec.crds import crd
from penstock_spec.shapes import Entries, Field, Items, Object, Shape, object_shape

SCHEMAS = {kind.kind: crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for kind in API_KINDS}


def nodes(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every schema below `schema`, itself included."""
    yield path, schema
    for name, one in schema.get("properties", {}).items():
        yield from nodes(one, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


def model_fields(shape: Shape, path: str) -> Iterator[tuple[str, type, Field]]:
    """Every field of the models under the path that `nodes` gives it, with the model that it belongs to."""
    if isinstance(shape, Object):
        for name, field in shape.fields.items():
            yield f"{path}.{name}", shape.model, field
            yield from model_fields(field.shape, f"{path}.{name}")
    elif isinstance(shape, Items):
        yield from model_fields(shape.item, f"{path}[]")
    elif isinstance(shape, Entries):
        yield from model_fields(shape.value, f"{path}{{}}")


ALL_NODES = [(kind, path, node) for kind, schema in SCHEMAS.items() for path, node in nodes(schema) if path]
ALL_FIELDS = {
    (kind.kind, path): (model, field)
    for kind in API_KINDS
    for part, models in (("spec", kind.spec), ("status", kind.status))
    for path, model, field in model_fields(object_shape(models), f".{part}")
}
