"""The version or the settings that are to take over, from when on they have tried, and whether they came too
late.

The clock is in status.rollout, so that no restart of the operator gives anybody more time. A refusal holds
for exactly what was asked; any other request starts anew.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from penstock_operator.core.pod_words import why_not_ready
from penstock_operator.core.serving import Scene
from penstock_operator.core.target import Target
from penstock_operator.core.text import sentence
from penstock_operator.core.times import after, read, stamp
from penstock_spec.base import seconds_of
from penstock_spec.endpoint import ModelEndpointSpec
from penstock_spec.object_names import short_hash
from penstock_spec.plain import canonical


@dataclass(frozen=True)
class Rollout:
    """A version on its way."""

    target: Target
    request: str
    started: datetime
    due: datetime
    refused: str = ""  # why it never takes over

    def to_status(self) -> dict[str, str]:
        """Its form in status.rollout."""
        target = self.target
        entry = {
            "model": target.model,
            "version": target.version,
            "digest": target.digest,
            "actor": target.actor,
            "reason": target.reason,
            "request": self.request,
            "startedAt": stamp(self.started),
            "refused": self.refused,
        }
        return {name: value for name, value in entry.items() if value}


def rollout_of(scene: Scene, now: datetime) -> Rollout | None:
    """The roll-out that is under way or was refused; None where the wanted version serves, or none can."""
    spec, target = scene.spec, scene.target
    if spec is None or target is None or (scene.last_stable == scene.wanted == scene.current):
        return None
    request = _request(spec, target)
    before = scene.observed.status.get("rollout") or {}
    known = before.get("request") == request
    started = (read(before.get("startedAt", "")) if known else None) or now.replace(microsecond=0)
    due = after(started, seconds_of(spec.rollout.deadline))
    refused = str(before.get("refused", "")) if known else ""
    found = Rollout(target, request, started, due, refused)
    if refused or not scene.replacing or now < due or ready_in_time(scene, found, now):
        return found
    return replace(found, refused=_words(scene, spec))


def ready_in_time(scene: Scene, rollout: Rollout, now: datetime) -> bool:
    """Whether every pod was ready before the deadline, also where nobody was there to see it."""
    if not scene.wanted_ready:
        return False
    found = scene.deployment(scene.wanted)
    since = found.available_since if found is not None else None
    return now < rollout.due or (since is not None and since <= rollout.due)


def _request(spec: ModelEndpointSpec, target: Target) -> str:
    """A hash over all that was asked for and that decides how it goes. Not the number of pods."""
    return short_hash(
        target.version,
        target.digest,
        spec.model.asked_by,
        str(spec.rollback_to or ""),
        spec.rollout.deadline,
        *(
            "" if part is None else canonical(part.as_set())
            for part in (spec.server, spec.resources, spec.authentication)
        ),
        length=16,
    )


def _words(scene: Scene, spec: ModelEndpointSpec) -> str:
    """Why the target is refused, by its first pod's own account."""
    found = scene.deployment(scene.wanted)
    words = f"{scene.subject} did not get ready within {spec.rollout.deadline}"
    if scene.wanted_ready:
        reason = "its pods were ready only after that"
    elif found is None:
        reason = "its pods were never made"
    else:
        reason = why_not_ready(found, scene.observed.troubles)
        reason = reason or f"{found.available} of {scene.replicas} pods became ready"
    return sentence(words, reason, length=600)
