"""Pipelines for tests: the usual shape of one, and random graphs of programs."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

TUMOUR: Any = yaml.safe_load("""
parameters:
- {name: trees, type: Integer, default: 200}
steps:
- name: data
  ingest:
    source: {configMap: {name: tumour, key: tumour.csv}}
    schema: {columns: [{name: malignant, type: Boolean, role: Target}]}
- name: split
  split: {table: data.table, fractions: {train: 0.6, validation: 0.2, test: 0.2}, stratifyBy: malignant}
- name: fit
  train:
    model: tumour
    train: split.train
    estimator:
      class: sklearn.ensemble.RandomForestClassifier
      parametersFrom: {n_estimators: {parameter: trees}}
- name: gate
  validate: {model: fit.model, test: split.test, thresholds: [{metric: roc_auc, minimum: 0.95}]}
- name: serve
  deploy: {model: fit.model, endpoint: tumour}
""")
TUMOUR_NEEDS = {"split": ["data"], "fit": ["split"], "gate": ["fit", "split"], "serve": ["fit", "gate"]}


def tumour(**changes: Any) -> Any:
    """The tumour pipeline, with other values for top-level fields."""
    return {**copy.deepcopy(TUMOUR), **changes}


def programs(
    needs: Mapping[str, Sequence[str]],
    after: Mapping[str, Iterable[str]] | None = None,
    more: Mapping[str, Mapping[str, Any]] | None = None,
    **fields: Any,
) -> Any:
    """A pipeline of user's programs: each reads the files of the steps that it needs.

    `after` says what a step comes after without reading it, `more` what else stands in a step.
    """
    steps = [
        {
            "name": name,
            "run": {
                "image": "ghcr.io/acme/step:1",
                "command": ["run"],
                "inputs": {f"from_{one.replace('-', '_')}": f"{one}.files" for one in before},
                "outputs": [{"name": "files"}],
                "arguments": {"step": name},
            },
            **({"dependsOn": sorted(after[name])} if after and after.get(name) else {}),
            **(more or {}).get(name, {}),
        }
        for name, before in needs.items()
    ]
    return {"steps": steps, **fields}
