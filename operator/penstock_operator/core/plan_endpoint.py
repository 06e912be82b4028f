"""What a ModelEndpoint needs now: a Deployment for the wanted version, and the Service on the version that
is ready.

version A serves ──► Deployment B made ──► all of B ready ──► Service selects B ──► Deployment A deleted
                     (A serves on, whatever becomes of B)
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from penstock_operator.core.actions import Action, Apply, Delete, EventNote, Plan
from penstock_operator.core.endpoint_status import hindrance, status_of
from penstock_operator.core.lifecycles import lifecycles
from penstock_operator.core.observed import DeploymentView, ObservedEndpoint, Ref
from penstock_operator.core.serving import Scene, scene_of
from penstock_operator.core.settings import Settings
from penstock_operator.core.times import after
from penstock_operator.manifests.serving import Server, deployment, service
from penstock_spec import names
from penstock_spec.names import LABEL_SPEC_HASH, Reason

SERVICE = "Service"
DEPLOYMENT = "Deployment"


def plan_endpoint(observed: ObservedEndpoint, now: datetime, settings: Settings) -> Plan:
    """The plan for one ModelEndpoint. The same world always gives the same plan."""
    if observed.meta.deleting:
        return Plan()
    scene = scene_of(observed)
    surplus = _surplus(scene)
    unsure = _unsure(scene, surplus=bool(surplus))
    if unsure:
        return Plan(confirm=unsure)
    status = status_of(scene, now)
    settled = status.get("stable") == _wanted(scene) and not status.get("next")
    moved = lifecycles(observed.meta.name, _wanted(scene), observed.versions) if settled else ()
    deletions = tuple(Delete(DEPLOYMENT, one.meta.namespace, one.meta.name, one.meta.uid) for one in surplus)
    return Plan(
        actions=_applied(scene, settings),
        status=status if status != observed.status else None,
        after=(*moved, *deletions),
        events=_notes(scene, str(status.get("stable", ""))),
        look_again=None if settled else after(now, settings.resync),
    )


def _unsure(scene: Scene, *, surplus: bool) -> tuple[Ref, ...]:
    """What has to be read live first.

    Neither a foreign Service may be taken over, nor what the Service selects be deleted or left, on a cache's
    word.
    """
    observed = scene.observed
    first = observed.service is None and scene.server is not None
    refs = [Ref(SERVICE, observed.meta.name)] if surplus or first else []
    refs += [Ref(DEPLOYMENT, scene.unseen)] if scene.unseen else []
    return tuple(ref for ref in refs if ref not in observed.live)


def _wanted(scene: Scene) -> str:
    return scene.server.version if scene.server is not None else ""


def _applied(scene: Scene, settings: Settings) -> tuple[Action, ...]:
    """The objects that differ from what they should be."""
    server, observed = scene.server, scene.observed
    if server is None or _refused(scene):
        return ()
    actions: list[Action] = []
    manifest = deployment(server, settings.pods)
    found = scene.deployment(server.version)
    if found is None or found.spec_hash != _hash(manifest) or found.replicas != server.replicas:
        actions.append(Apply(manifest, names.MANAGER_OPERATOR))
    selector = _selector(scene, server)
    facade = service(observed.meta.namespace, observed.meta.name, observed.meta.uid, selector)
    live = observed.service
    if live is None or live.spec_hash != _hash(facade) or dict(live.selector) != selector:
        actions.append(Apply(facade, names.MANAGER_OPERATOR))
    return tuple(actions)


def _refused(scene: Scene) -> bool:
    """Whether writing again would be refused again: somebody else's object, or a field that somebody else
    owns.
    """
    problem = hindrance(scene)
    return problem is not None and problem.reason != Reason.DEADLINE_EXCEEDED


def _selector(scene: Scene, server: Server) -> dict[str, str]:
    """Whom the Service should select: the wanted version once it is ready, or where nothing else serves."""
    current = scene.selected or scene.last_stable
    if scene.wanted_ready or not current or scene.deployment(current) is None:
        return server.selector
    return {**server.selector, names.LABEL_MODEL_VERSION: current}


def _hash(manifest: Mapping[str, Any]) -> str:
    return str(manifest["metadata"]["labels"][LABEL_SPEC_HASH])


def _surplus(scene: Scene) -> list[DeploymentView]:
    """Deployments that neither serve nor should. While the wanted version is not known, none is."""
    keep = (_wanted(scene), scene.selected, "" if scene.selected else scene.last_stable)
    return scene.others(keep) if scene.server is not None else []


def _notes(scene: Scene, stable: str) -> tuple[EventNote, ...]:
    before = str(scene.observed.status.get("stable", ""))
    if not stable or stable == before:
        return ()
    return (EventNote(Reason.SERVING, f"{stable} serves" + (f" in place of {before}" if before else "")),)
