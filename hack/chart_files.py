"""Files of the chart that follow from others: `python -m hack.chart_files [--check]`.

files/crds/           copies of crds/, because a chart can only read files of its own
files/*.yaml          the store's variables and the operator's rights, as the code has them
values.schema.json    types and words of values.yaml; whatever is not there is refused
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from penstock_operator.permissions import NEEDED, WEBHOOK_NEEDED, Right
from penstock_spec.contract import STORE_VARIABLES

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts/penstock"
MADE = "# Written by `make generate`."

STRING_MAP: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
QUANTITIES: dict[str, Any] = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
OBJECTS: dict[str, Any] = {"type": "array", "items": {"type": "object"}}
WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0}
NAMESPACE = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
NAMESPACES: dict[str, Any] = {"type": "array", "items": {"type": "string", "pattern": NAMESPACE}}
DURATION: dict[str, Any] = {"type": "string", "pattern": "^[1-9][0-9]*(ms|s|m|h)$"}
BUDGET = {key: {"type": "number", "minimum": 0} for key in ("first", "factor", "maximum")}

# What a value's default does not tell, by its path or by its own name.
HINTS: Mapping[str, dict[str, Any]] = {
    "commonLabels": STRING_MAP,
    "podLabels": STRING_MAP,
    "nodeSelector": STRING_MAP,
    "annotations": STRING_MAP,
    "labels": STRING_MAP,
    "alertLabels": STRING_MAP,
    "podAnnotations": STRING_MAP,
    "requests": QUANTITIES,
    "limits": QUANTITIES,
    "tolerations": OBJECTS,
    "env": OBJECTS,
    "affinity": {"type": "object"},
    "imagePullSecrets": {"type": "array", "items": {"type": "string", "minLength": 1}},
    "namespaces": NAMESPACES,
    "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "renderMode": {"enum": ["skipIfMissing", "failIfMissing", "alwaysRender", "never"]},
    "interval": DURATION,
    "scrapeTimeout": DURATION,
    "disabled": {"type": "array", "items": {"type": "string", "pattern": "^Penstock[A-Za-z]+$"}},
    "runbookUrl": {"type": "string", "minLength": 1},
    "webhook.perMinute": {"type": "number", "minimum": 1},
    "webhook.burst": {"type": "number", "minimum": 1},
    "webhook.secretName": {"type": "string", "pattern": "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"},
    "gangs": {"enum": ["Auto", "IndexedJob"]},
    "logLevel": {"enum": ["debug", "info", "warning", "error"]},
    "repository": {"type": "string", "minLength": 1},
    "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "store.mode": {"enum": ["Bundled", "External", "Existing"]},
    "size": {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$"},
    "store.external.url": {"type": "string", "pattern": "^(s3://[a-z0-9][-.a-z0-9]+(/.*)?)?$"},
    "store.external.endpoint": {"type": "string", "pattern": "^(https?://.+)?$"},
    **dict.fromkeys(("logTails", "logBytes", "maxParallel"), WHOLE),
    "terminationGraceSeconds": WHOLE,
    "resync": {"type": "number", "minimum": 1, "maximum": 120},
    "memoryFactor": {"type": "number", "minimum": 1},
    "budgets": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": {"retries": {"type": "integer", "minimum": 0}, **BUDGET},
            "additionalProperties": False,
        },
    },
}


def main() -> int:
    """Write the files, or with --check name those that are out of date and return 1."""
    parser = argparse.ArgumentParser(prog="python -m hack.chart_files", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 when a file is out of date"
    )
    check = parser.parse_args().check
    wanted = dict(files())
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    extra = sorted(set((CHART / "files/crds").glob("*.yaml")) - set(wanted))
    for path in [*stale, *extra]:
        print(f"{path.relative_to(ROOT)} {'is out of date' if check else 'brought up to date'}")
    if not check:
        for path in stale:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path])
        for path in extra:
            path.unlink()
    return 1 if check and (stale or extra) else 0


def files() -> Iterator[tuple[Path, str]]:
    """Each file's path and text."""
    for crd in sorted((ROOT / "crds").glob("*.yaml")):
        yield CHART / "files/crds" / crd.name, crd.read_text()
    yield (
        CHART / "files/store-variables.yaml",
        f"{MADE} Key of the Secret penstock-store -> variable of our own containers.\n"
        + yaml.safe_dump(dict(STORE_VARIABLES), sort_keys=False),
    )
    yield (
        CHART / "files/operator-rules.yaml",
        f"{MADE} The operator's rights, the same in every scope.\n"
        + yaml.safe_dump(operator_rules(), sort_keys=False, default_flow_style=None),
    )
    yield (
        CHART / "files/webhook-rules.yaml",
        f"{MADE} The webhook's rights, the same in every scope.\n"
        + yaml.safe_dump(rules_of(WEBHOOK_NEEDED), sort_keys=False, default_flow_style=None),
    )
    yield CHART / "values.schema.json", json.dumps(values_schema(), indent=2) + "\n"


def operator_rules() -> list[dict[str, list[str]]]:
    """The rights that the operator says it needs, as RBAC rules."""
    return rules_of(NEEDED)


def rules_of(rights: Sequence[Right]) -> list[dict[str, list[str]]]:
    """These rights as RBAC rules."""
    return [
        {
            "apiGroups": [right.group],
            "resources": [right.resource],
            **({"resourceNames": [right.name]} if right.name else {}),
            "verbs": list(right.verbs),
        }
        for right in rights
    ]


def values_schema(text: str | None = None) -> dict[str, Any]:
    """The JSON schema of values.yaml, or of `text`. ValueError names a value without comment or type."""
    text = (CHART / "values.yaml").read_text() if text is None else text
    schema = _object(yaml.compose(text), text.splitlines(), ())
    # Helm gives every chart this one when it is part of another.
    schema["properties"]["global"] = {"type": "object"}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the Penstock chart",
        **schema,
    }


def _object(node: yaml.Node | None, lines: list[str], path: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(node, yaml.MappingNode):
        raise TypeError("values.yaml must hold a mapping")
    properties = {}
    for key, value in node.value:
        here = (*path, key.value)
        properties[key.value] = {"description": _comment(key, lines, here), **_value(value, lines, here)}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _value(node: yaml.Node, lines: list[str], path: tuple[str, ...]) -> dict[str, Any]:
    if (hint := HINTS.get(".".join(path), HINTS.get(path[-1]))) is not None:
        return hint
    if isinstance(node, yaml.MappingNode):
        if not node.value:
            raise ValueError(f"values.yaml: {'.'.join(path)}: say in HINTS what this map holds")
        return _object(node, lines, path)
    kinds = {"str": "string", "bool": "boolean", "int": "number", "float": "number"}
    kind = kinds.get(node.tag.rpartition(":")[2])
    if kind is None:
        raise ValueError(f"values.yaml: {'.'.join(path)}: say in HINTS what this holds")
    return {"type": kind, "minimum": 0} if kind == "number" else {"type": kind}


def _comment(key: yaml.Node, lines: list[str], path: tuple[str, ...]) -> str:
    """The comment above a key, as one line. ValueError where there is none."""
    found: list[str] = []
    number = key.start_mark.line - 1
    indent = " " * key.start_mark.column
    while number >= 0 and lines[number].startswith(f"{indent}# "):
        found.insert(0, lines[number].strip()[2:])
        number -= 1
    if not found:
        raise ValueError(f"values.yaml: {'.'.join(path)}: a comment above the key must say what it does")
    return " ".join(found)


if __name__ == "__main__":
    sys.exit(main())
