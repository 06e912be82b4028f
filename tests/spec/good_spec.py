"""One correct pipeline that uses every kind and nearly every field, and ways to spoil it."""

from collections.abc import Callable, Mapping
from typing import Any

import yaml

GOOD_YAML = """
description: Is a tumour malignant?
owner: oncology-ml
parameters:
- {name: trees, type: Integer, default: 200, minimum: 10, maximum: 2000, description: Number of trees.}
- {name: bar, type: Number, default: 0.95, minimum: 0, maximum: 1}
- {name: region, type: String, default: eu, allowed: [eu, us]}
- {name: image, type: String, default: "ghcr.io/acme/report:1.4"}
- {name: seed, type: Integer, default: 7}
secrets:
- {name: token, secret: report-token}
triggers:
- {name: nightly, schedule: {cron: "0 2 * * *", timeZone: Europe/Paris, missed: RunAll, maxMissed: 3}}
- name: drift
  endpointCondition: {endpoint: tumour, type: Drifted}
  cooldown: 12h
  maxPerWeek: 2
  giveUpAfter: 4
  suggest: true
- {name: sales, newData: {source: {object: {connection: lake, prefix: sales/}}, every: 1h}, cooldown: 2h}
- {name: rows, newData: {source: {configMap: {name: rows, key: rows.csv}}}}
- {name: code, git: {url: "https://git.example.com/ml/a.git", branch: rel/2, every: 5m, secret: robot}}
- {name: base, image: {image: "registry.ml:5000/base:stable", plainHttp: true}, maxPerWeek: 2}
- {name: hook, webhook: {}}
- {name: promoted, registry: {model: tumour, lifecycle: Production}, cooldown: 10m, maxPerWeek: 5}
policy:
  keepRuns: 20
  keepPods: {succeeded: 0s, failed: 7d}
  onFailure: Stop
  deadline: 2h
  queue: {localQueue: small, priorityClass: low}
steps:
- name: data
  ingest:
    source: {object: {connection: lake, key: tumour.csv}}
    csv: {delimiter: ";"}
    schema:
      otherColumns: Drop
      columns:
      - {name: mean_radius, type: Number, minimum: 0, maximum: 100}
      - {name: stage, type: String, values: [early, late], nulls: Refuse}
      - {name: patient, type: Integer, role: Identifier, unique: true}
      - {name: malignant, type: Boolean, role: Target}
    checks: [{rows: {minimum: 300}}, {nulls: {maximumRatio: 0.02}}, {duplicates: {maximumRatio: 0.01}}]
- name: split
  split:
    table: data.table
    fractions: {train: 0.6, validation: 0.2, test: 0.2}
    stratifyBy: malignant
    entity: patient
    saltFrom: {parameter: region}
- name: fit
  deadline: 1h
  startDeadline: 5m
  queue: {localQueue: large}
  resources: {cpu: "1", memory: 2Gi}
  retry:
    outOfMemory: {limit: 3, factor: 1.5, maximum: 8Gi}
    userError: {limit: 2, backoff: {first: 10s, factor: 3, maximum: 5m}}
    disruption: {limit: 20}
  train:
    model: tumour
    train: split.train
    validation: split.validation
    preprocess:
    - {fillNulls: {strategy: Median, columns: [mean_radius]}}
    - {scale: {}}
    - {encode: {columns: [stage]}}
    estimator:
      class: sklearn.ensemble.RandomForestClassifier
      parameters: {class_weight: balanced}
      parametersFrom: {n_estimators: {parameter: trees}}
    seedFrom: {parameter: seed}
- name: gate
  validate:
    model: fit.model
    test: split.test
    thresholds: [{metric: roc_auc, minimumFrom: {parameter: bar}}, {metric: log_loss, maximum: 0.5}]
    positive: "true"
- name: serve
  deploy: {model: fit.model, endpoint: tumour, scale: {replicas: 2}}
- name: report
  gang: {workers: 2, processesPerWorker: 4}
  reuse: {policy: Always, maxAge: 7d}
  resources: {scratch: 4Gi}
  retry: {outOfDisk: {limit: 1, factor: 4}}
  dependsOn: [serve]
  when:
    all: [{parameter: trees, atMost: 2000}, {parameter: seed, notEquals: "3"}]
    any: [{parameter: region, in: [eu, us]}, {step: fit, states: [Succeeded]}]
    none: [{trigger: {in: [manual]}}]
  run:
    imageFrom: {parameter: image}
    command: [/bin/report]
    args: [--verbose]
    env:
    - {name: MODE, value: full}
    - {name: REGION, valueFrom: {parameter: region}}
    - {name: TOKEN, secret: {name: token, key: token}}
    inputs: {gate: gate.report, rows: split.test}
    inputsFrom: {champion: {registered: {model: tumour, lifecycle: Production}, optional: true}}
    arguments: {depth: 3, colours: [red, green]}
    argumentsFrom: {trees: {parameter: trees}}
    tables: Csv
    outputs: [{name: page}, {name: scores, type: Table}]
    results: [{name: pages, type: Integer}, {name: verdict}]
- name: watch
  monitor:
    endpoint: tumour
    every: 1h
    predictionLog: {sampleRatio: 0.1, redact: [stage], retention: 30d}
    drift: [{method: Psi, maximum: 0.25}, {method: KolmogorovSmirnov, maximum: 0.2}]
    significance: 0.05
    windows: {drifted: 3, of: 4}
    dataQuality: {nulls: {maximumIncrease: 0.1}}
"""


CELLED_YAML = """
parameters:
- {name: image, default: "a:1"}
policy: {maxParallel: 4}
steps:
- name: find
  run:
    image: a:1
    outputs: [{name: found, type: List}, {name: rows}]
    results: [{name: depth, type: Integer}, {name: memory}, {name: ratio, type: Number}]
- name: each
  forEach: {list: find.found}
  maxParallel: 8
  run:
    image: a:1
    argumentsFrom: {number: {cell: number}, depth: {result: find.depth}}
    outputs: [{name: files}]
- name: grid
  matrix:
    axes: {month: [1, 2, 3], size: [1Gi, 2Gi], tag: ["a:1", "b:2"]}
    exclude: [{month: 1, size: 2Gi}, {tag: "b:2", month: 3}]
    include: [{month: 4, size: 4Gi, tag: "c:3"}]
  resources: {memoryFrom: {cell: size}, cpu: "1"}
  run:
    imageFrom: {cell: tag}
    env: [{name: MONTH, valueFrom: {cell: month}}]
    outputs: [{name: files}]
    results: [{name: score, type: Number}]
- name: gather
  resources: {memoryFrom: {result: find.memory}}
  run:
    imageFrom: {parameter: image}
    inputs: {grid: grid.files, each: each.files, rows: find.rows}
    argumentsFrom: {depth: {result: find.depth}}
"""


def celled() -> dict[str, Any]:
    """A fresh copy of a correct spec in which steps have cells, and fields take results."""
    spec: dict[str, Any] = yaml.safe_load(CELLED_YAML)
    return spec


def loop(**step: Any) -> dict[str, Any]:
    """A step that is repeated until its loss is small; correct as it stands."""
    run = {
        "image": "a:1",
        "argumentsFrom": {"epoch": {"cell": "iteration"}},
        "inputs": {"rows": "find.rows"},
        "outputs": [{"name": "model"}],
        "results": [{"name": "loss", "type": "Number"}, {"name": "done", "type": "Boolean"}],
    }
    until = {
        "all": [{"result": "loop.loss", "lessThan": 0.1}],
        "none": [{"result": "loop.done", "in": ["false"]}],
    }
    return {"name": "loop", "repeat": {"until": until, "limit": 10}, "run": run, **step}


def looped() -> dict[str, Any]:
    """The same with a step that is repeated."""
    spec = celled()
    return {**spec, "steps": [*spec["steps"], loop()]}


def same(of: str = "grid", **step: Any) -> dict[str, Any]:
    """A step that is done for the cells of another; correct as it stands."""
    run = {
        "image": "a:1",
        "inputs": {"files": f"{of}.files"},
        "argumentsFrom": {"month": {"cell": "month"}, "score": {"result": "grid.score"}},
        "outputs": [{"name": "files"}],
    }
    return {"name": "check", "matrix": {"sameAs": of}, "maxParallel": 3, "run": run, **step}


def paired() -> dict[str, Any]:
    """The same with a step that is done for the cells of another."""
    spec = looped()
    return {**spec, "steps": [*spec["steps"], same()]}


def good() -> dict[str, Any]:
    """A fresh copy of the correct spec."""
    spec: dict[str, Any] = yaml.safe_load(GOOD_YAML)
    return spec


def spoiled(*edits: tuple[str, Any], of: Callable[[], dict[str, Any]] | None = None) -> dict[str, Any]:
    """The correct spec after edits `(path, value)`: `steps.fit.train.seed`; the value REMOVE removes."""
    spec = (of or good)()
    for path, value in edits:
        edit(spec, path, value)
    return spec


REMOVE = object()


def edit(data: Any, path: str, value: Any) -> None:
    """Set or remove one value in place. Items are found by position or by their `name`; `+` appends."""
    *parents, last = path.split(".")
    for part in parents:
        data = _inside(data, part)
    if isinstance(data, list) and last == "+":
        data.append(value)
    elif value is REMOVE:
        del data[_position(data, last)]
    else:
        data[_position(data, last)] = value


def _inside(data: Any, part: str) -> Any:
    return data[_position(data, part)]


def _position(data: Any, part: str) -> Any:
    if isinstance(data, Mapping):
        return part
    if part.isdecimal():
        return int(part)
    return next(index for index, one in enumerate(data) if one.get("name") == part)
