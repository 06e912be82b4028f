"""What a ModelEndpoint needs now: a Deployment for the wanted version and its settings, the Service on what
is ready, and what stands beside them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from penstock_operator.core.actions import Action, Apply, Delete, EventNote, Plan
from penstock_operator.core.companions import companions
from penstock_operator.core.companions import unsure as unsure_companions
from penstock_operator.core.endpoint_status import (
    SETTINGS,
    barred,
    hindrance,
    is_settled,
    shown_unit,
    status_of,
)
from penstock_operator.core.lifecycles import lifecycles
from penstock_operator.core.observed import Ref
from penstock_operator.core.observed_endpoint import ObservedEndpoint, Unit
from penstock_operator.core.pod_words import said_by
from penstock_operator.core.revisions import History, history_of
from penstock_operator.core.rollout import Rollout, rollout_of
from penstock_operator.core.serving import Scene, scene_of
from penstock_operator.core.settings import Settings
from penstock_operator.core.switch import chosen, selector, settled_at, surplus, switched_at
from penstock_operator.core.times import after, earliest
from penstock_operator.core.watched import with_monitoring
from penstock_operator.manifests.facade import service
from penstock_operator.manifests.serving import deployment
from penstock_spec import names
from penstock_spec.names import LABEL_SPEC_HASH, Reason

SERVICE = "Service"
DEPLOYMENT = "Deployment"


def plan_endpoint(observed: ObservedEndpoint, now: datetime, settings: Settings) -> Plan:
    """The plan for one ModelEndpoint. The same world always gives the same plan."""
    if observed.meta.deleting:
        return Plan()
    scene = scene_of(observed)
    rollout = rollout_of(scene, now)
    unit = chosen(scene, rollout, now) if scene.spec is not None else None
    leaving = surplus(scene, rollout)
    unsure = _unsure(scene, unit, surplus=bool(leaving))
    if unsure:
        return Plan(confirm=unsure)
    shown = shown_unit(scene)
    history = history_of(scene, shown, now)
    status = status_of(scene, rollout, history, hindrance(scene, rollout, now), now)
    free_at = settled_at(switched_at(scene, shown, history, now), settings.settle)
    may_leave = free_at is None or now >= free_at
    deletions = [Delete(DEPLOYMENT, one.meta.namespace, one.meta.name, one.meta.uid) for one in leaving]
    plan = Plan(
        inquire=_silent(scene, now, settings),
        actions=_applied(scene, rollout, unit, now, settings),
        after=(*_lifecycles(scene), *(deletions if may_leave else ())),
        events=_notes(scene, rollout, history, shown),
        look_again=_look_again(scene, rollout, None if may_leave or not leaving else free_at, now, settings),
    )
    return with_monitoring(scene, plan, status, now, settings)


def _unsure(scene: Scene, unit: Unit | None, *, surplus: bool) -> tuple[Ref, ...]:
    """What has to be read live first.

    Neither a foreign object may be taken over, nor what the Service selects be deleted or left, on a cache's
    word.
    """
    observed = scene.observed
    first = observed.service is None and unit is not None
    refs = [Ref(SERVICE, observed.meta.name)] if surplus or first else []
    refs += [Ref(DEPLOYMENT, scene.unseen)] if scene.unseen else []
    if barred(scene) is None:
        refs += unsure_companions(scene, unit)
    return tuple(ref for ref in refs if ref not in observed.live)


def _silent(scene: Scene, now: datetime, settings: Settings) -> tuple[str, ...]:
    """The wanted version's Deployment, where a pod of it is stuck and does not say why: Events may."""
    found = scene.deployment(scene.wanted)
    if found is None or scene.wanted_ready:
        return ()
    since = after(now, -settings.inquiry_after)
    stuck = [one for one in found.pods if not one.ready and one.meta.created <= since and not said_by(one)]
    return (found.meta.name,) if stuck else ()


def _applied(
    scene: Scene, rollout: Rollout | None, unit: Unit | None, now: datetime, settings: Settings
) -> tuple[Action, ...]:
    """The objects that differ from what they should be."""
    if barred(scene) is not None:
        return ()
    withheld = scene.held_until(now) is not None or (rollout is not None and rollout.refused)
    own = () if withheld else _own_deployment(scene, settings)
    return (*own, *_scaled(scene), *_service(scene, unit), *companions(scene, unit))


def _own_deployment(scene: Scene, settings: Settings) -> Sequence[Action]:
    """The Deployment of the wanted version."""
    server = scene.server
    if server is None:
        return ()
    manifest = deployment(server, settings.pods)
    found = scene.deployment(scene.wanted)
    if found is not None and found.spec_hash == _hash(manifest) and found.replicas == server.replicas:
        return ()
    return (Apply(manifest, names.MANAGER_OPERATOR, force=found is not None),)


def _scaled(scene: Scene) -> Sequence[Action]:
    """What serves follows the scale while another version is wanted; nothing else of it is touched."""
    found = scene.serving
    if found is None or found.unit == scene.wanted or found.replicas == scene.replicas:
        return ()
    manifest = {
        "apiVersion": "apps/v1",
        "kind": DEPLOYMENT,
        # With the uid nothing is made of this, should the Deployment be gone.
        "metadata": {"name": found.meta.name, "namespace": found.meta.namespace, "uid": found.meta.uid},
        "spec": {"replicas": scene.replicas},
    }
    return (Apply(manifest, names.MANAGER_SCALE, force=True),)


def _service(scene: Scene, unit: Unit | None) -> Sequence[Action]:
    if unit is None:
        return ()
    wanted = selector(scene, unit)
    manifest = service(scene.facade, wanted)
    live = scene.observed.service
    if live is not None and live.spec_hash == _hash(manifest) and dict(live.selector) == wanted:
        return ()
    return (Apply(manifest, names.MANAGER_OPERATOR, force=live is not None),)


def _hash(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"]["labels"][LABEL_SPEC_HASH])


def _lifecycles(scene: Scene) -> Sequence[Action]:
    """The registry says what serves once it has been recorded here."""
    target = scene.target
    if target is None or not is_settled(scene) or shown_unit(scene) != scene.wanted:
        return ()
    return lifecycles(scene.observed.meta.name, target.version, target.digest, scene.observed.versions)


def _notes(
    scene: Scene, rollout: Rollout | None, history: History, shown: Unit | None
) -> tuple[EventNote, ...]:
    notes = []
    before = scene.last_stable
    if history.began is not None:
        began = history.began
        other = history.entries[-2]["version"] if len(history.entries) > 1 else ""
        words = f"revision {began['revision']}: {began['version']} serves"
        words += f" in place of {other}" if other else ""
        words += f", asked for by {began['actor']}" if began.get("actor") else ""
        notes.append(EventNote(began["reason"], words))
    elif before is not None and before.settings and shown not in (None, before):
        words = f"{before.version} serves with changed settings ({SETTINGS})"
        notes.append(EventNote(Reason.SETTINGS_REPLACED, words))
    known = (scene.observed.status.get("rollout") or {}).get("refused", "")
    if rollout is not None and rollout.refused and rollout.refused != known:
        notes.append(EventNote(Reason.DEADLINE_EXCEEDED, rollout.refused, warning=True))
    return tuple(notes)


def _look_again(
    scene: Scene, rollout: Rollout | None, free_at: datetime | None, now: datetime, settings: Settings
) -> datetime | None:
    if is_settled(scene) and free_at is None:
        return None
    waits = rollout is not None and not rollout.refused and now < rollout.due
    due = rollout.due if waits and rollout is not None else None
    stuck = after(now, settings.inquiry_after) if waits else None
    return earliest(free_at, scene.held_until(now), due, stuck, after(now, settings.resync))
