"""Whom the Service selects, and which Deployments may go.

version A serves ──► Deployment B made ──► all of B ready ──► Service selects B ──► settled ──► A deleted
                     (A serves on, whatever becomes of B)
"""

from collections.abc import Sequence
from datetime import datetime

from penstock_operator.core.observed_endpoint import DeploymentView, Unit
from penstock_operator.core.revisions import History
from penstock_operator.core.rollout import Rollout, ready_in_time
from penstock_operator.core.serving import Scene
from penstock_operator.core.times import after, read
from penstock_operator.manifests.server import selector_of


def chosen(scene: Scene, rollout: Rollout | None, now: datetime) -> Unit | None:
    """Whom the Service should select; None where there is nobody yet.

    The wanted version once all of it is ready in time. Until then what answers, then what did last. Where
    nothing else is there, the wanted one before it is ready: its pods take traffic one by one.
    """
    takes_over = scene.wanted_ready if rollout is None else _may_serve(scene, rollout, now)
    if takes_over:
        return scene.wanted
    if scene.answers:
        return scene.selected
    last = scene.deployment(scene.last_stable)
    if last is not None and last.available > 0:
        return scene.last_stable
    if scene.last_stable is None:
        # Nothing has ever served: what could not start need not wait for its successor, nor take its room.
        return scene.wanted or scene.current
    found = next((one for one in (scene.selected, scene.last_stable) if scene.deployment(one)), None)
    if found is None and rollout is not None and rollout.refused:
        return scene.current
    return found or scene.wanted or scene.current


def _may_serve(scene: Scene, rollout: Rollout, now: datetime) -> bool:
    if rollout.refused:
        return False
    # Where nothing answers, late is better than never.
    return ready_in_time(scene, rollout, now) if scene.replacing else scene.wanted_ready


def selector(scene: Scene, unit: Unit) -> dict[str, str]:
    """The labels of a unit's pods on this endpoint."""
    return selector_of(scene.observed.meta.name, unit.version, unit.digest, unit.settings)


def surplus(scene: Scene, rollout: Rollout | None) -> Sequence[DeploymentView]:
    """Deployments that neither serve nor should. While the wanted version is not known, none is."""
    if scene.target is None:
        return ()
    refused = rollout is not None and bool(rollout.refused)
    keep = {
        None if refused else scene.wanted,
        scene.selected,
        None if scene.answers else scene.last_stable,
    }
    return [one for one in scene.observed.deployments if one.unit not in keep]


def switched_at(scene: Scene, shown: Unit | None, history: History, now: datetime) -> datetime | None:
    """When the pods that serve took over. None: nothing served."""
    if shown != scene.last_stable:
        return now
    known = read(str(scene.observed.status.get("switchedAt", "")))
    return known or history.since


def settled_at(switched: datetime | None, seconds: float) -> datetime | None:
    """When every node knows of the last switch, so that what served before may go. None: nothing served."""
    # Times in a status are cut to whole seconds.
    return after(switched, seconds + 1) if switched is not None else None
