"""The PipelineRun that a step is, where the step is another pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock_operator.manifests import pods
from penstock_operator.manifests.identity import owner, with_hash
from penstock_spec import names


@dataclass(frozen=True)
class ChildStart:
    """A child run to be made."""

    namespace: str
    name: str
    pipeline: str
    parameters: Mapping[str, Any]
    parent: str
    parent_uid: str
    step: str
    scheduled_time: str
    triggered_by: Mapping[str, Any] = field(default_factory=dict)  # empty where no trigger saw anything
    rerun: Mapping[str, Any] = field(default_factory=dict)  # empty where it repeats none
    reuse: str = ""  # empty for each step as it says
    cell: int = 0  # of the step; 0: it has none


def child_run(start: ChildStart) -> dict[str, Any]:
    """The manifest. It belongs to the run whose step it is and goes with it; its name is the lock."""
    labels = {
        names.LABEL_PIPELINE: start.pipeline,
        names.LABEL_RUN: start.parent,
        names.LABEL_STEP: start.step,
        **({names.LABEL_CELL: str(start.cell)} if start.cell else {}),
    }
    return with_hash(
        {
            "apiVersion": names.API_VERSION,
            "kind": names.PIPELINE_RUN,
            "metadata": {
                "name": start.name,
                "namespace": start.namespace,
                "labels": pods.labels(**labels),
                "ownerReferences": [
                    owner(names.PIPELINE_RUN, names.API_VERSION, start.parent, start.parent_uid),
                ],
            },
            "spec": {
                "pipeline": start.pipeline,
                **({"parameters": dict(start.parameters)} if start.parameters else {}),
                # Both are for the same time: a backfill of the parent is one of the child too.
                "scheduledTime": start.scheduled_time,
                **({"triggeredBy": dict(start.triggered_by)} if start.triggered_by else {}),
                "partOf": start.parent,
                "step": start.step,
                **({"cell": start.cell} if start.cell else {}),
                **({"rerun": dict(start.rerun)} if start.rerun else {}),
                **({"reuse": start.reuse} if start.reuse else {}),
            },
        }
    )
