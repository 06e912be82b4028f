"""What belongs to a ModelEndpoint, from objects as the API server sends them. Pure functions."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from penstock_operator import field_managers
from penstock_operator.core.observed import EndpointView, PodView
from penstock_operator.core.observed_endpoint import CompanionView, DeploymentView, ServiceView, Unit
from penstock_operator.manifests.identity import hash_of
from penstock_operator.store import Object, controller_of
from penstock_operator.views import condition, meta, moment, true_condition
from penstock_spec import names, serving_contract


def endpoint(item: Object) -> EndpointView:
    """A ModelEndpoint as deploy and monitor steps see it."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    model = spec.get("model") or {}
    stalled = true_condition(status, names.Condition.STALLED)
    drifted = condition(status, names.Condition.DRIFTED)
    return EndpointView(
        meta=meta(item),
        version=model.get("version", ""),
        digest=model.get("digest", ""),
        asked_by=model.get("askedBy", ""),
        scale=spec.get("scale") or {},
        rollout=spec.get("rollout") or {},
        pinned=spec.get("rollbackTo"),
        managers=item["metadata"].get(field_managers.KEY) or {},
        refused=bool((status.get("rollout") or {}).get("refused")),
        stable=status.get("stable", ""),
        stable_digest=status.get("stableDigest", ""),
        observed_generation=status.get("observedGeneration", 0),
        ready=bool(true_condition(status, names.Condition.READY)),
        stalled_reason=stalled.get("reason", ""),
        stalled_message=stalled.get("message", ""),
        reconciling=bool(true_condition(status, names.Condition.RECONCILING)),
        monitoring=spec.get("monitoring"),
        monitored_at=moment(item["metadata"].get(field_managers.MONITORED_KEY)),
        watched_since=(status.get("monitoring") or {}).get("since", ""),
        drifted_reason=drifted.get("reason", ""),
        drifted_message=drifted.get("message", ""),
        episodes=(status.get("monitoring") or {}).get("episodes", 0),
        drifting=bool((status.get("monitoring") or {}).get("drifting")),
    )


def requested_by(item: Object) -> str:
    """Who asks, where the person's tool says so."""
    annotations = item["metadata"].get("annotations") or {}
    return str(annotations.get(names.ANNOTATION_REQUESTED_BY, ""))[:128]


def monitoring_follows(item: Object) -> bool:
    """Whether the write after the one that made it sets its monitoring."""
    return names.ANNOTATION_MONITORING_FOLLOWS in (item["metadata"].get("annotations") or {})


def deployment(item: Object, pods: Iterable[PodView]) -> DeploymentView:
    """A Deployment with the pods of its replica sets."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    progressing = condition(status, "Progressing")
    available = true_condition(status, "Available")
    told = _environment(spec)
    return DeploymentView(
        meta=meta(item),
        unit=Unit.labelled(labels),
        replicas=spec.get("replicas", 1),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        observed_generation=status.get("observedGeneration", 0),
        existing=status.get("replicas", 0),
        available_since=moment(available.get("lastTransitionTime")),
        model=told.get(serving_contract.MODEL_NAME_VARIABLE, ""),
        digest=told.get(serving_contract.MODEL_DIGEST_VARIABLE, ""),
        spec_hash=hash_of(item),
        logged=_logged(spec),
        progress_failed=progressing.get("message", "") if progressing.get("status") == "False" else "",
        replica_failure=true_condition(status, "ReplicaFailure").get("message", ""),
        pods=tuple(pods),
    )


def _environment(spec: Mapping[str, Any]) -> Mapping[str, str]:
    """The literal variables of the serving container."""
    pod = (spec.get("template") or {}).get("spec") or {}
    serve: Mapping[str, Any] = next(
        (one for one in pod.get("containers") or () if one["name"] == serving_contract.SERVE), {}
    )
    return {one["name"]: one["value"] for one in serve.get("env") or () if "value" in one}


def _logged(spec: Mapping[str, Any]) -> bool:
    pod = (spec.get("template") or {}).get("spec") or {}
    return any(one["name"] == serving_contract.SHIP for one in pod.get("initContainers") or ())


def pods_of_deployment(item: Object, pods: Iterable[Object]) -> Iterator[Object]:
    """The pods of a Deployment: their replica set is called like it, with a hash behind."""
    for one in pods:
        owner = controller_of(one) or {}
        made_by = owner.get("name", "").rpartition("-")[0]
        if owner.get("kind") == "ReplicaSet" and made_by == item["metadata"]["name"]:
            yield one


def service(item: Object | None) -> ServiceView | None:
    """The Service of an endpoint, where there is one."""
    if item is None:
        return None
    return ServiceView(meta(item), dict((item.get("spec") or {}).get("selector") or {}), hash_of(item))


def companion(item: Object | None) -> CompanionView | None:
    """The autoscaler or disruption budget of an endpoint, where there is one."""
    return None if item is None else CompanionView(meta(item), item.get("spec") or {})
