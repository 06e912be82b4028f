"""What an endpoint should serve, and who asked for it: spec.model, or the revision of spec.rollbackTo.

spec.rollbackTo set ──► that entry of status.history, though its ModelVersion may be gone
else                ──► spec.model, by the registry
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock_operator.core.observed import VersionView
from penstock_operator.core.observed_endpoint import ObservedEndpoint
from penstock_spec import names
from penstock_spec.endpoint import ModelEndpointSpec
from penstock_spec.model_version import Lifecycle
from penstock_spec.names import Reason


@dataclass(frozen=True)
class Problem:
    """Why the wanted version cannot serve; what serves goes on."""

    reason: str
    message: str


@dataclass(frozen=True)
class Target:
    """What should serve. Actor and reason go into the history once it does."""

    model: str
    version: str
    digest: str
    actor: str
    reason: str


def target_of(observed: ObservedEndpoint, spec: ModelEndpointSpec) -> Target | Problem:
    """The version that should serve, or why there is none."""
    if spec.rollback_to is not None:
        return _rolled_back(observed, spec.rollback_to)
    actor, reason = _asked(observed, spec)
    name, asked = spec.model.version, spec.model.digest
    found = _version(observed, name)
    if found is None:
        kept = _still_served(observed, name, asked)
        if kept is not None:
            return Target(kept["model"], name, kept["digest"], actor, reason)
        command = f"kubectl get mv -n {observed.meta.namespace}"
        return Problem(Reason.MODEL_VERSION_NOT_FOUND, f"there is no ModelVersion {name}; {command}")
    if asked is not None and asked != found.digest:
        words = f"ModelVersion {name} has digest {found.digest}, the endpoint asks for {asked}"
        return Problem(Reason.DIGEST_MISMATCH, f"{words}; set spec.model.digest to the one that is meant")
    target = Target(found.model, name, found.digest, actor, reason)
    return _rejected(observed, target) or target


def _rolled_back(observed: ObservedEndpoint, revision: int) -> Target | Problem:
    history = observed.status.get("history", ())
    found = next((one for one in history if one["revision"] == revision), None)
    if found is None:
        known = _ranges([one["revision"] for one in history]) or "none yet"
        words = f"spec.rollbackTo: there is no revision {revision} in status.history; known: {known}"
        command = f"kubectl get me -n {observed.meta.namespace} {observed.meta.name} -o yaml"
        return Problem(Reason.REVISION_UNKNOWN, f"{words}; {command}")
    actor = observed.requested_by or _last(observed, "spec.rollbackTo")
    reason = str(Reason.ROLLED_BACK)
    target = Target(found.get("model", ""), found["version"], found["digest"], actor, reason)
    return _rejected(observed, target) or target


def _asked(observed: ObservedEndpoint, spec: ModelEndpointSpec) -> tuple[str, str]:
    """Who asks for spec.model, and by which way."""
    managers = observed.managers.get("spec.model.version", ())
    by_step = names.MANAGER_DEPLOY in managers or (not managers and spec.model.asked_by)
    if by_step:
        return spec.model.asked_by or names.MANAGER_DEPLOY, str(Reason.DEPLOYED)
    return observed.requested_by or _last(observed, "spec.model.version"), str(Reason.REPLACED_BY_HAND)


def _last(observed: ObservedEndpoint, path: str) -> str:
    managers = observed.managers.get(path, ())
    return managers[-1][:128] if managers else ""


def _rejected(observed: ObservedEndpoint, target: Target) -> Problem | None:
    """A gate's No holds for roll-backs too. What serves already goes on: taking it away is for people."""
    found = _version(observed, target.version)
    judged = found is not None and found.digest == target.digest and found.lifecycle == Lifecycle.REJECTED
    status = observed.status
    if not judged or (status.get("stable"), status.get("stableDigest")) == (target.version, target.digest):
        return None
    command = f"kubectl describe mv -n {observed.meta.namespace} {target.version}"
    words = f"ModelVersion {target.version} was rejected by its gate; {command}"
    return Problem(Reason.MODEL_NOT_APPROVED, words)


def _version(observed: ObservedEndpoint, name: str) -> VersionView | None:
    return next((one for one in observed.versions if one.meta.name == name), None)


def _still_served(observed: ObservedEndpoint, name: str, asked: str | None) -> Mapping[str, Any] | None:
    """The newest revision, where it is this version: its record may go, its bytes go on serving."""
    history = observed.status.get("history", ())
    if not history or history[-1]["version"] != name or asked not in (None, history[-1]["digest"]):
        return None
    newest: Mapping[str, Any] = history[-1]
    return newest if newest.get("model") else None


def _ranges(numbers: Sequence[int]) -> str:
    """1 to 4, 6: the numbers in words."""
    parts: list[list[int]] = []
    for one in sorted(numbers):
        if parts and parts[-1][-1] == one - 1:
            parts[-1][-1] = one
        else:
            parts.append([one, one])
    return ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in parts)
