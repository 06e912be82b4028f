"""Lifecycles: a version is in production while an endpoint serves it, and archived when none does."""

from collections.abc import Sequence

from penstock_operator.core.actions import Action
from penstock_operator.core.models import patch_version
from penstock_operator.core.observed import VersionView
from penstock_spec.model_version import Lifecycle
from penstock_spec.names import Reason

_ENDPOINTS = 32  # kept in a version's status


def lifecycles(
    endpoint: str, stable: str, digest: str, versions: Sequence[VersionView]
) -> tuple[Action, ...]:
    """Status writes after `stable` has taken over the endpoint; none where all versions say so already."""
    words = f"endpoint {endpoint} serves another version"
    found = (
        _served(endpoint, one)
        if (one.meta.name, one.digest) == (stable, digest)
        else _left(endpoint, one, words)
        for one in versions
    )
    return tuple(action for one in found for action in one)


def abandoned(endpoint: str, versions: Sequence[VersionView]) -> tuple[Action, ...]:
    """Status writes after the endpoint itself is gone: no version is served by it any more."""
    found = (_left(endpoint, one, f"endpoint {endpoint} was deleted") for one in versions)
    return tuple(action for one in found for action in one)


def _served(endpoint: str, version: VersionView) -> tuple[Action, ...]:
    endpoints = list(version.status.get("endpoints", ()))
    listed = endpoint in endpoints or len(endpoints) >= _ENDPOINTS
    if listed and version.lifecycle == Lifecycle.PRODUCTION:
        return ()
    status = {
        **version.status,
        "observedGeneration": version.meta.generation,
        "lifecycle": str(Lifecycle.PRODUCTION),
        "reason": str(Reason.SERVING),
        "message": f"endpoint {endpoint} serves it",
        "endpoints": sorted({*endpoints, endpoint})[:_ENDPOINTS],
    }
    return (patch_version(version, status),)


def _left(endpoint: str, version: VersionView, words: str) -> tuple[Action, ...]:
    endpoints = [one for one in version.status.get("endpoints", ()) if one != endpoint]
    if len(endpoints) == len(version.status.get("endpoints", ())):
        return ()
    status = {**version.status, "observedGeneration": version.meta.generation, "endpoints": endpoints}
    if not endpoints:
        del status["endpoints"]
        if version.lifecycle == Lifecycle.PRODUCTION:
            status["lifecycle"] = str(Lifecycle.ARCHIVED)
            status["reason"] = str(Reason.REPLACED)
            status["message"] = words
    return (patch_version(version, status),)
