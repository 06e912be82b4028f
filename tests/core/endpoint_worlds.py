"""The worlds of one endpoint `e`, for tables: versions, Deployments, Service and what stands beside it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from penstock_operator.core.actions import Apply, Delete, Plan
from penstock_operator.core.observed import Ref, VersionView
from penstock_operator.core.observed_endpoint import (
    CompanionView,
    DeploymentView,
    ObservedEndpoint,
    ServiceView,
    Unit,
)
from penstock_operator.core.plan_endpoint import plan_endpoint
from penstock_operator.core.settings import Settings
from penstock_operator.core.times import stamp
from penstock_operator.manifests import facade as facades
from penstock_operator.manifests.server import Server
from penstock_operator.manifests.serving import deployment
from penstock_spec import names
from penstock_spec.endpoint_status import ModelEndpointStatus
from tests.core.pods import NOW, ago, meta

SETTINGS = Settings()
FACADE = facades.Facade("ml", "e", "e-uid")
COMPANION_KINDS = ("HorizontalPodAutoscaler", "PodDisruptionBudget")
LIVE = frozenset({Ref("Service", "e"), *(Ref(kind, "e") for kind in COMPANION_KINDS)})


def digest(version: str) -> str:
    """Digest of the version's bytes."""
    return "sha256:" + hashlib.sha256(version.encode()).hexdigest()


def server(version: str, replicas: int = 1, **fields: Any) -> Server:
    """What the pods of a version run."""
    made = Server("ml", "e", "e-uid", version, "m", digest(version), replicas, "100m", "512Mi")
    return replace(made, **fields)


def made(version: str, ready: int = 1, replicas: int = 1, **fields: Any) -> DeploymentView:
    """The version's Deployment, as an earlier pass applied it. More pods ready than wanted is refused."""
    assert ready <= replicas
    program = fields.pop("server", None) or server(version, replicas)
    manifest = deployment(program, SETTINGS.pods)
    unit = Unit.labelled(program.selector)
    view = DeploymentView(
        meta=meta(manifest["metadata"]["name"], f"d-{version}", 60, owner="e-uid"),
        unit=unit,
        replicas=replicas,
        updated=replicas,
        ready=ready,
        available=ready,
        observed_generation=1,
        existing=replicas,
        available_since=ago(30) if ready == replicas else None,
        model="m",
        digest=program.digest,
        spec_hash=manifest["metadata"]["labels"][names.LABEL_SPEC_HASH],
    )
    return replace(view, **fields)


def facade(version: str, owner: str = "e-uid", program: Server | None = None) -> ServiceView:
    """The Service on one version, or on other bytes of its name."""
    manifest = facades.service(FACADE, (program or server(version)).selector)
    found = manifest["metadata"]["labels"][names.LABEL_SPEC_HASH]
    return ServiceView(meta("e", "s-uid", 60, owner=owner), manifest["spec"]["selector"], found)


def budget(version: str, owner: str = "e-uid", selects: Mapping[str, str] | None = None) -> CompanionView:
    """The disruption budget on one version, or on the pods that `selects` finds."""
    manifest = facades.budget(FACADE, dict(selects or server(version).selector))
    return CompanionView(meta("e", "b-uid", 60, owner=owner), manifest["spec"])


def version(name: str, lifecycle: str = "Approved", endpoints: Sequence[str] = ()) -> VersionView:
    """A ModelVersion."""
    status: dict[str, Any] = {"lifecycle": lifecycle}
    if endpoints:
        status["endpoints"] = list(endpoints)
    number = int(name.rpartition("-")[2])
    return VersionView(meta(name, f"v-{name}", 100), "m", number, digest(name), lifecycle, status)


def entry(revision: int, name: str, began: datetime | None = None, **fields: Any) -> dict[str, Any]:
    """An entry of the history."""
    found = {
        "revision": revision,
        "model": "m",
        "version": name,
        "digest": digest(name),
        "actor": "run m-g1, step serve",
        "reason": "Deployed",
        "from": stamp(began or ago(3600)),
    }
    return {**found, **fields}


def status_on(name: str, *history: Mapping[str, Any], program: Server | None = None) -> dict[str, Any]:
    """A status in which this version has served for an hour, or since the last entry of the history, by the
    settings of `program`.
    """
    entries = [dict(one) for one in history] or [entry(1, name)]
    assert entries[-1]["version"] == name
    return {
        "stable": name,
        "stableDigest": digest(name),
        "stableSettings": (program or server(name)).settings,
        "switchedAt": entries[-1]["from"],
        "revision": entries[-1]["revision"],
        "history": entries,
    }


def world(
    wanted: str = "m-2",
    deployments: Sequence[DeploymentView] = (),
    selects: ServiceView | None = None,
    stable: str = "",
    versions: Sequence[VersionView] | None = None,
    live: frozenset[Ref] = LIVE,
    scale: Mapping[str, Any] | int = 1,
    spec: Mapping[str, Any] | None = None,
    **fields: Any,
) -> ObservedEndpoint:
    """An endpoint that asks for a version; the budget stands on whatever is selected."""
    whole: Mapping[str, Any] = {
        "model": {"version": wanted, "digest": digest(wanted), "askedBy": "run m-g2, step serve"},
        "scale": {"replicas": scale} if isinstance(scale, int) else scale,
        **(spec or {}),
    }
    chosen = selects.selector[names.LABEL_MODEL_VERSION] if selects is not None else ""
    observed = ObservedEndpoint(
        meta=meta("e", "e-uid", 100),
        spec=whole,
        status=status_on(stable) if stable else {},
        versions=(version("m-1"), version("m-2")) if versions is None else versions,
        deployments=deployments,
        service=selects,
        budget=budget(chosen, selects=selects.selector) if selects is not None and chosen else None,
        managers={"spec.model.version": [names.MANAGER_DEPLOY]},
        live=live,
    )
    return replace(observed, **fields)


def plan(observed: ObservedEndpoint, now: datetime = NOW, settings: Settings = SETTINGS) -> Plan:
    """The plan; its status fits the schema."""
    planned = plan_endpoint(observed, now, settings)
    if planned.status is not None:
        ModelEndpointStatus.model_validate(planned.status, by_alias=True, by_name=False)
    return planned


def applied(planned: Plan, *kinds: str) -> list[tuple[str, str]]:
    """Kind and version of the Deployments and Service that are applied."""
    found = []
    for one in planned.actions:
        if not isinstance(one, Apply) or one.manifest["kind"] not in (kinds or ("Deployment", "Service")):
            continue
        spec = one.manifest["spec"]
        selector = spec.get("selector", {})
        labels = selector.get("matchLabels", selector)
        found.append((one.manifest["kind"], labels.get(names.LABEL_MODEL_VERSION, "")))
    return found


def deleted(planned: Plan) -> list[str]:
    """Uids of what is deleted once the status is written."""
    return [one.uid for one in planned.after if isinstance(one, Delete)]


def status(planned: Plan) -> Mapping[str, Any]:
    """The status that is written."""
    assert planned.status is not None
    return planned.status
