"""The registry's record of a model's bytes. Number and name are given when it is registered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock_operator.manifests import pods
from penstock_spec import names


@dataclass(frozen=True)
class Lineage:
    """Where a model came from. `images` are pairs of step and image as pulled, `datasets` digests by input
    name.
    """

    pipeline: str
    pipeline_uid: str
    run: str
    run_uid: str
    step: str
    revision: str
    step_digest: str
    datasets: Mapping[str, str] = field(default_factory=dict)
    images: Sequence[tuple[str, str]] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    cell: Mapping[str, Any] = field(default_factory=dict)


def version(
    namespace: str, model: str, digest: str, columns: int, metrics: Mapping[str, float], lineage: Lineage
) -> dict[str, Any]:
    """The ModelVersion without metadata.name and spec.number. It outlives run and pipeline."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.MODEL_VERSION,
        "metadata": {
            "namespace": namespace,
            "labels": pods.labels(**{names.LABEL_MODEL: model, names.LABEL_PIPELINE: lineage.pipeline}),
        },
        "spec": {
            "model": model,
            "digest": digest,
            "format": "Onnx",
            "columns": columns,
            "metrics": dict(metrics),
            "lineage": {
                "pipeline": lineage.pipeline,
                "pipelineUid": lineage.pipeline_uid,
                "run": lineage.run,
                "runUid": lineage.run_uid,
                "step": lineage.step,
                "revision": lineage.revision,
                "stepDigest": lineage.step_digest,
                "datasets": dict(lineage.datasets),
                "images": [{"step": step, "image": image} for step, image in lineage.images],
                "parameters": dict(lineage.parameters),
                **({"cell": dict(lineage.cell)} if lineage.cell else {}),
            },
        },
    }
