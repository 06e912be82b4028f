"""What the demo shows: headings, the live table of a run's steps, the closing tables and commands."""

import shlex
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hack.cluster.cluster import Cluster
from hack.cluster.errors import ClusterError
from hack.project import get, kubectl

CONSOLE = Console(highlight=False, soft_wrap=True)
STYLES = {
    "Succeeded": "green",
    "Reused": "cyan",
    "Running": "yellow",
    "Starting": "yellow",
    "Retrying": "magenta",
    "Failed": "red",
    "Blocked": "red",
}
PATIENCE_SECONDS = 600


def heading(text: str) -> None:
    """Begin a part."""
    CONSOLE.print(f"\n[bold]── {text}[/bold]")


def follow(cluster: Cluster, namespace: str, run: str) -> None:
    """Show the run's steps until it has finished: a live table, or a line per change where nobody watches.

    Raises ClusterError when the run fails or takes ten minutes.
    """
    print(f"$ kubectl get pipelinerun {run} -n {namespace} --watch", flush=True)
    live = Live(console=CONSOLE, auto_refresh=False) if sys.stdout.isatty() else nullcontext()
    shown: dict[str, str] = {}
    with live:
        for status in statuses(cluster, namespace, run):
            if isinstance(live, Live):
                live.update(steps_table(status), refresh=True)
            else:
                print_changes(status, shown)
    if status.get("status") != "Succeeded":
        raise ClusterError(f"run {run} is {status.get('status')}: {status.get('message')}")


def statuses(cluster: Cluster, namespace: str, run: str) -> Iterator[dict[str, Any]]:
    """The run's status, four times a second until it has finished. Raises ClusterError after ten minutes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        status: dict[str, Any] = get(cluster, "pipelinerun", run, namespace).get("status", {})
        yield status
        if any(one["type"] == "Finished" and one["status"] == "True" for one in status.get("conditions", ())):
            return
        if time.monotonic() > deadline:
            words = f"{status.get('status')} after ten minutes: {status.get('message')}"
            raise ClusterError(f"run {run} is still {words}")
        time.sleep(0.25)


def print_changes(status: dict[str, Any], shown: dict[str, str]) -> None:
    """A line for each step whose state is not the one in `shown`, which is brought up to date."""
    for step in status.get("steps", ()):
        if shown.get(step["name"], "Waiting") != step["state"]:
            shown[step["name"]] = step["state"]
            text = step.get("message") or step.get("why", "")
            print(f"  {step['name']:<8} {step['state']:<10} {text}", flush=True)


def steps_table(status: dict[str, Any]) -> Table:
    """The steps of a run as rows; the message alone gives way where the terminal is narrow."""
    title = f"{status.get('status', 'Waiting')}  {status.get('progress', '')}"
    table = Table(title=title, title_justify="left", box=None)
    steps = status.get("steps", ())
    room = CONSOLE.width - 2  # rich shrinks all columns alike, so the last one is told what is left for it
    for column in ("name", "kind", "state", "reason"):
        width = max([len(column), *(len(step.get(column, "")) for step in steps)])
        table.add_column("STEP" if column == "name" else column.upper(), no_wrap=True, width=width)
        room -= width + 2
    table.add_column("MESSAGE", no_wrap=True, overflow="ellipsis", max_width=max(room, 10))
    for step in steps:
        style = STYLES.get(step["state"], "dim")
        text = step.get("message") or step.get("why", "")
        state = Text(step["state"], style=style)
        table.add_row(step["name"], step["kind"], state, step.get("reason", ""), Text(text))
    return table


def post(url: str, body: bytes) -> str:
    """The answer to one POST of JSON."""
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json"})  # noqa: S310 - our own http URL
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the same
        return str(answer.read().decode())


def tables(cluster: Cluster, namespace: str) -> None:
    """`kubectl get` of every kind."""
    for kind in ("pipelines", "pipelineruns", "modelversions", "modelendpoints"):
        print(f"\n$ kubectl get {kind} -n {namespace}")
        print(kubectl(cluster, "get", kind, "-n", namespace), end="")


def next_commands(cluster: Cluster, namespace: str) -> None:
    """What to try now."""
    heading("What to try next")
    environment = f".venv/bin/python -m hack.cluster env --name {shlex.quote(cluster.name)}"
    print(
        f"""  eval "$({environment})"   # point kubectl at this cluster
  kubectl get penstock -n {namespace}                      # everything of Penstock's
  kubectl describe pipelinerun -n {namespace}              # each step with its reason
  kubectl explain pipeline.spec.steps.train          # the documentation of a field
  kubectl edit pipeline tumour -n {namespace}              # another threshold: only the gate runs again
  kubectl port-forward svc/tumour 8080:80 -n {namespace}   # then ask http://localhost:8080/v2/models/tumour/infer
  make demo-down                                     # remove it all"""
    )
