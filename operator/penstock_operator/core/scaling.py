"""How many pods serve: a number, or what the autoscaler writes into it, kept within its bounds."""

from collections.abc import Mapping
from typing import Any

from penstock_operator.manifests.facade import DEFAULT_UTILIZATION, Facade, autoscaler
from penstock_spec.endpoint import EndpointScale


def replicas_of(scale: EndpointScale) -> int:
    """The number of pods that should serve now.

    An autoscaler that has just been made has not written its number yet; until then its bounds hold.
    """
    if scale.max_replicas is None:
        return scale.replicas
    return min(max(scale.replicas, scale.min_replicas or 1), scale.max_replicas)


def autoscaler_of(facade: Facade, scale: EndpointScale) -> dict[str, Any] | None:
    """The HorizontalPodAutoscaler that the scale asks for, if it does."""
    if scale.max_replicas is None:
        return None
    utilization = scale.target_cpu_utilization or DEFAULT_UTILIZATION
    return autoscaler(facade, scale.min_replicas or 1, scale.max_replicas, utilization)


def holds(live: Any, wanted: Any) -> bool:
    """Whether `live` says all that `wanted` says; what else it says is the API server's defaults."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            name in live and holds(live[name], value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(live, list) and len(live) == len(wanted) and all(map(holds, live, wanted))
    return bool(live == wanted)
