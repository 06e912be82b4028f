"""What one run costs the API server: every write of the operator counted, and held to a budget.

The budget is for all that is written for the run, also for what only tells people how it goes. Who waits long
is told all the same: a run of slow steps may cost one write more in so many seconds.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from penstock_operator.pace import NEWS_INTERVAL
from tests.shell.fault_proxy import Write, fault_proxy
from tests.shell.operator_process import OperatorProcess
from tests.shell.worlds import at_rest, tumour
from tests.support import Kubectl, pipeline, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

PER_STEP, PER_RUN = 1.5, 10
LONG = 20  # steps, one after the other
QUICK = 5.0  # seconds of a step: those beyond may be told of, one write in so many
# Whose writes they are. A model and an endpoint outlive the run, and are written whoever asks for them.
RUN = ("pipelines/status", "pipelineruns", "pipelineruns/status", "jobs", "controllerrevisions")
REGISTRY = ("configmaps", "modelversions", "modelversions/status")
ENDPOINT = ("modelendpoints", "modelendpoints/status", "deployments", "services", "poddisruptionbudgets")
PER_MODEL, PER_DEPLOY = 6, 8
_TELLING = {"conditions", "reason", "message", "step", "progress", "steps", "model"}
_UNDER_WAY = {"Waiting", "Queued", "Starting", "Running"}


def is_news(write: Write) -> bool:
    """Whether a status patch only tells how it goes, judged by what it changes and not by who sent it."""
    if write.resource not in ("pipelines/status", "pipelineruns/status"):
        return False
    operations = [one for one in json.loads(write.body) if one["op"] != "test"]
    fields = {one["path"].split("/")[2] if one["path"] != "/status" else "" for one in operations}
    states = {one["value"]["state"] for one in operations if one["path"].startswith("/status/steps/")}
    return fields <= _TELLING and states <= _UNDER_WAY


def told(writes: Iterable[Write]) -> dict[str, int]:
    """How much news, by resource."""
    return Counter(one.resource for one in writes if is_news(one))


def table(writes: Iterable[Write]) -> str:
    """The writes by verb and resource."""
    writes = list(writes)
    news = told(writes)
    lines = [f"  {'verb':<8}{'resource':<24}{'count':>5}{'news':>6}"]
    for (verb, resource), count in sorted(Counter((one.verb, one.resource) for one in writes).items()):
        lines.append(f"  {verb:<8}{resource:<24}{count:>5}{news.get(resource, 0) or '':>6}")
    return "\n".join(lines)


def count(writes: Iterable[Write], resources: Iterable[str]) -> int:
    """Those to these resources that are no news."""
    return sum(one.resource in resources and not is_news(one) for one in writes)


def check(writes: list[Write], steps: int, seconds: float, show: Callable[[str], None]) -> None:
    """The budget of a run of so many steps that took so long; what it has cost is shown first."""
    own = sum(one.resource in RUN for one in writes)
    bound = PER_STEP * steps + PER_RUN + max(0.0, seconds - QUICK * steps) / QUICK
    show(f"\n{steps} steps in {seconds:.1f} s: {len(writes)} writes\n{table(writes)}")
    news = own - count(writes, RUN)
    show(f"  for the run: {own}, at most {bound:.1f}; of which only tell how it goes: {news}")
    assert all(200 <= one.code < 300 for one in writes), "a write was refused: it was in vain"
    known = {*RUN, *REGISTRY, *ENDPOINT, "events"}
    assert {one.resource for one in writes} <= known, "a write that is nobody's"
    assert own <= bound
    # Apart from what only tells how it goes the budget holds however long it takes.
    assert count(writes, RUN) <= PER_STEP * steps + PER_RUN
    for resource in ("pipelineruns/status", "pipelines/status"):
        assert told(writes).get(resource, 0) <= seconds / NEWS_INTERVAL + 1


def played(kubectl: Kubectl, operator: OperatorProcess, manifest: dict, over: Callable[[], bool]) -> float:
    """Apply, wait for the end and for the last writes; how many seconds it took."""
    operator.start()
    operator.ready()
    began = time.monotonic()
    kubectl.apply(manifest)
    wait_for("the run to end", over, 150, every=0.5)
    took = time.monotonic() - began
    time.sleep(NEWS_INTERVAL + 1)  # whatever is held back is written by then
    return took


def program(image: str) -> dict[str, Any]:
    """A step that does nothing, and ends well."""
    return {
        "run": {"image": image, "command": ["true"]},
        "resources": {"cpu": "10m", "memory": "32Mi"},
    }


def succeeded(kubectl: Kubectl, namespace: str) -> bool:
    """Whether the one pipeline there says so."""
    found = kubectl.list("pipelines", namespace)
    return bool(found) and found[0].get("status", {}).get("status") == "Succeeded"


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints also where a test passes: the figures belong to the record of a whole suite."""

    def shown(text: str) -> None:
        with capsys.disabled():
            print(text)

    return shown


@pytest.fixture
def arena_of(kubectl: Kubectl, arena: str, upstream: Path, settings: Path, tmp_path: Path):
    """An operator behind a proxy that counts, and its namespace."""
    with fault_proxy(upstream, tmp_path / "proxy") as proxy:
        operator = OperatorProcess(arena, proxy.kubeconfig, settings, tmp_path / "operator.log")
        yield proxy, operator, arena
        if operator.process is not None:
            operator.stop()


def test_a_run_of_five_steps_costs_what_is_promised(kubectl: Kubectl, arena_of, show) -> None:
    proxy, operator, namespace = arena_of
    took = played(kubectl, operator, tumour(namespace), lambda: at_rest(kubectl, namespace))
    check(proxy.writes, 5, took, show)
    assert count(proxy.writes, REGISTRY) <= PER_MODEL
    assert count(proxy.writes, ENDPOINT) <= PER_DEPLOY


def test_steps_beside_each_other_share_the_writes_of_their_ends(
    kubectl: Kubectl, arena_of, show, standin: str
) -> None:
    proxy, operator, namespace = arena_of
    steps = [{"name": f"s{n}", **program(standin)} for n in range(12)]
    manifest = pipeline("p", namespace, {"steps": steps})
    took = played(kubectl, operator, manifest, lambda: succeeded(kubectl, namespace))
    check(proxy.writes, 12, took, show)
    # One Event for each step, one for the run's beginning and one for its end.
    assert sum(one.resource == "events" for one in proxy.writes) == 12 + 2


def test_a_long_chain_costs_no_more_for_each_step(kubectl: Kubectl, arena_of, show, standin: str) -> None:
    """A step need not wait until the end before it is written, so not each end is written alone."""
    proxy, operator, namespace = arena_of
    after = [{"dependsOn": [f"s{n - 1}"]} if n else {} for n in range(LONG)]
    steps = [{"name": f"s{n}", **program(standin), **one} for n, one in enumerate(after)]
    manifest = pipeline("p", namespace, {"steps": steps})
    took = played(kubectl, operator, manifest, lambda: succeeded(kubectl, namespace))
    check(proxy.writes, LONG, took, show)
    made = Counter((one.verb, one.resource) for one in proxy.writes)
    assert (made["create", "jobs"], made["create", "events"]) == (LONG, LONG + 2)
