"""The status of a ModelEndpoint: what serves, what is on its way, and what stands in its way."""

from datetime import datetime
from typing import Any

from penstock_operator.core.companions import collision
from penstock_operator.core.conditions import Wanted, merged
from penstock_operator.core.observed_endpoint import DeploymentView, Unit
from penstock_operator.core.pod_words import why_not_ready
from penstock_operator.core.revisions import History
from penstock_operator.core.rollout import Rollout
from penstock_operator.core.serving import Scene
from penstock_operator.core.switch import selector, switched_at
from penstock_operator.core.target import Problem
from penstock_operator.core.text import sentence
from penstock_operator.core.times import stamp
from penstock_spec.names import Condition, Reason

SETTINGS = "spec.server, spec.resources, spec.authentication"


def barred(scene: Scene) -> Problem | None:
    """Why nothing may be written, or would be refused again; None where writes make sense."""
    server, observed = scene.server, scene.observed
    if scene.spec is None:
        return scene.problem
    service = observed.service
    if service is not None and service.meta.owner_uid != observed.meta.uid:
        words = (
            f"a Service {service.meta.name} that is not this endpoint's holds its name; delete or rename it"
        )
        return Problem(Reason.NAME_COLLISION, words)
    for name in (server.name if server is not None else "", observed.meta.name):
        refusal = observed.refusals.get(name)
        if refusal is not None:
            return Problem(refusal.reason, refusal.message)
    return None


def hindrance(scene: Scene, rollout: Rollout | None, now: datetime) -> Problem | None:
    """Why the wanted version does not come to serve; None while there is hope."""
    found = barred(scene) or scene.problem
    if found is not None:
        return found
    if rollout is not None and rollout.refused:
        return Problem(Reason.DEADLINE_EXCEEDED, sentence(rollout.refused, _again(scene)))
    late = _late(scene, rollout, now)
    return late or collision(scene)


def _again(scene: Scene) -> str:
    """What to do about a refusal."""
    if scene.same_model:
        return f"set {SETTINGS} to what can start, or to what they were"
    return "it is tried again when spec.model changes, its askedBy for example"


def _late(scene: Scene, rollout: Rollout | None, now: datetime) -> Problem | None:
    """A version that is not ready in time where nothing else answers, or whose settings were changed."""
    deployment, server = scene.deployment(scene.wanted), scene.server
    if server is None or scene.wanted_ready:
        return None
    # The controller's own deadline knows nothing of requests: it counts only where there is no roll-out.
    failed = deployment.progress_failed if deployment is not None and rollout is None else ""
    if not failed and (rollout is None or now < rollout.due):
        return None
    words = why_not_ready(deployment, scene.observed.troubles) if deployment is not None else ""
    command = f"kubectl describe deployment -n {scene.observed.meta.namespace} {server.name}"
    what = f"{server.version} did not get ready in time: {words or failed or 'no pod yet'}"
    return Problem(Reason.DEADLINE_EXCEEDED, f"{what}; {command}")


def shown_unit(scene: Scene) -> Unit | None:
    """What the status calls stable: before the first version is ready nothing is, though it is selected."""
    was = scene.last_stable
    return scene.selected if scene.answers or was == scene.selected else was


def status_of(
    scene: Scene, rollout: Rollout | None, history: History, problem: Problem | None, now: datetime
) -> dict[str, Any]:
    """The whole status to write, but for what monitoring adds."""
    observed, meta = scene.observed, scene.observed.meta
    shown, ready = shown_unit(scene), scene.answers
    settled = is_settled(scene)
    reason, message = _words(scene, problem, settled=settled)
    wanted = (
        Wanted(Condition.READY, ready, Reason.SERVING if ready else reason, "" if ready else message),
        Wanted(Condition.RECONCILING, problem is None and not settled, reason),
        Wanted(Condition.STALLED, problem is not None, reason, message if problem is not None else ""),
    )
    on_its_way = rollout is not None and shown != scene.wanted
    switched = switched_at(scene, shown, history, now)
    status: dict[str, Any] = {
        "observedGeneration": meta.generation,
        "conditions": merged(observed.status.get("conditions", ()), wanted, meta.generation, stamp(now)),
        "stable": shown.version if shown is not None else "",
        "stableDigest": scene.digest_of(shown) if shown is not None else "",
        "stableSettings": shown.settings if shown is not None else "",
        "switchedAt": stamp(switched) if switched is not None and shown is not None else "",
        "next": rollout.target.version if rollout and on_its_way and not rollout.refused else "",
        "revision": history.revision or "",
        "history": list(history.entries) or "",
        "rollout": rollout.to_status() if rollout and on_its_way else "",
        **_pods(scene, scene.serving),
        "url": f"http://{meta.name}.{meta.namespace}.svc" if observed.service is not None else "",
        "message": message,
    }
    return {key: value for key, value in status.items() if value != ""}


def is_settled(scene: Scene) -> bool:
    """Whether what should serve does, with all its pods."""
    return scene.wanted is not None and scene.selected == scene.wanted and scene.wanted_ready


def _pods(scene: Scene, serving: DeploymentView | None) -> dict[str, Any]:
    if serving is None:
        return {"replicas": ""}
    labels = ",".join(f"{name}={value}" for name, value in sorted(selector(scene, serving.unit).items()))
    return {
        "replicas": f"{min(serving.ready, scene.replicas)}/{scene.replicas}",
        "pods": {"replicas": serving.existing, "selector": labels},
    }


def _words(scene: Scene, problem: Problem | None, *, settled: bool) -> tuple[str, str]:
    selected = scene.selected
    if problem is not None:
        still = f"{selected.version} goes on serving" if scene.answers and selected is not None else ""
        still += " as before" if still and scene.same_model else ""
        return problem.reason, sentence(problem.message, still)
    version = scene.server.version if scene.server is not None else ""
    if settled:
        pinned = scene.spec is not None and scene.spec.rollback_to is not None
        if pinned:
            return Reason.PINNED, f"{version} serves, pinned by spec.rollbackTo"
        return Reason.SERVING, f"{version} serves"
    found = scene.deployment(scene.wanted)
    trouble = why_not_ready(found, scene.observed.troubles) if found is not None else ""
    reason = Reason.ROLLING_OUT if scene.answers else Reason.STARTING
    return reason, sentence(f"{scene.subject} {_progress(scene, found)}", trouble)


def _progress(scene: Scene, found: DeploymentView | None) -> str:
    """How far the wanted version's pods are."""
    if found is None:
        return "starts: being created"
    if scene.last_stable == scene.selected == scene.wanted and found.available >= scene.replicas:
        return "serves: its pods are being replaced one by one"
    return f"starts: {min(found.available, scene.replicas)} of {scene.replicas} pods ready"
