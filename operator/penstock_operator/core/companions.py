"""What stands beside the Service: the autoscaler where one is asked for, and the disruption budget.

Nobody else may change them: what differs is put right. None of them is worth holding up what serves.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from penstock_operator.core.actions import COMPANIONS, Action, Apply, Delete
from penstock_operator.core.observed import Ref
from penstock_operator.core.observed_endpoint import CompanionView, Unit
from penstock_operator.core.scaling import autoscaler_of, holds
from penstock_operator.core.serving import Scene
from penstock_operator.core.switch import selector
from penstock_operator.core.target import Problem
from penstock_operator.manifests.facade import budget
from penstock_spec import names
from penstock_spec.names import Reason

AUTOSCALER, BUDGET = COMPANIONS


def _views(scene: Scene) -> Mapping[str, CompanionView | None]:
    return {AUTOSCALER: scene.observed.autoscaler, BUDGET: scene.observed.budget}


def _wanted(scene: Scene, unit: Unit | None) -> Mapping[str, dict[str, Any] | None]:
    """Each companion as it should be; None where there should be none."""
    if scene.spec is None:
        return {}
    return {
        AUTOSCALER: autoscaler_of(scene.facade, scene.spec.scale),
        BUDGET: budget(scene.facade, selector(scene, unit)) if unit is not None else None,
    }


def unsure(scene: Scene, unit: Unit | None) -> Iterator[Ref]:
    """Those that are made for the first time: somebody else's object of that name is left alone."""
    name = scene.observed.meta.name
    for kind, manifest in _wanted(scene, unit).items():
        if manifest is not None and _views(scene)[kind] is None:
            yield Ref(kind, name)


def companions(scene: Scene, unit: Unit | None) -> Iterator[Action]:
    """The writes that bring them to what they should be."""
    meta = scene.observed.meta
    for kind, manifest in _wanted(scene, unit).items():
        view = _views(scene)[kind]
        if view is not None and view.meta.owner_uid != meta.uid:
            continue
        if manifest is None:
            if view is not None and kind == AUTOSCALER and not view.meta.deleting:
                yield Delete(kind, meta.namespace, meta.name, view.meta.uid)
            continue
        action = Apply(manifest, names.MANAGER_OPERATOR, force=view is not None)
        if action.key not in scene.observed.refusals and (view is None or not _same(view, manifest)):
            yield action


def _same(view: CompanionView, manifest: Mapping[str, Any]) -> bool:
    return holds(view.spec, manifest["spec"])


def collision(scene: Scene) -> Problem | None:
    """What keeps a companion from being made, in words."""
    meta = scene.observed.meta
    for kind, view in _views(scene).items():
        refusal = scene.observed.refusals.get(f"{kind} {meta.name}")
        if refusal is not None:
            return Problem(refusal.reason, refusal.message)
        asked = kind == BUDGET or (scene.spec is not None and scene.spec.scale.max_replicas is not None)
        if asked and view is not None and view.meta.owner_uid != meta.uid:
            words = f"a {kind} {meta.name} that is not this endpoint's holds its name; delete or rename it"
            return Problem(Reason.NAME_COLLISION, words)
    return None
