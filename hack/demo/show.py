"""What the demo shows: headings, the live table of a run's steps, the closing tables and commands."""

import shlex
import sys
import time
import urllib.request
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

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
    """Show the run's steps until it has finished. Raises ClusterError when it fails or takes ten minutes."""
    print(f"$ kubectl get pipelinerun {run} -n {namespace} --watch")
    deadline = time.monotonic() + PATIENCE_SECONDS
    with Live(console=CONSOLE, auto_refresh=False, transient=not sys.stdout.isatty()) as live:
        while True:
            status: dict[str, Any] = get(cluster, "pipelinerun", run, namespace).get("status", {})
            table = steps_table(status)
            live.update(table, refresh=sys.stdout.isatty())
            if any(
                one["type"] == "Finished" and one["status"] == "True" for one in status.get("conditions", ())
            ):
                break
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"run {run} is still {status.get('status')} after ten minutes: {status.get('message')}"
                )
            time.sleep(0.25)
    if not sys.stdout.isatty():
        CONSOLE.print(table)
    if status.get("status") != "Succeeded":
        raise ClusterError(f"run {run} is {status.get('status')}: {status.get('message')}")


def steps_table(status: dict[str, Any]) -> Table:
    """The steps of a run as rows."""
    table = Table(
        title=f"{status.get('status', 'Waiting')}  {status.get('progress', '')}",
        title_justify="left",
        box=None,
    )
    for column in ("STEP", "KIND", "STATE", "REASON", "MESSAGE"):
        table.add_column(column, overflow="ellipsis", max_width=80, no_wrap=True)
    for step in status.get("steps", ()):
        state = step["state"]
        style = STYLES.get(state, "dim")
        text = step.get("message") or step.get("why", "")
        table.add_row(step["name"], step["kind"], f"[{style}]{state}[/{style}]", step.get("reason", ""), text)
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
  kubectl edit pipeline tumour -n {namespace}              # another threshold: only gate and serve run again
  make demo-down                                     # remove it all"""
    )
