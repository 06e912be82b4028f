"""The status of a ModelEndpoint: what serves, what is on its way, and what stands in its way."""

from datetime import datetime
from typing import Any

from penstock_operator.core.conditions import Wanted, merged
from penstock_operator.core.observed import DeploymentView
from penstock_operator.core.serving import Problem, Scene
from penstock_operator.core.text import one_line, sentence
from penstock_operator.core.times import stamp
from penstock_spec.names import Condition, Reason


def hindrance(scene: Scene) -> Problem | None:
    """Why the wanted version does not come to serve; None while there is hope."""
    if scene.problem is not None:
        return scene.problem
    server, observed = scene.server, scene.observed
    if server is None:
        return None
    service = observed.service
    if service is not None and service.meta.owner_uid != observed.meta.uid:
        words = (
            f"a Service {service.meta.name} that is not this endpoint's holds its name; delete or rename it"
        )
        return Problem(Reason.NAME_COLLISION, words)
    for name in (server.name, observed.meta.name):
        refusal = observed.refusals.get(name)
        if refusal is not None:
            return Problem(refusal.reason, refusal.message)
    found = scene.deployment(server.version)
    if found is not None and found.progress_failed and not scene.wanted_ready:
        words = _why_not_ready(found) or found.progress_failed
        command = f"kubectl describe deployment -n {observed.meta.namespace} {found.meta.name}"
        return Problem(
            Reason.DEADLINE_EXCEEDED, f"{server.version} did not get ready in time: {words}; {command}"
        )
    return None


def _why_not_ready(deployment: DeploymentView) -> str:
    """What the first pod that does not run says of itself."""
    for pod in deployment.pods:
        if pod.unschedulable:
            return one_line(pod.unschedulable, 300)
        for container in pod.containers:
            if container.waiting_reason not in ("", "PodInitializing", "ContainerCreating"):
                return one_line(
                    f"{container.name}: {container.waiting_reason} {container.waiting_message}", 300
                )
    return ""


def status_of(scene: Scene, now: datetime) -> dict[str, Any]:
    """The whole status to write."""
    observed = scene.observed
    stable = scene.selected
    serving = scene.deployment(stable) if stable else None
    ready = serving is not None and serving.available > 0
    problem = hindrance(scene)
    settled = scene.server is not None and stable == scene.server.version and scene.wanted_ready
    reason, message = _words(scene, problem, ready=ready, settled=settled)
    meta = observed.meta
    wanted = (
        Wanted(Condition.READY, ready, Reason.SERVING if ready else reason, "" if ready else message),
        Wanted(Condition.RECONCILING, problem is None and not settled, reason),
        Wanted(Condition.STALLED, problem is not None, reason, message if problem is not None else ""),
    )
    # Before the first version is ready the Service selects it already, but nothing is stable yet.
    was = str(observed.status.get("stable", ""))
    shown = stable if ready or was == stable else was
    status: dict[str, Any] = {
        "observedGeneration": meta.generation,
        "conditions": merged(observed.status.get("conditions", ()), wanted, meta.generation, stamp(now)),
        "stable": shown,
        "stableDigest": _digest(scene, shown),
        "next": scene.server.version
        if scene.server is not None and not settled and shown != scene.server.version
        else "",
        "replicas": f"{serving.ready}/{scene.replicas}" if serving is not None else "",
        "url": f"http://{meta.name}.{meta.namespace}.svc" if observed.service is not None else "",
        "message": message,
    }
    return {key: value for key, value in status.items() if value != ""}


def _words(scene: Scene, problem: Problem | None, *, ready: bool, settled: bool) -> tuple[str, str]:
    if problem is not None:
        still = f"{scene.selected} goes on serving" if ready else ""
        return problem.reason, sentence(problem.message, still)
    version = scene.server.version if scene.server is not None else ""
    if settled:
        return Reason.SERVING, f"{version} serves"
    found = scene.deployment(version)
    figures = f"{found.available} of {scene.replicas} pods ready" if found is not None else "being created"
    words = f"{version} starts: {figures}"
    trouble = _why_not_ready(found) if found is not None else ""
    return (Reason.ROLLING_OUT if ready else Reason.STARTING), sentence(words, trouble)


def _digest(scene: Scene, version: str) -> str:
    """The digest of the stable version; as last written where its record has been deleted."""
    found = scene.version(version) if version else None
    if found is not None:
        return found.digest
    before = scene.observed.status
    return str(before.get("stableDigest", "")) if version and before.get("stable") == version else ""
