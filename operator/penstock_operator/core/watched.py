"""The plan of an endpoint with what monitoring adds to it. Nothing here touches what serves."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from penstock_operator.core.actions import Apply, Plan
from penstock_operator.core.conditions import Wanted, merged
from penstock_operator.core.endpoint_status import is_settled
from penstock_operator.core.monitoring import Watch, watch
from penstock_operator.core.monitoring_words import quality_of, quality_problems
from penstock_operator.core.serving import Scene
from penstock_operator.core.settings import Settings
from penstock_operator.core.text import sentence
from penstock_operator.core.times import earliest, stamp
from penstock_spec.names import Condition

CONDITIONS = (
    Condition.DRIFTED,
    Condition.UNSEEN_CATEGORIES,
    Condition.NULL_BURST,
    Condition.UNIT_CHANGED,
)


def with_monitoring(
    scene: Scene, plan: Plan, status: Mapping[str, Any], now: datetime, settings: Settings
) -> Plan:
    """`plan` and `status` as they are without monitoring; the plan's own status is set here."""
    observed = scene.observed
    if scene.spec is None:
        # What was asked for cannot be read: what was known stays.
        return replace(plan, status=_changed(observed.status, _kept(observed.status, status)))
    found = watch(
        observed,
        scene.spec.monitoring,
        status,
        now,
        settings,
        logs=_logs(scene, plan),
        image=_image(scene),
    )
    if found.confirm:
        return Plan(confirm=found.confirm)
    return replace(
        plan,
        inquire=(*plan.inquire, *found.inquire),
        actions=(*plan.actions, *found.actions),
        status=_changed(observed.status, _added(scene, status, found, now)),
        after=(*plan.after, *found.after),
        events=(*plan.events, *found.events),
        look_again=earliest(plan.look_again, found.look_again),
    )


def _image(scene: Scene) -> str:
    """The user's image that serves in place of our server; not one that is on its way, or was refused."""
    serving = scene.serving
    asked = scene.spec.server.image if scene.spec is not None else None
    if serving is not None and serving.unit != scene.wanted and serving.logged:
        return ""
    return asked or ""


def _logs(scene: Scene, plan: Plan) -> bool:
    """Whether all pods of what serves are as they should be by now, and ready: then they log."""
    changing = any(isinstance(one, Apply) and one.manifest["kind"] == "Deployment" for one in plan.actions)
    return is_settled(scene) and not changing


def _added(scene: Scene, status: Mapping[str, Any], found: Watch, now: datetime) -> dict[str, Any]:
    before, meta = scene.observed.status.get("conditions", ()), scene.observed.meta
    more = merged(before, found.conditions, meta.generation, stamp(now))
    message = _with_quality(status, found.conditions)
    parts = {
        "message": message,
        "drifted": found.drifted,
        "quality": quality_of(found.conditions),
        "monitoring": found.status,
    }
    return {
        **status,
        "conditions": [*status["conditions"], *more],
        **{key: value for key, value in parts.items() if value},
    }


def _with_quality(status: Mapping[str, Any], conditions: Sequence[Wanted]) -> str:
    """What holds of the endpoint, and behind it what is wrong with its data."""
    words = [str(status.get("message", "")), *(one.message for one in quality_problems(conditions))]
    return sentence(*[one for one in words if one] or [""])


def _kept(before: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    old = [one for one in before.get("conditions", ()) if one.get("type") in CONDITIONS]
    parts = {key: before[key] for key in ("drifted", "quality", "monitoring") if key in before}
    return {**status, "conditions": [*status["conditions"], *old], **parts}


def _changed(before: Mapping[str, Any], status: dict[str, Any]) -> dict[str, Any] | None:
    return status if status != before else None
