"""Specs and statuses at the largest sizes that the schema allows."""

from typing import Any

from penstock_spec.kinds.estimator_parameters import PARAMETERS
from penstock_spec.plain import MAX_BYTES, canonical

DIGEST = "sha256:" + "a" * 64
MANY = "sklearn.neural_network.MLPClassifier"  # the class with the most arguments


def many_steps() -> dict[str, Any]:
    """256 steps in a chain, with every list of the pipeline itself full."""
    names = [f"step-{index}-".ljust(40, "x")[:39] + "z" for index in range(256)]
    steps: list[dict[str, Any]] = [{"name": names[0], "run": {"image": "a:1", "outputs": [{"name": "rows"}]}}]
    for index in range(1, 256):
        body = {
            "image": "a:1",
            "inputs": {"rows": f"{names[index - 1]}.rows"},
            "outputs": [{"name": "rows"}],
            "env": [{"name": "TOKEN", "secret": {"name": f"secret-{index % 16}", "key": "k"}}],
            "argumentsFrom": {"value": {"parameter": f"p{index % 64}"}},
        }
        steps.append({"name": names[index], "run": body})
    return {
        "parameters": [
            {"name": f"p{index}", "type": "Integer", "default": index, "minimum": 0, "maximum": 100}
            for index in range(64)
        ],
        "secrets": [{"name": f"secret-{index}", "secret": f"s-{index}"} for index in range(16)],
        "steps": steps,
    }


def many_columns() -> dict[str, Any]:
    """A table of 1,000 columns, and operations on all of them, as many as fit."""
    names = [f"column {index}" for index in range(1000)]
    columns = [{"name": name, "type": "Number"} for name in names[:-1]]
    columns.append({"name": names[-1], "type": "Boolean", "role": "Target"})
    source = {"configMap": {"name": "table", "key": "t.csv"}}
    fit = {
        "model": "wide",
        "train": "cut.a",
        "preprocess": [{"scale": {"columns": names[:999]}}] * 2,
        "estimator": {
            "class": MANY,
            "parameters": dict.fromkeys(sorted(PARAMETERS[MANY])[::2], "x" * 800),
            "parametersFrom": {name: {"parameter": "p"} for name in sorted(PARAMETERS[MANY])[1::2]},
        },
    }
    parts = {**{f"{letter}": 0.125 for letter in "abcdefgh"}}
    gate = {
        "model": "fit.model",
        "test": "cut.b",
        "thresholds": [{"metric": "accuracy", "minimum": 0.5}] * 32,
    }
    return {
        "parameters": [{"name": "p", "default": "x"}],
        "steps": [
            {"name": "in", "ingest": {"source": source, "schema": {"columns": columns}}},
            {"name": "cut", "split": {"table": "in.table", "fractions": parts}},
            {"name": "fit", "train": fit},
            {"name": "gate", "validate": gate},
        ],
    }


def large_arguments() -> dict[str, Any]:
    """One step that takes nearly as much as one may, in a spec of nearly the largest size."""
    half = {f"a{index}": "é" * 700 for index in range(60)}
    full = [{"name": f"v{index}", "value": "x" * 350} for index in range(64)]
    spec = {
        "steps": [
            {"name": "one", "run": {"image": "a:1", "arguments": half}},
            {"name": "two", "run": {"image": "a:1", "env": full, "args": ["x" * 250] * 64}},
        ]
    }
    assert 120_000 < len(canonical(spec).encode()) < MAX_BYTES
    return spec


LARGEST = {"steps": many_steps, "columns": many_columns, "arguments": large_arguments}


def run_status() -> dict[str, Any]:
    """The status of a run of 256 steps, with ten logs and entries of nearly 600 bytes."""
    steps = []
    for index in range(256):
        step: dict[str, Any] = {
            "name": f"step-{index}",
            "kind": "run",
            "state": "Failed" if index < 10 else "Succeeded",
            "reason": "UserError" if index < 10 else "Completed",
            "message": "m" * 150,
            "attempt": 1,
            "job": "j" * 51,
            "digest": DIGEST,
            "outputs": {"rows": DIGEST},
            "startedAt": "2026-11-21T10:00:00Z",
            "finishedAt": "2026-11-21T10:00:10Z",
        }
        if index < 10:
            step["log"] = "l" * 2048
        steps.append(step)
    snapshot = {"revision": "r-0123456789", "digest": DIGEST, "pipelineUid": "u" * 36}
    pinned = [
        {"reference": f"{'m' * 40}-{index}", "version": f"{'m' * 40}-{index}", "digest": DIGEST}
        for index in range(32)
    ]
    return {
        "status": "Failed",
        "progress": "246/256",
        "pinned": pinned,
        "snapshot": snapshot,
        "steps": steps,
    }
