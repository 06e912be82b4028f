"""`python -m bench.orders NAMESPACE`: how soon a cancel, a suspension and its end are shown, in milliseconds.

From the API server's answer to the order until a watch brings the status that tells of it. Beside them stands
the echo: the same for a change that nobody acts upon. What an order takes beyond that is Penstock's. Needs a
cluster with Penstock (of the current context, or --kubeconfig) and a namespace with its Secret of the store.
"""

import argparse
import contextlib
import secrets
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kubernetes import client, config, watch

GROUP, VERSION, RUNS = "penstock.dev", "v1alpha1", "pipelineruns"
OPERATOR = "app.kubernetes.io/component=operator"
PATIENCE = 120.0  # seconds
Run = Mapping[str, Any]


class Watched:
    """What a watch has shown of the runs, and when."""

    def __init__(self, api: client.CustomObjectsApi, namespace: str) -> None:
        self._api, self._namespace = api, namespace
        self._seen: list[tuple[float, Run]] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while True:
            # An API server may end a watch at any time: the next one begins with what is there.
            with contextlib.suppress(client.ApiException):
                self._listen()

    def _listen(self) -> None:
        where = (GROUP, VERSION, self._namespace, RUNS)
        for event in watch.Watch().stream(self._api.list_namespaced_custom_object, *where):
            with self._changed:
                self._seen.append((time.perf_counter(), event["object"]))
                self._changed.notify_all()

    def when(self, name: str, shows: Callable[[Run], bool], since: float = 0.0) -> float:
        """The moment at which the run `name` first showed it after `since`; waits for that."""

        def shown() -> list[float]:
            return [at for at, run in self._seen if at >= since and _is(run, name) and shows(run)]

        with self._changed:
            if not self._changed.wait_for(shown, PATIENCE):
                look = f"kubectl get plr {name} -n {self._namespace} -o yaml"
                raise SystemExit(f"run {name} did not show it in {PATIENCE:.0f} s: {look}")
            return shown()[0]


def main() -> int:
    """Order, wait, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.orders", description=__doc__)
    parser.add_argument("namespace", help="an existing one, with the Secret penstock-store")
    parser.add_argument("--kubeconfig", default=None, help="default: as kubectl's")
    parser.add_argument("--rounds", type=int, default=20, help="runs, one after the other (default: 20)")
    arguments = parser.parse_args()
    config.load_kube_config(arguments.kubeconfig)
    api, namespace = client.CustomObjectsApi(), arguments.namespace
    name = f"bench-orders-{secrets.token_hex(3)}"
    api.create_namespaced_custom_object(GROUP, VERSION, namespace, "pipelines", sleeper(name, image()))
    figures: dict[str, list[float]] = {}
    try:
        watched = Watched(api, namespace)
        for number in range(arguments.rounds):
            for what, taken in measure(api, watched, namespace, name, f"{name}-{number}").items():
                figures.setdefault(what, []).append(1000 * taken)
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
    finally:
        api.delete_namespaced_custom_object(GROUP, VERSION, namespace, "pipelines", name)
    print(table(figures))
    return 0


def image() -> str:
    """The operator's own image: it is on the nodes, and has a Python."""
    found = client.CoreV1Api().list_pod_for_all_namespaces(label_selector=OPERATOR).items
    if not found:
        raise SystemExit("no operator runs here: install the chart first (docs/install.md)")
    return str(found[0].spec.containers[0].image)


def sleeper(name: str, of: str) -> dict[str, Any]:
    """A pipeline of one step that goes on until it is cancelled; nothing but this benchmark starts it."""
    program = ["python", "-c", "import time; time.sleep(600)"]
    small = {"resources": {"cpu": "10m", "memory": "64Mi"}}
    steps = [{"name": "long", "run": {"image": of, "command": program}, **small}]
    spec = {"steps": steps, "policy": {"onChange": "Wait", "concurrency": "Allow"}}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Pipeline",
        "metadata": {"name": name},
        "spec": spec,
    }


def measure(
    api: client.CustomObjectsApi, watched: Watched, namespace: str, pipeline: str, name: str
) -> dict[str, float]:
    """Seconds that each order takes, on one run under way."""
    about = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "PipelineRun", "metadata": {"name": name}}
    api.create_namespaced_custom_object(
        GROUP, VERSION, namespace, RUNS, {**about, "spec": {"pipeline": pipeline}}
    )
    watched.when(name, lambda run: _state(run) == "Running")

    def ordered(change: Mapping[str, Any], shows: Callable[[Run], bool]) -> float:
        sent = time.perf_counter()
        api.patch_namespaced_custom_object(GROUP, VERSION, namespace, RUNS, name, change)
        answered = time.perf_counter()
        return max(0.0, watched.when(name, shows, sent) - answered)

    marked = {"metadata": {"annotations": {"bench": "echo"}}}
    return {
        "echo": ordered(marked, lambda run: "bench" in (run["metadata"].get("annotations") or {})),
        "suspend": ordered({"spec": {"suspend": True}}, lambda run: _word(run) == "Suspended"),
        "go on": ordered({"spec": {"suspend": False}}, lambda run: _word(run) == "Running"),
        "cancel": ordered({"spec": {"cancel": True}}, lambda run: _word(run) == "Cancelled"),
    }


def table(figures: Mapping[str, Sequence[float]]) -> str:
    """Medians and worst cases by order, and the median beyond the echo's."""
    echo = statistics.median(figures["echo"])
    lines = ["| order | median ms | worst ms | median beyond the echo, ms |", "|---|---|---|---|"]
    for what, taken in figures.items():
        median = statistics.median(taken)
        beyond = "" if what == "echo" else f"{median - echo:.0f}"
        lines.append(f"| {what} | {median:.0f} | {max(taken):.0f} | {beyond} |")
    return "\n".join(lines)


def _is(run: Run, name: str) -> bool:
    return bool(run["metadata"]["name"] == name)


def _word(run: Run) -> str:
    return str((run.get("status") or {}).get("status", ""))


def _state(run: Run) -> str:
    steps = (run.get("status") or {}).get("steps") or [{}]
    return str(steps[0].get("state", ""))


if __name__ == "__main__":
    sys.exit(main())
