"""The PipelineRuns that a changed spec and triggers start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock_operator.manifests import pods
from penstock_operator.manifests.identity import owner, with_hash
from penstock_spec import names


@dataclass(frozen=True)
class Start:
    """A run to be made."""

    namespace: str
    name: str
    pipeline: str
    pipeline_uid: str
    revision: str
    generation: int
    trigger: str = ""  # empty for a change
    episode: Mapping[str, Any] = field(default_factory=dict)
    triggered_by: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    mode: str = ""  # empty for one that executes
    part_of: str = ""  # the backfill that it belongs to
    reuse: str = ""  # empty: as each step says
    scheduled_time: str = ""  # empty where it is for no certain time


def run(start: Start) -> dict[str, Any]:
    """The manifest. Its name is the lock against a second start; parameters left out take their defaults."""
    return with_hash(
        {
            "apiVersion": names.API_VERSION,
            "kind": names.PIPELINE_RUN,
            "metadata": {
                "name": start.name,
                "namespace": start.namespace,
                "labels": pods.labels(**{names.LABEL_PIPELINE: start.pipeline}),
                "ownerReferences": [
                    owner(names.PIPELINE, names.API_VERSION, start.pipeline, start.pipeline_uid),
                ],
            },
            "spec": _spec(start),
        }
    )


def _spec(start: Start) -> dict[str, Any]:
    spec = {
        "pipeline": start.pipeline,
        "parameters": dict(start.parameters),
        "revision": start.revision,
        "generation": start.generation,
        "trigger": start.trigger,
        "scheduledTime": start.scheduled_time,
        "episode": dict(start.episode),
        "triggeredBy": dict(start.triggered_by),
        "mode": start.mode,
        "partOf": start.part_of,
        "reuse": start.reuse,
    }
    return {name: value for name, value in spec.items() if value not in ("", {})}
