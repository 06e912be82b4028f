"""The Job that looks for artifacts that nothing refers to. What is referred to it carries itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock_operator.manifests import pods
from penstock_operator.manifests.identity import owner
from penstock_operator.manifests.jobs import ours
from penstock_operator.manifests.settings import PodSettings
from penstock_operator.manifests.small_jobs import SmallJob, carrying
from penstock_spec import contract, names, sweep
from penstock_spec.contract import Task

COMPONENT = "sweep"
_CPU = "250m"
_MEMORY = "1Gi"  # for a list of a million files


@dataclass(frozen=True)
class SweepJob:
    """One sweep of a namespace's artifacts, in the name of its first Pipeline."""

    namespace: str
    pipeline: str
    pipeline_uid: str
    name: str
    mode: str
    keep_seconds: float
    grace_seconds: float
    read_at: str  # when the references were read
    references: int  # how many there are
    texts: Sequence[str]  # sweep.pack of them
    scheduling: Mapping[str, Any] = field(default_factory=dict)


def job(one: SweepJob, settings: PodSettings) -> dict[str, Any]:
    """The Job's manifest, with its hash."""
    labels = pods.labels(**{names.LABEL_COMPONENT: COMPONENT, names.LABEL_PIPELINE: one.pipeline})
    said = {
        "mode": one.mode,
        "keepSeconds": one.keep_seconds,
        "graceSeconds": one.grace_seconds,
        "readAt": one.read_at,
        "references": one.references,
    }
    task = Task(one.namespace, one.pipeline, one.name, COMPONENT, 1, sweep.KIND, arguments=said)
    main = ours(contract.MAIN, "run", task, settings, pods.resources(_CPU, _MEMORY))
    return SmallJob(
        one.namespace,
        one.name,
        labels,
        owner(names.PIPELINE, names.API_VERSION, one.pipeline, one.pipeline_uid),
        pods.pod_spec([carrying(main, one.texts)], grace_seconds=settings.termination_grace_seconds),
        settings.sweep_deadline_seconds,
        one.scheduling,
    ).manifest()
