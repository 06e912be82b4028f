"""What keeps a serving pod from being ready, in its own words."""

from collections.abc import Mapping

from penstock_operator.core.observed import ContainerView, PodView, Trouble
from penstock_operator.core.observed_endpoint import DeploymentView
from penstock_operator.core.text import last_line, one_line

_QUIET = ("", "PodInitializing", "ContainerCreating")
_LENGTH = 300


def why_not_ready(deployment: DeploymentView, troubles: Mapping[str, Trouble]) -> str:
    """What the first pod that does not run says of itself, or what Events say of it; else empty."""
    if deployment.replica_failure:
        return one_line(deployment.replica_failure, _LENGTH)
    for pod in deployment.pods:
        words = said_by(pod)
        if words:
            return words
    trouble = troubles.get(deployment.meta.name)
    return one_line(f"{trouble.reason}: {trouble.message}", _LENGTH) if trouble is not None else ""


def said_by(pod: PodView) -> str:
    """What a pod that does not run says of itself; empty where it says nothing."""
    if pod.ready:
        return ""
    if pod.unschedulable:
        return one_line(pod.unschedulable, _LENGTH)
    for one in pod.containers:
        words = _said(one)
        if words:
            return one_line(f"{one.name}: {words}", _LENGTH)
    return ""


def _said(one: ContainerView) -> str:
    if one.last_exit_code is not None and one.exit_code is None:
        # A loop of restarts: the end of the last try says more than the pause before the next, or its start.
        waiting = f"{one.waiting_reason}, " if one.waiting_reason not in _QUIET else ""
        return f"{waiting}{_end(one.last_reason, one.last_exit_code, one.last_message)}"
    if one.waiting_reason not in _QUIET:
        return f"{one.waiting_reason} {one.waiting_message}"
    if one.exit_code:
        return _end(one.terminated_reason, one.exit_code, one.message)
    return ""


def _end(reason: str, code: int, message: str) -> str:
    said = last_line(message)
    return f"{reason or 'ended'} with exit code {code}" + (f": {said}" if said else "")
