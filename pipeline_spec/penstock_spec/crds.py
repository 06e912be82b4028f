"""The CustomResourceDefinitions: `python -m penstock_spec.crds crds/` writes them, `--check` compares."""

import sys
from typing import Any

import yaml

from penstock_spec import generated, names
from penstock_spec.api import API_KINDS, CATEGORY, ApiKind, Column
from penstock_spec.schema import Schema, structural_schema

HEADER = "# Made from the models in pipeline_spec by `make generate`; changes here are overwritten.\n"


def crd(kind: ApiKind) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind as plain data."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name, "labels": {names.LABEL_NAME: "penstock"}},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": [names.SHORT_NAMES[kind.kind]],
                "categories": [CATEGORY],
            },
            "versions": [_version(kind)],
        },
    }


def _version(kind: ApiKind) -> dict[str, Any]:
    return {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}, **_scale(kind)},
        "additionalPrinterColumns": [_column(one) for one in kind.columns],
        "schema": {"openAPIV3Schema": root_schema(kind)},
    }


def _scale(kind: ApiKind) -> dict[str, Any]:
    if kind.scale is None:
        return {}
    paths = {
        "specReplicasPath": kind.scale.wanted,
        "statusReplicasPath": kind.scale.found,
        "labelSelectorPath": kind.scale.selector,
    }
    return {"scale": paths}


def root_schema(kind: ApiKind) -> Schema:
    """The schema of the whole object."""
    return {
        "description": kind.description,
        "type": "object",
        "required": ["spec"],
        "x-kubernetes-validations": [rule.to_schema() for rule in kind.name_rules()],
        "properties": {
            "apiVersion": {
                "description": f"Version of the schema that this object is written in, {names.API_VERSION}.",
                "type": "string",
            },
            "kind": {"description": f"Always {kind.kind} for objects of this type.", "type": "string"},
            "metadata": {"type": "object"},
            "spec": structural_schema(kind.spec, kind.spec_description, with_defaults=True),
            "status": structural_schema(kind.status, kind.status_description, with_defaults=False),
        },
    }


def _column(column: Column) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "description": column.description,
    }
    return {**entry, "priority": 1} if column.wide else entry


def render() -> dict[str, str]:
    """File name -> text of every CustomResourceDefinition."""
    return {
        f"{names.GROUP}_{kind.plural}.yaml": HEADER + yaml.safe_dump(crd(kind), sort_keys=False, width=120)
        for kind in API_KINDS
    }


if __name__ == "__main__":
    sys.exit(generated.main(render, "the CustomResourceDefinitions", HEADER, sys.argv[1:]))
