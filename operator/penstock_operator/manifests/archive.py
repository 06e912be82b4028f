"""The Job that writes the records of finished runs to the store. It carries them itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock_operator.manifests import pods
from penstock_operator.manifests.identity import owner
from penstock_operator.manifests.jobs import ours
from penstock_operator.manifests.settings import PodSettings
from penstock_operator.manifests.small_jobs import SmallJob, carrying
from penstock_spec import archive, contract, names
from penstock_spec.contract import Task

COMPONENT = "archive"
RECORDS = "records"  # argument of the task: uid of the run -> digest of its record
_CPU = "100m"


@dataclass(frozen=True)
class ArchiveJob:
    """One attempt to write these records."""

    namespace: str
    pipeline: str
    pipeline_uid: str
    name: str
    runs: Mapping[str, str]  # uid -> digest of the record
    texts: Sequence[str]  # batch.pack of their records
    number: int
    scheduling: Mapping[str, Any] = field(default_factory=dict)


def job(one: ArchiveJob, settings: PodSettings) -> dict[str, Any]:
    """The Job's manifest, with its hash."""
    labels = pods.labels(
        **{
            names.LABEL_COMPONENT: COMPONENT,
            names.LABEL_PIPELINE: one.pipeline,
            names.LABEL_ATTEMPT: str(one.number),
        }
    )
    asked = pods.resources(_CPU, settings.helper_memory)
    # What the Job's success means stands on it, where nobody can change it.
    said = {RECORDS: dict(one.runs)}
    task = Task(one.namespace, one.pipeline, one.name, COMPONENT, one.number, archive.KIND, arguments=said)
    main = ours(contract.MAIN, "run", task, settings, asked)
    return SmallJob(
        one.namespace,
        one.name,
        labels,
        owner(names.PIPELINE, names.API_VERSION, one.pipeline, one.pipeline_uid),
        pods.pod_spec([carrying(main, one.texts)], grace_seconds=settings.termination_grace_seconds),
        settings.archive_deadline_seconds,
        one.scheduling,
    ).manifest()


def records_of(item: Mapping[str, Any]) -> Mapping[str, str]:
    """The records that a Job as read from the API server writes: uid of the run -> digest; of others none."""
    template: Mapping[str, Any] = (item.get("spec") or {}).get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    if labels.get(names.LABEL_COMPONENT) != COMPONENT:
        return {}
    try:
        env = {one["name"]: one.get("value", "") for one in template["spec"]["containers"][0]["env"]}
        task = Task.from_json(env[contract.TASK_VARIABLE].replace("$$", "$"))
        return {str(uid): str(digest) for uid, digest in task.arguments[RECORDS].items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}  # somebody else's, or of another release: it goes with its Pipeline
