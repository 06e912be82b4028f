"""The pipeline that the operator's own tests run, and its end state without what is accidental."""

import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from penstock_spec import names
from tests.support import Kubectl, condition, pipeline

KINDS = (
    "pipelines,pipelineruns,modelversions,modelendpoints,jobs,deployments,services,"
    "poddisruptionbudgets,controllerrevisions,configmaps/penstock-model-numbers"
)
# Of no meaning for the end state: identities, versions, times, and what kubelet and controllers add.
_ACCIDENTAL = {
    names.ANNOTATION_RESTS_ON,  # which ends were not yet written
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "lastTransitionTime",
    "lastUpdateTime",
    "duration",
    "pipelineUid",
    "runUid",
    "time",
    "from",  # and until: times in an endpoint's history
    "until",
    "starts",  # and decidedUntil: times in a trigger's memory
    "decidedUntil",
    "clusterIP",
    "clusterIPs",
    "penstock.dev/spec-hash",
    "generation",
    "observedGeneration",
}
_TIMES = re.compile(r"(At|Time)$")
_HASH = re.compile(r"-[0-9a-f]{10}\b")


def tumour(namespace: str) -> dict[str, Any]:
    """Ingest, split, train, validate, deploy: every kind of object is made once."""
    columns = [
        {"name": "radius", "type": "Number"},
        {"name": "malignant", "type": "Boolean", "role": "Target"},
    ]
    source = {"configMap": {"name": "numbers", "key": "t.csv"}}
    steps = [
        {"name": "data", "ingest": {"source": source, "format": "Csv", "schema": {"columns": columns}}},
        {"name": "split", "split": {"table": "data.table", "fractions": {"train": 0.8, "test": 0.2}}},
        {
            "name": "fit",
            "train": {
                "model": "tumour",
                "train": "split.train",
                "estimator": {"class": "sklearn.linear_model.LogisticRegression"},
            },
        },
        {
            "name": "gate",
            "validate": {
                "model": "fit.model",
                "test": "split.test",
                "thresholds": [{"metric": "roc_auc", "minimum": 0.9}],
            },
        },
        {"name": "serve", "deploy": {"model": "fit.model", "endpoint": "tumour"}},
    ]
    small = {"resources": {"cpu": "50m", "memory": "64Mi"}}
    return pipeline(
        "tumour", namespace, {"steps": [one if "deploy" in one else {**one, **small} for one in steps]}
    )


@contextmanager
def new_namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace under restricted Pod Security with a store's Secret and a source, removed afterwards."""
    name = f"shell-{os.getpid()}-{time.monotonic_ns() % 10**9}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "penstock.dev/test": "true"}
    about = {"namespace": name}
    secret = {"metadata": {"name": "penstock-store", **about}, "stringData": {"url": "s3://nowhere"}}
    data = {"t.csv": "radius,malignant\n1,true\n"}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    try:
        kubectl.apply(
            {"apiVersion": "v1", "kind": "Secret", **secret},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "numbers", **about}, "data": data},
        )
        yield name
    finally:
        kubectl.run("delete", "namespace", name, "--wait=false", "--ignore-not-found", check=False)


def at_rest(kubectl: Kubectl, namespace: str) -> bool:
    """Whether the run has ended and Pipeline, endpoint and registry tell of it."""
    runs = kubectl.list("pipelineruns", namespace)
    if not runs or any(condition(one, "Finished").get("status") != "True" for one in runs):
        return False
    pipelines = kubectl.list("pipelines", namespace)
    endpoints = kubectl.list("modelendpoints", namespace)
    versions = kubectl.list("modelversions", namespace)
    return (
        all(one.get("status", {}).get("status") in {"Succeeded", "Failed"} for one in pipelines)
        and all(condition(one, "Ready").get("status") == "True" for one in endpoints)
        and all(one.get("status", {}).get("lifecycle") == "Production" for one in versions)
        and all(_complete(one) for one in kubectl.list("jobs", namespace))
    )


def _complete(job: dict[str, Any]) -> bool:
    return condition(job, "Complete").get("status") == "True"


def end_state(kubectl: Kubectl, namespace: str) -> dict[str, list[Any]]:
    """Everything that the operator has made or written, by kind and name, without what is accidental.

    What differs only in the accidental part of its name (revisions of one Pipeline, attempts of one step)
    stands in one list, in an order of its own.
    """
    found: dict[str, list[Any]] = {}
    for kind in KINDS.split(","):
        plural, _, name = kind.partition("/")
        items = kubectl.list(plural, namespace, fields=f"metadata.name={name}" if name else "")
        for one in items:
            kept: dict[str, Any] = {key: one[key] for key in ("metadata", "spec", "data") if key in one}
            if one["apiVersion"].startswith("penstock.dev/"):
                kept["status"] = one.get("status")
            key = f"{one['kind']}/{plain(one['metadata']['name'])}"
            found.setdefault(key, []).append(_essence(kept, namespace))
    return {key: sorted(ones, key=lambda one: json.dumps(one, sort_keys=True)) for key, ones in found.items()}


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two such states differ, and how; empty where they are the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted({*one, *other})
        pairs = [(f"{path}/{key}", one.get(key), other.get(key)) for key in keys]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(f"{path}/{place}", *pair) for place, pair in enumerate(zip(one, other, strict=True))]
    else:
        return [] if one == other else [f"{path}: {one!r} and {other!r}"]
    return [found for where, left, right in pairs for found in differences(left, right, where)]


def plain(name: str) -> str:
    """A name without the part that is a hash over uids."""
    return _HASH.sub("-#", name)


def counted(created: Iterable[str]) -> dict[str, int]:
    """How often each object was made; Events tell of transitions and are not part of the promise."""
    return dict(Counter(plain(one) for one in created if not one.startswith("events/")))


def _essence(value: Any, namespace: str) -> Any:
    if isinstance(value, dict):
        return {
            key: _essence(one, namespace)
            for key, one in value.items()
            if key not in _ACCIDENTAL and not _TIMES.search(key) and "uid" not in key.lower()
        }
    if isinstance(value, list):
        return [_essence(one, namespace) for one in value]
    if not isinstance(value, str):
        return value
    if value.startswith("{"):  # the Task of a Job
        value = json.dumps(_essence(json.loads(value), namespace), sort_keys=True)
    return plain(value.replace(namespace, "NAMESPACE"))
