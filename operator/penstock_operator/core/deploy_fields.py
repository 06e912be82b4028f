"""What of a deploy step's scale and roll-out is the step's to set: all that nobody else has taken over."""

from collections.abc import Mapping
from typing import Any

from penstock_operator.core.observed import EndpointView
from penstock_spec import names
from penstock_spec.kinds.deploy import Deploy

_REPLICAS = "spec.scale.replicas"


def asked_fields(body: Deploy, live: EndpointView | None) -> dict[str, dict[str, Any]]:
    """spec.scale and spec.rollout as the step may set them; a part that is not its own is absent.

    A part that the step leaves out stays as an earlier run has set it: to apply without it would remove it.
    """
    wanted = {
        "scale": body.scale.as_set() if body.scale is not None else _kept("scale", live),
        "rollout": {"deadline": body.rollout.deadline}
        if body.rollout is not None
        else _kept("rollout", live),
    }
    if _autoscaled(wanted["scale"], live):
        wanted["scale"].pop("replicas", None)  # the autoscaler's
    mine = {
        part: {name: value for name, value in fields.items() if not others(live, f"spec.{part}.{name}")}
        for part, fields in wanted.items()
    }
    return {part: fields for part, fields in mine.items() if fields}


def _kept(part: str, live: EndpointView | None) -> dict[str, Any]:
    """The fields of a part that the deploy step owns, as they are."""
    if live is None:
        return {}
    found: Mapping[str, Any] = {"scale": live.scale, "rollout": live.rollout}[part]
    return {
        name: value
        for name, value in found.items()
        if names.MANAGER_DEPLOY in live.managers.get(f"spec.{part}.{name}", ())
    }


def differs(fields: Mapping[str, Mapping[str, Any]], live: EndpointView) -> bool:
    """Whether the endpoint has any of these fields otherwise."""
    found: Mapping[str, Mapping[str, Any]] = {"scale": live.scale, "rollout": live.rollout}
    return any(
        found[part].get(name) != value for part, asked in fields.items() for name, value in asked.items()
    )


def left_to_others(body: Deploy, live: EndpointView | None) -> str:
    """Which fields of the step somebody else has set, in words; empty where none."""
    wanted = {"scale": body.scale, "rollout": body.rollout}
    left = [
        f"{part}.{name} is left to {others(live, f'spec.{part}.{name}')}"
        for part, value in wanted.items()
        for name in (value.as_set() if value is not None else {})
        if others(live, f"spec.{part}.{name}")
    ]
    return ", ".join(left)


def others(live: EndpointView | None, path: str) -> str:
    """The manager beside the deploy step that wrote a field last; empty where there is none."""
    if live is None:
        return ""
    managers = live.managers.get(path, ())
    if path == _REPLICAS and not managers and live.scale.get("replicas", 1) != 1:
        # The API server notes who scales only where somebody owned the number before. Nobody owns a default.
        return "kubectl scale"
    return next((one for one in reversed(managers) if one != names.MANAGER_DEPLOY), "")


def _autoscaled(scale: Mapping[str, Any], live: EndpointView | None) -> bool:
    return "maxReplicas" in scale or (live is not None and live.scale.get("maxReplicas") is not None)
