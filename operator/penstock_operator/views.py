"""From objects as the API server sends them to the frozen values that decisions look at. Pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from penstock_operator.core.observed import (
    ContainerView,
    JobView,
    Meta,
    PipelineObject,
    PodView,
    RunObject,
    VersionView,
)
from penstock_operator.manifests.archive import records_of
from penstock_operator.manifests.identity import borne_by, controller_uid, hash_of
from penstock_operator.manifests.sweep import COMPONENT as SWEEP
from penstock_operator.store import Object
from penstock_spec import names
from penstock_spec.reuse import RunReuse
from penstock_spec.run import RunMode

Part = Mapping[str, Any]
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def moment(text: str | None) -> datetime | None:
    """The time of an RFC 3339 text; None for none."""
    return datetime.fromisoformat(text) if text else None


def meta(item: Object) -> Meta:
    """The part of metadata that decisions use."""
    data = item["metadata"]
    return Meta(
        namespace=data.get("namespace", ""),
        name=data["name"],
        uid=data["uid"],
        created=moment(data.get("creationTimestamp")) or LONG_AGO,
        generation=data.get("generation", 1),
        resource_version=data.get("resourceVersion", ""),
        owner_uid=controller_uid(item),
        deleting="deletionTimestamp" in data,
    )


def pod(item: Object) -> PodView:
    """A pod with its containers, init containers first."""
    status = item.get("status") or {}
    scheduled = condition(status, "PodScheduled")
    disrupted = condition(status, "DisruptionTarget")
    refused = scheduled.get("status") == "False"
    return PodView(
        meta=meta(item),
        phase=status.get("phase", "Pending"),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        unschedulable=scheduled.get("message", "") or scheduled.get("reason", "") if refused else "",
        unschedulable_since=moment(scheduled.get("lastTransitionTime")) if refused else None,
        scheduled_at=moment(scheduled.get("lastTransitionTime"))
        if scheduled.get("status") == "True"
        else None,
        disrupted=disrupted.get("reason", "") if disrupted.get("status") == "True" else "",
        ready=bool(true_condition(status, "Ready")),
        worker=_worker(item),
        containers=(
            *(_container(one, init=True) for one in status.get("initContainerStatuses") or ()),
            *(_container(one, init=False) for one in status.get("containerStatuses") or ()),
        ),
    )


def _worker(item: Object) -> int:
    """The number that an Indexed Job gave to its pod."""
    text = str((item["metadata"].get("annotations") or {}).get(names.ANNOTATION_WORKER, "0"))
    return int(text) if text.isascii() and text.isdecimal() else 0


def _container(status: Part, *, init: bool) -> ContainerView:
    state = status.get("state") or {}
    waiting, running = state.get("waiting") or {}, state.get("running")
    ended = state.get("terminated") or {}
    before = (status.get("lastState") or {}).get("terminated") or {}
    return ContainerView(
        name=status["name"],
        init=init,
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        running=running is not None,
        started_at=moment((running or ended).get("startedAt")),
        terminated_reason=ended.get("reason", ""),
        exit_code=ended.get("exitCode"),
        finished_at=moment(ended.get("finishedAt")),
        message=ended.get("message", ""),
        image=status.get("imageID", ""),
        last_reason=before.get("reason", ""),
        last_exit_code=before.get("exitCode"),
        last_message=before.get("message", ""),
    )


def job(item: Object, pods: Iterable[PodView]) -> JobView:
    """A Job with the pods whose controller it is."""
    status = item.get("status") or {}
    spec: Part = item.get("spec") or {}
    failed = true_condition(status, "Failed") or true_condition(status, "FailureTarget")
    return JobView(
        meta=meta(item),
        spec_hash=hash_of(item),
        version=_template_label(item, names.LABEL_WINDOW_VERSION),
        step=_template_label(item, names.LABEL_STEP),
        archives=records_of(item),
        sweeps=_template_label(item, names.LABEL_COMPONENT) == SWEEP,
        attempt=_whole(_template_label(item, names.LABEL_ATTEMPT)),
        bears=borne_by(item),
        # Resumed, it has begun again only when the Job controller says so, and when.
        suspended=bool(spec.get("suspend") or true_condition(status, "Suspended")),
        workers=int(spec.get("completions") or 1) if spec.get("completionMode") == "Indexed" else 1,
        started=moment(status.get("startTime")),
        complete=bool(true_condition(status, "Complete") or true_condition(status, "SuccessCriteriaMet")),
        failed_reason=failed.get("reason", ""),
        failed_message=failed.get("message", ""),
        pods=tuple(pods),
    )


def job_set(item: Object, made: Object | None, pods: Iterable[PodView]) -> JobView:
    """A JobSet as the attempt that it is: with the Job that it has made, and the pods of that one."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    parts: Any = spec.get("replicatedJobs") or ({},)
    template = {**item, "kind": "Job", "spec": (parts[0].get("template") or {}).get("spec"), "status": {}}
    inner = job(template if made is None else made, pods)
    failed = true_condition(status, "Failed")
    return replace(
        inner,
        meta=meta(item),
        kind=item["kind"],
        child=None if made is None else meta(made),
        spec_hash=hash_of(item),
        # What JobSet's controller, and then the Job's, still has to do takes them a moment each.
        suspended=bool(spec.get("suspend")) or (made is not None and inner.suspended),
        complete=inner.complete or bool(true_condition(status, "Completed")),
        failed_reason=inner.failed_reason or failed.get("reason", ""),
        failed_message=inner.failed_message or failed.get("message", ""),
    )


def goes_on(pod: Object) -> bool:
    """Whether programs of the pod may still run."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def should_be_gone(pod: Object, before: datetime) -> bool:
    """Whether a deleted pod's time to end was over at this moment: its node does not answer, say."""
    gone = moment(pod["metadata"].get("deletionTimestamp"))
    return gone is not None and gone < before


def job_of(pod: Object) -> str:
    """The Job that made the pod, by the Job controller's own label: it stays when the owner is gone."""
    return str((pod["metadata"].get("labels") or {}).get("batch.kubernetes.io/job-name", ""))


def is_live_job(item: Object) -> bool:
    """Whether a Job, or JobSet, may still have pods that run."""
    status = item.get("status") or {}
    ends = ("Complete", "SuccessCriteriaMet", "Failed", "FailureTarget", "Completed")
    return not any(true_condition(status, one) for one in ends)


def _template_label(item: Object, label: str) -> str:
    """A label of the pod template, which nobody can change."""
    template = (item.get("spec") or {}).get("template") or {}
    return str(((template.get("metadata") or {}).get("labels") or {}).get(label, ""))


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def version(item: Object) -> VersionView:
    """A ModelVersion."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    return VersionView(
        meta=meta(item),
        model=spec.get("model", ""),
        number=spec.get("number", 0),
        digest=spec.get("digest", ""),
        lifecycle=status.get("lifecycle", ""),
        status=status,
        lineage=spec.get("lineage") or {},
        metrics=spec.get("metrics") or {},
    )


def run(item: Object) -> RunObject:
    """A PipelineRun."""
    spec = item.get("spec") or {}
    return RunObject(
        meta=meta(item),
        pipeline=spec.get("pipeline", ""),
        parameters=spec.get("parameters") or {},
        revision=spec.get("revision", ""),
        generation=spec.get("generation", 0),
        trigger=spec.get("trigger", ""),
        suspend=spec.get("suspend") is True,
        cancel=spec.get("cancel") is True,
        status=item.get("status") or {},
        scheduled_time=spec.get("scheduledTime", ""),
        episode=spec.get("episode") or {},
        triggered_by=spec.get("triggeredBy") or {},
        rerun=spec.get("rerun") or {},
        backfill=spec.get("backfill") or {},
        part_of=spec.get("partOf", ""),
        step=spec.get("step", ""),
        cell=spec.get("cell", 0),
        mode=spec.get("mode", RunMode.RUN),
        spec=spec,
        reuse=spec.get("reuse", RunReuse.BY_STEP),
    )


def pipeline(item: Object, applied: Mapping[str, Any] | None) -> PipelineObject:
    """A Pipeline; `applied` is what its user wrote, where that is known."""
    return PipelineObject(meta(item), item.get("spec") or {}, item.get("status") or {}, applied)


def finished(item: Object) -> bool:
    """Whether a run has ended; nothing about it changes any more."""
    return bool(true_condition(item.get("status") or {}, names.Condition.FINISHED))


def condition(status: Part, name: str) -> Part:
    found = status.get("conditions") or ()
    return next((one for one in found if one.get("type") == name), {})


def true_condition(status: Part, name: str) -> Part:
    found = condition(status, name)
    return found if found.get("status") == "True" else {}
