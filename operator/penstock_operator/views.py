"""From objects as the API server sends them to the frozen values that decisions look at. Pure functions."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from penstock_operator.core.observed import (
    ContainerView,
    DeploymentView,
    EndpointView,
    JobView,
    Meta,
    PipelineObject,
    PodView,
    RunObject,
    ServiceView,
    VersionView,
)
from penstock_operator.manifests.identity import controller_uid, hash_of
from penstock_operator.store import Object
from penstock_spec import names

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
    scheduled = _condition(status, "PodScheduled")
    disrupted = _condition(status, "DisruptionTarget")
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
        containers=(
            *(_container(one, init=True) for one in status.get("initContainerStatuses") or ()),
            *(_container(one, init=False) for one in status.get("containerStatuses") or ()),
        ),
    )


def _container(status: Part, *, init: bool) -> ContainerView:
    state = status.get("state") or {}
    waiting, running = state.get("waiting") or {}, state.get("running")
    ended = state.get("terminated") or {}
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
    )


def job(item: Object, pods: Iterable[PodView]) -> JobView:
    """A Job with the pods whose controller it is."""
    status = item.get("status") or {}
    failed = _true(status, "Failed") or _true(status, "FailureTarget")
    return JobView(
        meta=meta(item),
        spec_hash=hash_of(item),
        version=_template_label(item, names.LABEL_WINDOW_VERSION),
        suspended=bool((item.get("spec") or {}).get("suspend")),
        complete=bool(_true(status, "Complete") or _true(status, "SuccessCriteriaMet")),
        failed_reason=failed.get("reason", ""),
        failed_message=failed.get("message", ""),
        pods=tuple(pods),
    )


def _template_label(item: Object, label: str) -> str:
    """A label of the pod template, which nobody can change."""
    template = (item.get("spec") or {}).get("template") or {}
    return str(((template.get("metadata") or {}).get("labels") or {}).get(label, ""))


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
    )


def endpoint(item: Object) -> EndpointView:
    """A ModelEndpoint as deploy steps see it."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    model = spec.get("model") or {}
    stalled = _true(status, names.Condition.STALLED)
    drifted = _condition(status, names.Condition.DRIFTED)
    return EndpointView(
        meta=meta(item),
        version=model.get("version", ""),
        digest=model.get("digest", ""),
        replicas=(spec.get("scale") or {}).get("replicas", 1),
        stable=status.get("stable", ""),
        stable_digest=status.get("stableDigest", ""),
        observed_generation=status.get("observedGeneration", 0),
        ready=bool(_true(status, names.Condition.READY)),
        stalled_reason=stalled.get("reason", ""),
        stalled_message=stalled.get("message", ""),
        reconciling=bool(_true(status, names.Condition.RECONCILING)),
        monitoring=spec.get("monitoring"),
        watched_since=(status.get("monitoring") or {}).get("since", ""),
        drifted_reason=drifted.get("reason", ""),
        drifted_message=drifted.get("message", ""),
    )


def deployment(item: Object, pods: Iterable[PodView]) -> DeploymentView:
    """A Deployment with the pods of its replica sets."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    progressing = _condition(status, "Progressing")
    return DeploymentView(
        meta=meta(item),
        version=((spec.get("selector") or {}).get("matchLabels") or {}).get(names.LABEL_MODEL_VERSION, ""),
        replicas=spec.get("replicas", 1),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        observed_generation=status.get("observedGeneration", 0),
        spec_hash=hash_of(item),
        progress_failed=progressing.get("message", "") if progressing.get("status") == "False" else "",
        pods=tuple(pods),
    )


def service(item: Object) -> ServiceView:
    """The Service of an endpoint."""
    return ServiceView(meta(item), dict((item.get("spec") or {}).get("selector") or {}), hash_of(item))


def run(item: Object) -> RunObject:
    """A PipelineRun."""
    spec = item.get("spec") or {}
    return RunObject(
        meta=meta(item),
        pipeline=spec.get("pipeline", ""),
        parameters=spec.get("parameters") or {},
        revision=spec.get("revision", ""),
        generation=spec.get("generation", 0),
        status=item.get("status") or {},
    )


def pipeline(item: Object, applied: Mapping[str, Any] | None) -> PipelineObject:
    """A Pipeline; `applied` is what its user wrote, where that is known."""
    return PipelineObject(meta(item), item.get("spec") or {}, item.get("status") or {}, applied)


def finished(item: Object) -> bool:
    """Whether a run has ended; nothing about it changes any more."""
    return bool(_true(item.get("status") or {}, names.Condition.FINISHED))


def _condition(status: Part, name: str) -> Part:
    found = status.get("conditions") or ()
    return next((one for one in found if one.get("type") == name), {})


def _true(status: Part, name: str) -> Part:
    found = _condition(status, name)
    return found if found.get("status") == "True" else {}
