"""The demo's second half: traffic as in training, then drifted traffic, until the endpoint names it."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from examples import traffic
from hack.cluster.cluster import Cluster
from hack.cluster.errors import ClusterError
from hack.cluster.shell import say
from hack.demo import show
from hack.load import sending
from hack.project import get, kubectl, pods_of

ENDPOINT = "tumour"
EVERY = "15s"
RATE = 40.0  # requests per second: 600 rows a window, three times what a verdict needs
SHIFT = {"mean_texture": 0.5, "worst_symmetry": 0.5}  # standard deviations
CALM_WINDOWS = 3
PATIENCE_SECONDS = 240


def watched(cluster: Cluster, namespace: str, table: Path) -> None:
    """Show three calm windows, then drift. Raises ClusterError where the endpoint says something else."""
    rows = traffic.read(table)
    settled(cluster, namespace)
    last = _last_window(_monitoring(cluster, namespace))
    with sending(cluster, namespace, ENDPOINT, rows, rate=RATE) as answers:
        say(f"traffic as in training: {RATE:.0f} requests per second; a verdict every {EVERY}")
        for window in _windows(cluster, namespace, last):
            _tell(window)
            last = window["end"]
            if window["verdict"] == "Drifted":
                raise ClusterError(f"traffic as in training was taken for drift: {window}")
            if _calm(cluster, namespace) >= CALM_WINDOWS:
                break
    _all_answered(answers)
    with sending(cluster, namespace, ENDPOINT, rows, rate=RATE, shift=SHIFT) as answers:
        words = " and ".join(f"{name} by {amount:g} standard deviations" for name, amount in SHIFT.items())
        say(f"now shifted: {words}")
        for window in _windows(cluster, namespace, last):
            _tell(window)
            if _condition(cluster, namespace).get("status") == "True":
                break
    _all_answered(answers)
    print(f"\n$ kubectl get modelendpoints -n {namespace}")
    print(kubectl(cluster, "get", "modelendpoints", "-n", namespace), end="")
    print(f"\n{_condition(cluster, namespace)['message']}")
    missing = [name for name in SHIFT if name not in _condition(cluster, namespace)["message"]]
    if missing:
        raise ClusterError(f"the message does not name {', '.join(missing)}")


def settled(cluster: Cluster, namespace: str) -> None:
    """Wait until no pod of the endpoint is on its way out. Raises ClusterError after four minutes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any("deletionTimestamp" in one["metadata"] for one in pods_of(cluster, namespace, ENDPOINT)):
        if time.monotonic() > deadline:
            raise ClusterError(
                f"an old pod of endpoint {ENDPOINT} does not go: kubectl get pods -n {namespace}"
            )
        time.sleep(0.5)


def _all_answered(answers: Counter[str]) -> None:
    say(", ".join(f"{count} answers {status}" for status, count in sorted(answers.items())))


def _monitoring(cluster: Cluster, namespace: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (
        get(cluster, "modelendpoint", ENDPOINT, namespace).get("status", {}).get("monitoring", {})
    )
    return found


def _condition(cluster: Cluster, namespace: str) -> Mapping[str, Any]:
    conditions = get(cluster, "modelendpoint", ENDPOINT, namespace).get("status", {}).get("conditions", ())
    return next((one for one in conditions if one["type"] == "Drifted"), {})


def _last_window(monitoring: Mapping[str, Any]) -> str:
    return str(monitoring.get("lastWindow", ""))


def _calm(cluster: Cluster, namespace: str) -> int:
    """How many of the newest windows in a row were judged and calm."""
    count = 0
    for window in reversed(_monitoring(cluster, namespace).get("windows", ())):
        if window["verdict"] != "NotDrifted":
            break
        count += 1
    return count


def _windows(cluster: Cluster, namespace: str, last: str) -> Iterator[Mapping[str, Any]]:
    """Windows as they are judged, after the one that ended at `last`. ClusterError after four minutes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        for window in _monitoring(cluster, namespace).get("windows", ()):
            if window["end"] > last:
                last = window["end"]
                yield window
        if time.monotonic() > deadline:
            words = _condition(cluster, namespace).get("message", "no condition Drifted yet")
            raise ClusterError(f"the endpoint did not say what was expected within four minutes: {words}")
        time.sleep(0.5)


def _tell(window: Mapping[str, Any]) -> None:
    named = ", ".join(window.get("drifted", ()))
    show.CONSOLE.print(
        f"  {window['end']}  {window['verdict']:<10}  {window.get('rows', 0):>5} rows  {named}",
        soft_wrap=True,
    )
