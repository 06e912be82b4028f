"""One operator process against the real API server: with the rights of the chart only, from start to stop."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock_operator import permissions
from penstock_operator.pace import NEWS_INTERVAL
from penstock_spec import names
from tests.shell.operator_process import OperatorProcess
from tests.shell.worlds import at_rest, tumour
from tests.support import Kubectl, Runs, pipeline, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.own_operator]

STEPS = 5
# What others write onto objects; none of it is ours or kopf's.
FOREIGN_ANNOTATIONS = re.compile(r"^((deployment|kubectl|batch)\.kubernetes\.io|linkerd\.io)/")


def metric(text: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples that carry these labels."""
    total = 0.0
    for line in text.splitlines():
        found = re.match(rf"^{name}(?:\{{(.*)\}})? (\S+)$", line)
        if found and all(f'{key}="{value}"' in (found[1] or "") for key, value in labels.items()):
            total += float(found[2])
    return total


def writes(text: str) -> float:
    """Writes to the API server; the questions about rights at the start change nothing."""
    verbs = ("create", "apply", "patch", "patch_status", "delete")
    asked = metric(text, "penstock_api_requests_total", kind="SelfSubjectAccessReview")
    return sum(metric(text, "penstock_api_requests_total", verb=verb) for verb in verbs) - asked


@pytest.fixture
def limited(kubectl: Kubectl, arena: str, upstream: Path, tmp_path: Path) -> Path:
    """A kubeconfig of a service account with exactly the rights of the operator's table, in one namespace."""
    about = {"name": "operator", "namespace": arena}
    rules = [
        {
            "apiGroups": [one.group],
            "resources": [one.resource],
            "verbs": list(one.verbs),
            **({"resourceNames": [one.name]} if one.name else {}),
        }
        for one in permissions.NEEDED
    ]
    rbac = "rbac.authorization.k8s.io"
    kubectl.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": about, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": about,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "operator"},
            "subjects": [{"kind": "ServiceAccount", **about}],
        },
    )
    token = kubectl.run("create", "token", "operator", "-n", arena).stdout.strip()
    config: dict[str, Any] = yaml.safe_load(upstream.read_text())
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    file = tmp_path / "limited.yaml"
    file.write_text(yaml.safe_dump(config))
    return file


def test_a_whole_run_needs_only_the_chart_s_rights(
    kubectl: Kubectl, arena: str, limited: Path, operators: Callable[..., OperatorProcess]
) -> None:
    operator = operators(arena, limited)
    operator.start()
    operator.ready()
    started = operator.seconds_to_ready
    before = operator.get("/metrics")[1]
    kubectl.apply(tumour(arena))
    wait_for("the run to end", lambda: at_rest(kubectl, arena), 300, every=0.5)
    after = operator.get("/metrics")[1]

    assert metric(after, "penstock_runs_finished_total", outcome="Succeeded") == 1
    assert metric(after, "penstock_steps_ended_total", state="Succeeded") == STEPS
    assert metric(after, "penstock_reconciles_total", result="Fault") == 0
    assert metric(after, "penstock_api_requests_total", code="403") == 0
    events = metric(after, "penstock_api_requests_total", verb="create", kind="Event")
    cpu = metric(after, "process_cpu_seconds_total") - metric(before, "process_cpu_seconds_total")
    memory = metric(after, "process_resident_memory_bytes") / 2**20
    passes = metric(after, "penstock_reconciles_total")
    print(
        f"\n{STEPS} steps: {writes(after):.0f} API writes, of them {events:.0f} Events; "
        f"{passes:.0f} reconciles; "
        f"{1000 * cpu / STEPS:.0f} ms CPU per step; {memory:.0f} MiB resident; "
        f"ready {started:.1f} s after its start"
    )
    nothing_of_ours_sticks(kubectl, arena)

    assert operator.stop() == 0
    assert operator.lines()[-1]["message"] == "stopped"


def nothing_of_ours_sticks(kubectl: Kubectl, namespace: str) -> None:
    """No finalizer, and no annotation of ours or kopf's, on anything but what a step's pod began upon."""
    kinds = "pipelines,pipelineruns,modelversions,modelendpoints,jobs,pods,deployments,services"
    for one in kubectl.list(f"{kinds},controllerrevisions", namespace):
        meta = one["metadata"]
        # The Job controller's own finalizer keeps a pod until it has been counted.
        finalizers = set(meta.get("finalizers", ())) - {"batch.kubernetes.io/job-tracking"}
        assert not finalizers, f"{one['kind']}/{meta['name']}: {finalizers}"
        meant = {names.ANNOTATION_RESTS_ON} if one["kind"] == "Pod" else set()
        found = set(meta.get("annotations", {})) - meant
        strange = [key for key in found if not FOREIGN_ANNOTATIONS.match(key)]
        assert not strange, f"{one['kind']}/{meta['name']}: {strange}"


def test_at_rest_nothing_is_written_and_the_probes_say_so(
    kubectl: Kubectl, arena: str, operators: Callable[..., OperatorProcess], settings: Path, tmp_path: Path
) -> None:
    kubectl.apply(tumour(arena))
    operator = operators(arena)
    operator.settings = comparing_often(settings, tmp_path)
    operator.start()
    operator.ready()
    wait_for("the run to end", lambda: at_rest(kubectl, arena), 300, every=0.5)
    wait_for("the last writes", lambda: settled(operator))
    before = operator.get("/metrics")[1]
    time.sleep(8)  # several full comparisons
    after = operator.get("/metrics")[1]
    assert metric(after, "penstock_reconciles_total") > metric(before, "penstock_reconciles_total")
    assert writes(after) == writes(before)
    assert operator.get("/healthz")[0] == 200
    assert operator.get("/readyz")[0] == 200
    differences = metric(after, "penstock_resync_differences_total")
    print(f"\ndifferences found by full comparisons in the whole run: {differences:.0f}")


def settled(operator: OperatorProcess) -> bool:
    """Whether no write comes for longer than any news waits."""
    before = writes(operator.get("/metrics")[1])
    time.sleep(NEWS_INTERVAL + 1)
    return writes(operator.get("/metrics")[1]) == before


def test_without_rights_it_says_which_ones_and_ends(
    kubectl: Kubectl, arena: str, limited: Path, operators: Callable[..., OperatorProcess]
) -> None:
    kubectl.run("delete", "rolebinding", "operator", "-n", arena)
    operator = operators(arena, limited)
    operator.start()
    wait_for("the operator to end", operator.dead, 120)
    assert operator.process is not None
    assert operator.process.returncode == 1
    said = operator.lines()
    assert "create batch/jobs" in json.dumps([line.get("lacking") for line in said]) or said[0]["count"] > 10
    assert "install the chart's Role" in said[-1]["why"]


def test_deleting_the_pipeline_mid_run_leaves_nothing_and_the_operator_alive(
    kubectl: Kubectl, arena: str, operators: Callable[..., OperatorProcess]
) -> None:
    operator = operators(arena)
    operator.start()
    operator.ready()
    kubectl.apply(tumour(arena))
    wait_for("a Job", lambda: kubectl.list("jobs", arena))
    kubectl.run("delete", "pipeline", "tumour", "-n", arena)
    wait_for("everything to go", lambda: not kubectl.list("pipelineruns,jobs,pods", arena), 120)
    assert not operator.dead()
    assert metric(operator.get("/metrics")[1], "penstock_reconciles_total", result="Fault") == 0


def test_a_job_that_loses_all_its_labels_mid_run_is_neither_lost_nor_started_twice(
    kubectl: Kubectl, arena: str, operators: Callable[..., OperatorProcess], standin: str
) -> None:
    operator = operators(arena)
    operator.start()
    operator.ready()
    program = {"image": standin, "command": ["python3", "-c", "import time; time.sleep(5)"]}
    kubectl.apply(pipeline("p", arena, {"steps": [{"name": "work", "run": program}]}))
    (job,) = wait_for("the Job", lambda: kubectl.list("jobs", arena))
    labels = [f"{key}-" for key in job["metadata"]["labels"]]
    kubectl.run("label", "job", job["metadata"]["name"], "-n", arena, *labels)
    run = Runs(kubectl, arena).finished("p-g1", 120)
    assert run["status"]["status"] == "Succeeded"
    assert run["status"]["steps"][0]["attempt"] == 1
    assert [one["metadata"]["uid"] for one in kubectl.list("jobs", arena)] == [job["metadata"]["uid"]]


def test_rights_that_go_away_end_the_process_for_the_next_one_to_say_which(
    kubectl: Kubectl,
    arena: str,
    limited: Path,
    operators: Callable[..., OperatorProcess],
    settings: Path,
    tmp_path: Path,
) -> None:
    operator = operators(arena, limited)
    operator.settings = comparing_often(settings, tmp_path)
    operator.start()
    operator.ready()
    kubectl.run("delete", "rolebinding", "operator", "-n", arena)
    wait_for("the operator to end", operator.dead, 120)
    assert operator.process is not None
    assert operator.process.returncode == 1
    assert "forbidden" in operator.lines()[-1]["exception"]


def comparing_often(settings: Path, folder: Path) -> Path:
    """The settings, with a full comparison every two seconds."""
    file = folder / "often.json"
    file.write_text(json.dumps({**json.loads(settings.read_text()), "resync": 2}))
    return file
