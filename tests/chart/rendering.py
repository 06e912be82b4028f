"""What the chart's tests share: rendering, and walking through what was rendered."""

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from tests.support import ROOT

CHART = ROOT / "charts/penstock"
NAMESPACE = "penstock-system"
CLUSTER_SCOPED = {"Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
NO_CLUSTER_RIGHTS = {"crds": {"install": False}, "rbac": {"userRoles": {"create": False}}}
KEYS = {"accessKeyId": "AKEXAMPLE", "secretAccessKey": "not-a-secret"}

Object = dict[str, Any]


def template(values: Mapping[str, Any] | None = None, *words: str) -> subprocess.CompletedProcess[str]:
    """What `helm template` says of the chart with these values; no cluster is asked."""
    program = os.environ.get("PENSTOCK_HELM")
    assert program, "PENSTOCK_HELM is not set: these tests are started by `make e2e`"
    command = [program, "template", "penstock", str(CHART), "--namespace", NAMESPACE, "--values", "-", *words]
    text = json.dumps(values or {})
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)


def render(values: Mapping[str, Any] | None = None, *words: str) -> list[Object]:
    """All objects of the chart with these values."""
    done = template(values, *words)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def refusal(values: Mapping[str, Any]) -> str:
    """The words with which helm refuses these values."""
    done = template(values)
    assert done.returncode != 0, f"accepted: {values}"
    return done.stderr


def merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Several values in one, the later over the earlier."""
    whole: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            old = whole.get(key)
            both = isinstance(value, Mapping) and isinstance(old, Mapping)
            whole[key] = merged(old, value) if both and old is not None else value
    return whole


def of_kind(objects: Iterable[Object], kind: str) -> list[Object]:
    """The objects of this kind."""
    return [one for one in objects if one["kind"] == kind]


def named(objects: Iterable[Object], kind: str, name: str) -> Object:
    """The only object of this kind and name."""
    (found,) = [one for one in of_kind(objects, kind) if one["metadata"]["name"] == name]
    return found


def pods(objects: Iterable[Object]) -> Iterator[tuple[str, Object]]:
    """Metadata and spec of each pod that the objects describe, with a name for messages."""
    for one in objects:
        if one["kind"] == "Pod":
            yield f"Pod {one['metadata']['name']}", one
        elif "template" in one.get("spec", {}):
            yield f"{one['kind']} {one['metadata']['name']}", one["spec"]["template"]
