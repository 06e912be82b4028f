"""The Pod Security level "restricted", written a second time: what an API server would refuse.

Source: Kubernetes documentation, Pod Security Standards (baseline and restricted).
"""

from collections.abc import Iterator, Mapping
from typing import Any

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
SECCOMP = {"RuntimeDefault", "Localhost"}


def violations(pod: Mapping[str, Any]) -> list[str]:
    """What of a pod's spec the level forbids, in words; empty when it is allowed."""
    return [*_of_pod(pod), *(f"{name}: {words}" for name, words in _of_containers(pod))]


def _of_pod(pod: Mapping[str, Any]) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield f"{field} is set"
    for volume in pod.get("volumes", ()):
        if bad := set(volume) - VOLUMES - {"name"}:
            yield f"volume {volume['name']} is a {', '.join(bad)}"
    for field in ("sysctls", "windowsOptions"):
        if pod.get("securityContext", {}).get(field):
            yield f"securityContext.{field} is set"


def _of_containers(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    shared = pod.get("securityContext", {})
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in pod.get(kind, ()):
            for words in _of_container(container, shared):
                yield container["name"], words


def _of_container(container: Mapping[str, Any], shared: Mapping[str, Any]) -> Iterator[str]:
    own = container.get("securityContext", {})
    capabilities = own.get("capabilities", {})
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if "ALL" not in capabilities.get("drop", ()):
        yield "does not drop ALL capabilities"
    if set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield "adds capabilities"
    if own.get("runAsNonRoot", shared.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot is not true"
    if own.get("runAsUser", shared.get("runAsUser")) == 0:
        yield "runs as user 0"
    if own.get("seccompProfile", shared.get("seccompProfile", {})).get("type") not in SECCOMP:
        yield "has no seccomp profile"
    if own.get("procMount", "Default") != "Default":
        yield "has another procMount"
    if any(port.get("hostPort") for port in container.get("ports", ())):
        yield "has a host port"
    probes = ("livenessProbe", "readinessProbe", "startupProbe")
    if any("host" in container.get(probe, {}).get("httpGet", {}) for probe in probes):
        yield "has a probe of another host"
