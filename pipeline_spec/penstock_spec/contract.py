"""What a container of a step is given and gives back: the one place that operator and steps agree on.

    operator ── PENSTOCK_TASK (JSON, a Task) ──────────────► fetch, built-in program, publish
    operator ── PENSTOCK_ARG_<NAME>, your env ─────────────► main (a user's program)
    fetch    ── /penstock/in/<name>, /penstock/arguments.json ─► main
    main     ── /penstock/out/<name>, results.json, metrics.json ─► publish
    publish  ── termination message (JSON, a Result or a Failure) ─► operator

A user's program sees files only. Its own last lines become the step's log; they are text and never parsed.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock_spec.cell_numbers import cells_of, texts_of
from penstock_spec.gathered import Gathered, gathered_variable
from penstock_spec.names import FailureClass

CONTRACT_VERSION = 1
TASK_VARIABLE = "PENSTOCK_TASK"
ARGUMENT_PREFIX = "PENSTOCK_ARG_"
RESERVED_PREFIX = "PENSTOCK_"

# In fetch of a step with `always`: how the run has gone, the text of RUN_FILE.
RUN_VARIABLE = "PENSTOCK_RUN"

# In publish of a worker of a gang: its number, from 0. What worker 0 has written is the step's.
WORKER_VARIABLE = "PENSTOCK_WORKER"

ROOT = "/penstock"
IN = f"{ROOT}/in"
OUT = f"{ROOT}/out"
ARGUMENTS_FILE = f"{ROOT}/arguments.json"
RUN_FILE = f"{ROOT}/run.json"
# The input by which a cell reads the list of its forEach; no input of a user can have this name.
FOR_EACH = "forEach"
# The folder below IN with an input for each output of the iteration before; no input of a repeated step can
# have this name. Of the inputs themselves: previous/<output>.
PREVIOUS = "previous"
ITEM_FILE = f"{ROOT}/item.json"  # of a cell of a step with forEach
INDEX_FILE = "index.json"  # in the folder of an input that is gathered: each cell with values and digest
LIST_FILE = "items.json"  # in the folder of an output of type List: an array
MOST_ITEMS = 1000
RESULTS_FILE = f"{OUT}/results.json"
METRICS_FILE = f"{OUT}/metrics.json"
TERMINATION_FILE = "/dev/termination-log"
TERMINATION_BYTES = 2048

# A table's folder holds one of the data files beside schema.json; a model's holds these three.
TABLE_PARQUET = "data.parquet"
TABLE_CSV = "data.csv"
TABLE_SCHEMA = "schema.json"
TABLE_PROFILE = "profile.json"
MODEL_ONNX = "model.onnx"
MODEL_SIGNATURE = "signature.json"
MODEL_PROFILE = "profile.json"
REPORT_JSON = "report.json"
REPORT_HTML = "report.html"

# Container names inside a step's pod. The built-in kinds have only MAIN, which does all three jobs.
FETCH = "fetch"
MAIN = "main"
PUBLISH = "publish"

# Store: environment of our own containers, from keys of the Secret `penstock-store`. Only `url` must be
# there.
STORE_VARIABLES = {
    "url": "PENSTOCK_STORE_URL",  # s3://bucket/prefix, or file:///folder
    "endpoint": "PENSTOCK_STORE_ENDPOINT",
    "region": "PENSTOCK_STORE_REGION",
    "accessKeyId": "PENSTOCK_STORE_ACCESS_KEY_ID",
    "secretAccessKey": "PENSTOCK_STORE_SECRET_ACCESS_KEY",
    "ca": "PENSTOCK_STORE_CA",  # PEM text of the certificate authority
}
# Connection: from the ConfigMap of that name (`bucket` must be there), and credentials from the Secret of
# that name.
CONNECTION_VARIABLES = {
    "bucket": "PENSTOCK_SOURCE_BUCKET",
    "prefix": "PENSTOCK_SOURCE_PREFIX",
    "endpoint": "PENSTOCK_SOURCE_ENDPOINT",
    "region": "PENSTOCK_SOURCE_REGION",
    "ca": "PENSTOCK_SOURCE_CA",
}
CONNECTION_SECRET_VARIABLES = {
    "accessKeyId": "PENSTOCK_SOURCE_ACCESS_KEY_ID",
    "secretAccessKey": "PENSTOCK_SOURCE_SECRET_ACCESS_KEY",
}
# Of a git repository or an image registry, from keys of the Secret that a trigger names.
PROBE_SECRET_VARIABLES = {
    "username": "PENSTOCK_SOURCE_USERNAME",
    "password": "PENSTOCK_SOURCE_PASSWORD",
    "ca": "PENSTOCK_SOURCE_CA",
}
# A ConfigMap source is mounted here, the chosen key under its own name.
SOURCE_FOLDER = f"{ROOT}/source"


@dataclass(frozen=True)
class Input:
    """An artifact to lay out at /penstock/in/<name>."""

    digest: str
    type: str  # Table, Model, Report, Files, List
    gathered: Gathered | None = None  # of a step with cells: one artifact for each, a list as a whole


@dataclass(frozen=True)
class Known:
    """What an earlier run made of the same arguments: an ingest whose source is unchanged reuses it."""

    run: str
    source_revision: str
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class Task:
    """All that our own containers need to know of the step.

    `arguments` is the kind's body with parameters resolved.
    """

    namespace: str
    pipeline: str
    run: str
    step: str
    attempt: int
    kind: str
    arguments: Mapping[str, Any]
    inputs: Mapping[str, Input] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)  # name -> type
    known: Known | None = None
    cell: int = 0  # number of the cell that this is done for; 0: the step has none

    def to_json(self) -> str:
        """The text of PENSTOCK_TASK."""
        data: dict[str, Any] = {
            "version": CONTRACT_VERSION,
            "namespace": self.namespace,
            "pipeline": self.pipeline,
            "run": self.run,
            "step": self.step,
            "attempt": self.attempt,
            "kind": self.kind,
            "arguments": self.arguments,
            "inputs": {name: _input(one) for name, one in self.inputs.items()},
            "outputs": dict(self.outputs),
        }
        if self.cell:
            data["cell"] = self.cell
        if self.known is not None:
            data["known"] = {
                "run": self.known.run,
                "sourceRevision": self.known.source_revision,
                "outputs": dict(self.known.outputs),
            }
        return json.dumps(data, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, environment: Mapping[str, str] | None = None) -> "Task":
        """The Task that `to_json` wrote. ValueError for another version of the contract.

        What has been gathered stands in variables of its own, in the `environment`.
        """
        data = json.loads(text)
        if data.get("version") != CONTRACT_VERSION:
            raise ValueError(
                f"this image speaks contract version {CONTRACT_VERSION}, the operator version "
                f"{data.get('version')}: "
                "use images and operator of the same release"
            )
        known = data.get("known")
        return cls(
            namespace=data["namespace"],
            pipeline=data["pipeline"],
            run=data["run"],
            step=data["step"],
            attempt=data["attempt"],
            kind=data["kind"],
            arguments=data["arguments"],
            inputs={name: _read_input(name, one, environment or {}) for name, one in data["inputs"].items()},
            outputs=data["outputs"],
            known=None if known is None else Known(known["run"], known["sourceRevision"], known["outputs"]),
            cell=data.get("cell", 0),
        )


def _input(one: Input) -> dict[str, Any]:
    said: dict[str, Any] = {"digest": one.digest, "type": one.type}
    return said if one.gathered is None else {**said, "gathered": True}


def _read_input(name: str, data: Mapping[str, Any], environment: Mapping[str, str]) -> Input:
    text = environment.get(gathered_variable(name), "") if data.get("gathered") else ""
    return Input(data["digest"], data["type"], Gathered.from_json(text) if text else None)


@dataclass(frozen=True)
class Result:
    """What a finished step says in its termination message."""

    outputs: Mapping[str, str] = field(default_factory=dict)  # name -> sha256:...
    metrics: Mapping[str, float] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)  # small values of the user's program
    verdict: str = ""
    reason: str = ""  # of a verdict that is not Pass: ThresholdNotMet, Inconclusive
    message: str = ""
    source_revision: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)  # of outputs of type List: how many items
    unchanged: bool = False  # the outputs are `known.outputs`: the source has not changed
    columns: int = 0  # of a model: how many columns it takes; of a window: how many were compared


@dataclass(frozen=True)
class Failure:
    """What a failed container of ours says: who is to blame, and words for the status."""

    failure_class: FailureClass
    message: str
    inputs: tuple[str, ...] = ()  # of InputMissing: those that are gone
    # Of those that are gathered: the cells whose artifacts are gone. One that is not named may lack all.
    cells: Mapping[str, Collection[int]] = field(default_factory=dict)


def encode(outcome: Result | Failure) -> str:
    """The termination message. Raises ValueError when it exceeds 2,048 bytes, naming what is too large.

    A Failure is shortened to fit, never refused.
    """
    if isinstance(outcome, Failure):
        return _encoded_failure(outcome)
    data = {
        "version": CONTRACT_VERSION,
        "outputs": dict(outcome.outputs),
        "metrics": dict(outcome.metrics),
        "results": dict(outcome.results),
        "counts": dict(outcome.counts),
        "verdict": outcome.verdict,
        "reason": outcome.reason,
        "message": outcome.message,
        "sourceRevision": outcome.source_revision,
        "unchanged": outcome.unchanged,
        "columns": outcome.columns,
    }
    kept = {key: value for key, value in data.items() if value not in ({}, "", False, 0)}
    text = json.dumps(kept, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    size = len(text.encode())
    if size > TERMINATION_BYTES:
        sizes = {key: len(json.dumps(value, ensure_ascii=False).encode()) for key, value in kept.items()}
        largest = max(sizes, key=lambda key: sizes[key])
        raise ValueError(
            f"the step's small results take {size} bytes, more than {TERMINATION_BYTES} "
            f"(the largest part is {largest} with {sizes[largest]}): write large values to an output folder "
            f"instead"
        )
    return text


def _encoded_failure(failure: Failure) -> str:
    said: dict[str, Any] = {"version": CONTRACT_VERSION, "class": failure.failure_class}
    said |= {"inputs": list(failure.inputs)} if failure.inputs else {}
    told = texts_of({name: failure.cells[name] for name in failure.inputs if name in failure.cells})
    while told and len(json.dumps({**said, "cells": told}).encode()) > TERMINATION_BYTES // 2:
        del told[max(told, key=lambda name: len(told[name]))]  # half is for the words
    said |= {"cells": told} if told else {}
    message = failure.message
    while True:
        text = json.dumps({**said, "message": message})
        if len(text.encode()) <= TERMINATION_BYTES:
            return text
        message = message[: int(len(message) * 0.9) - 1].rstrip() + "…"


def decode(text: str) -> Result | Failure:
    """What `encode` wrote. ValueError in words when the text is not that."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ValueError("the step's termination message is not JSON") from error
    if not isinstance(data, dict) or data.get("version") != CONTRACT_VERSION:
        raise ValueError(f"the step's termination message is not of contract version {CONTRACT_VERSION}")
    if "class" in data:
        inputs = data.get("inputs", [])
        known = tuple(str(one) for one in inputs) if isinstance(inputs, list) else ()
        message = str(data.get("message", ""))
        return Failure(FailureClass(data["class"]), message, known, cells_of(data.get("cells")))
    return Result(
        outputs=dict(data.get("outputs", {})),
        metrics=dict(data.get("metrics", {})),
        results=dict(data.get("results", {})),
        counts=dict(data.get("counts", {})),
        verdict=str(data.get("verdict", "")),
        reason=str(data.get("reason", "")),
        message=str(data.get("message", "")),
        source_revision=str(data.get("sourceRevision", "")),
        unchanged=bool(data.get("unchanged", False)),
        columns=int(data.get("columns", 0)),
    )
