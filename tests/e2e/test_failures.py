"""S5: every way in which an attempt fails, on a real kubelet: right class, right words, right retries."""

import os
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from hack.cluster.cluster import load
from hack.project import bucket
from penstock_spec.digest import unpacked
from tests.gates import HEARS, WAITS, open_gates
from tests.support import Kubectl, Runs, pipeline, steps_of, wait_for

pytestmark = pytest.mark.e2e

# Ends in a moment, or waits so that something can be done to it; every image of ours has Python.
PYTHON = ["python3", "-c"]


def one_step(
    namespace: str, image: str, code: str = "", *, name: str = "work", **fields: Any
) -> dict[str, Any]:
    """A pipeline of one `run` step."""
    outer = {key: fields.pop(key) for key in ("resources",) if key in fields}
    spec_fields = {key: fields.pop(key) for key in ("secrets",) if key in fields}
    command = {"command": [*PYTHON, code]} if code else {}
    step = {"name": name, "run": {"image": image, **command, **fields}, **outer}
    return pipeline("p", namespace, {"steps": [step], **spec_fields})


def failed_step(runs: Runs, obj: dict[str, Any], seconds: float = 600) -> dict[str, Any]:
    """The only step of the run that the pipeline starts, once it has failed; the run repeats its reason."""
    run = runs.execute(obj, seconds)
    (step,) = run["status"]["steps"]
    assert run["status"]["status"] == "Failed"
    assert run["status"]["reason"] == step["reason"]
    assert step["state"] == "Failed"
    return dict(step)


def attempts(kubectl: Kubectl, namespace: str) -> int:
    """How many Jobs were created in the namespace."""
    return len(kubectl.list("jobs", namespace))


def runs_in(runs: Runs, name: str, attempt: int) -> bool:
    """Whether the program of the only step runs, in this attempt."""
    step = steps_of(runs.get(name)).get("work", {})
    return (step.get("state"), step.get("attempt")) == ("Running", attempt)


def end_of_the_second_attempt(runs: Runs, name: str) -> dict[str, Any]:
    """The finished run, whose program waits at its gate until the second attempt."""
    wait_for("the second attempt", lambda: runs_in(runs, name, 2), 300)
    open_gates(runs.kubectl, runs.namespace, step="work", attempt="2")
    return runs.finished(name)


def test_a_program_that_exits_3_is_a_user_error_with_its_last_lines_and_no_retry(
    runs, kubectl, namespace, images
) -> None:
    code = "print('reading'); import sys; print('no column named age', file=sys.stderr); sys.exit(3)"
    step = failed_step(runs, one_step(namespace, images["server"], code))
    assert (step["failureClass"], step["reason"]) == ("UserError", "UserError")
    assert "3" in step["message"]
    assert "kubectl logs" in step["message"]
    assert "no column named age" in step["log"]
    assert attempts(kubectl, namespace) == 1


@pytest.mark.parametrize("who", ["the program itself", "a child of it"])
def test_too_little_memory_is_out_of_memory_and_grows_twice(runs, kubectl, namespace, images, who) -> None:
    eat = "x = bytearray(900 * 1024 * 1024)"
    if who == "a child of it":
        child = f"subprocess.run([sys.executable, '-c', {eat!r}])"
        eat = f"import subprocess, sys; sys.exit(1 if {child}.returncode else 0)"
    step = failed_step(runs, one_step(namespace, images["server"], eat, resources={"memory": "128Mi"}))
    assert (step["failureClass"], step["reason"]) == ("OutOfMemory", "OutOfMemory")
    assert step["retries"] == {"OutOfMemory": 2}
    assert attempts(kubectl, namespace) == 3
    limits = sorted(
        container["resources"]["limits"]["memory"]
        for job in kubectl.list("jobs", namespace)
        for container in job["spec"]["template"]["spec"]["initContainers"]
        if container["name"] == "main"
    )
    assert limits == sorted(["128Mi", "192Mi", "288Mi"])
    assert "memory" in step["message"]


def test_memory_that_is_enough_after_growing_succeeds(runs, namespace, images) -> None:
    code = "x = bytearray(150 * 1024 * 1024); print(len(x))"
    run = runs.execute(one_step(namespace, images["server"], code, resources={"memory": "128Mi"}))
    (step,) = run["status"]["steps"]
    assert (run["status"]["status"], step["state"]) == ("Succeeded", "Succeeded")
    assert step["retries"] == {"OutOfMemory": 1}
    assert step["memory"] == "192Mi"


def test_a_missing_image_is_unavailable_for_good(runs, kubectl, namespace) -> None:
    step = failed_step(runs, one_step(namespace, "localhost/nobody/nothing:1"))
    assert (step["failureClass"], step["reason"]) == ("ImageUnavailable", "ImageUnavailable")
    assert "localhost/nobody/nothing:1" in step["message"]
    assert step["attempt"] == 1
    assert step.get("retries", {}) == {}
    assert_pods_gone(kubectl, namespace)


def assert_pods_gone(kubectl: Kubectl, namespace: str) -> None:
    """A pod that could never start does not stay and pull for ever."""
    wait_for("the stuck pod to be removed", lambda: not kubectl.list("pods", namespace))


def test_an_image_that_insists_on_root_is_named_with_the_fix(runs, namespace, images) -> None:
    step = failed_step(runs, one_step(namespace, images["root"], "pass", useImageUser=True))
    assert (step["failureClass"], step["reason"]) == ("InvalidContainer", "ImageRunsAsRoot")
    assert "runAsUser" in step["message"]


def test_a_missing_program_is_an_invalid_container(runs, kubectl, namespace, images) -> None:
    step = failed_step(runs, one_step(namespace, images["server"], command=["/no/such/program"]))
    assert (step["failureClass"], step["reason"]) == ("InvalidContainer", "InvalidContainer")
    assert "/no/such/program" in step["message"]
    assert attempts(kubectl, namespace) == 1


def test_a_missing_secret_key_is_an_invalid_container_that_names_it(runs, kubectl, namespace, images) -> None:
    kubectl.run("create", "secret", "generic", "tokens", "-n", namespace, "--from-literal=other=x")
    env = [{"name": "TOKEN", "secret": {"name": "tokens", "key": "nope"}}]
    secrets = [{"name": "tokens", "secret": "tokens"}]
    step = failed_step(runs, one_step(namespace, images["server"], "pass", env=env, secrets=secrets))
    assert step["failureClass"] == "InvalidContainer"
    assert "nope" in step["message"]
    assert "tokens" in step["message"]


def test_a_pod_deleted_in_flight_costs_nothing_and_the_step_succeeds(
    runs, kubectl, namespace, images
) -> None:
    kubectl.apply(one_step(namespace, images["server"], WAITS))
    name = runs.started("p", 1)
    wait_for("the program to run", lambda: runs_in(runs, name, 1))
    (pod,) = kubectl.list("pods", namespace)
    kubectl.run("delete", "pod", pod["metadata"]["name"], "-n", namespace, "--grace-period=1")
    run = end_of_the_second_attempt(runs, name)
    step = steps_of(run)["work"]
    assert (run["status"]["status"], step["state"]) == ("Succeeded", "Succeeded")
    assert step["retries"] == {"Disruption": 1}
    assert step["attempt"] == 2


def test_a_job_deleted_in_flight_is_a_disruption_and_the_step_succeeds(
    runs, kubectl, namespace, images
) -> None:
    kubectl.apply(one_step(namespace, images["server"], HEARS + WAITS))
    name = runs.started("p", 1)
    wait_for("the program to run", lambda: runs_in(runs, name, 1))
    (job,) = kubectl.list("jobs", namespace)
    kubectl.run("delete", "job", job["metadata"]["name"], "-n", namespace)
    run = end_of_the_second_attempt(runs, name)
    step = steps_of(run)["work"]
    assert (run["status"]["status"], step["state"]) == ("Succeeded", "Succeeded")
    assert step["retries"] == {"Disruption": 1}


def test_a_pod_that_fits_nowhere_shows_the_schedulers_words(runs, kubectl, namespace, images) -> None:
    kubectl.apply(one_step(namespace, images["server"], "pass", resources={"cpu": "500"}))
    name = runs.started("p", 1)
    step = wait_for(
        "the scheduler's words",
        lambda: (
            (one := steps_of(runs.get(name)).get("work", {})).get("reason") == "Unschedulable"
            and "nsufficient cpu" in one["message"]
            and one
        ),
    )
    assert step["state"] in {"Starting", "Queued"}
    assert "500" in step["message"], "the message says what the step asks for"


def test_a_pod_that_fits_nowhere_is_given_up_at_its_start_deadline(runs, kubectl, namespace, images) -> None:
    found = one_step(namespace, images["server"], "pass", resources={"cpu": "500"})
    found["spec"]["steps"][0]["startDeadline"] = "10s"
    step = failed_step(runs, found)
    assert (step["failureClass"], step["reason"], step["attempt"]) == ("Unschedulable", "Unschedulable", 1)
    assert "nsufficient cpu" in step["message"]
    assert_pods_gone(kubectl, namespace)


def test_a_program_is_tried_again_as_often_and_as_late_as_its_user_says(
    runs, kubectl, namespace, images
) -> None:
    found = one_step(namespace, images["server"], "raise SystemExit(3)")
    backoff = {"first": "4s", "factor": 3, "maximum": "1m"}
    found["spec"]["steps"][0]["retry"] = {"userError": {"limit": 2, "backoff": backoff}}
    step = failed_step(runs, found)
    assert (step["failureClass"], step["attempt"], step["retries"]) == ("UserError", 3, {"UserError": 2})
    created = (one["metadata"]["creationTimestamp"] for one in kubectl.list("jobs", namespace))
    waits = [(after - before).total_seconds() for before, after in pairwise(sorted(map(moment, created)))]
    assert len(waits) == 2
    assert waits[0] >= 4
    assert waits[1] >= 12


def moment(text: str) -> datetime:
    """A time as Kubernetes writes it."""
    return datetime.fromisoformat(text)


def test_a_declared_output_that_is_missing_is_an_invalid_result(runs, kubectl, namespace, images) -> None:
    step = failed_step(runs, one_step(namespace, images["server"], "pass", outputs=[{"name": "rows"}]))
    assert (step["failureClass"], step["reason"]) == ("InvalidResult", "InvalidResult")
    assert "/penstock/out/rows" in step["message"]
    assert attempts(kubectl, namespace) == 1


def test_results_that_are_not_json_are_an_invalid_result(runs, namespace, images) -> None:
    code = "open('/penstock/out/results.json', 'w').write('{rows:')"
    step = failed_step(runs, one_step(namespace, images["server"], code))
    assert step["failureClass"] == "InvalidResult"
    assert "results.json" in step["message"]


def test_wrong_credentials_of_the_store_are_retried_and_then_said(runs, kubectl, namespace, images) -> None:
    patch = '{"stringData": {"secretAccessKey": "wrong"}}'
    kubectl.run("patch", "secret", "penstock-store", "-n", namespace, "--type=merge", "-p", patch)
    code = "open('/penstock/out/rows/a', 'w').write('x')"
    step = failed_step(runs, one_step(namespace, images["server"], code, outputs=[{"name": "rows"}]), 900)
    assert (step["failureClass"], step["reason"]) == ("StoreUnavailable", "StoreUnavailable")
    assert step["retries"] == {"StoreUnavailable": 5}
    assert attempts(kubectl, namespace) == 6
    assert "wrong" not in step["message"].split()


def test_without_the_stores_secret_the_first_step_says_so(runs, kubectl, namespace, images) -> None:
    kubectl.run("delete", "secret", "penstock-store", "-n", namespace)
    step = failed_step(runs, one_step(namespace, images["server"], "pass"))
    assert (step["failureClass"], step["reason"]) == ("InvalidContainer", "StoreNotConfigured")
    assert "penstock-store" in step["message"]


def test_a_failed_step_blocks_what_needs_it_and_other_branches_go_on(runs, namespace, images) -> None:
    def step(name: str, code: str, *needs: str) -> dict[str, Any]:
        return {
            "name": name,
            "dependsOn": list(needs),
            "run": {"image": images["server"], "command": [*PYTHON, code]},
        }

    steps = [
        step("bad", "raise SystemExit(3)"),
        step("after-bad", "pass", "bad"),
        step("last", "pass", "after-bad"),
        step("good", "pass"),
        step("after-good", "pass", "good"),
    ]
    run = runs.execute(pipeline("p", namespace, {"steps": steps}))
    states = {name: one["state"] for name, one in steps_of(run).items()}
    assert states == {
        "bad": "Failed",
        "after-bad": "Blocked",
        "last": "Blocked",
        "good": "Succeeded",
        "after-good": "Succeeded",
    }
    assert run["status"]["step"] == "bad"
    assert run["status"]["progress"] == "2/5"
    assert "bad" in steps_of(run)["last"]["message"]


def test_a_program_that_writes_too_much_is_out_of_disk_and_succeeds_with_more(
    runs, namespace, images
) -> None:
    # The kubelet looks at folders now and then, up to two minutes apart; what it does not throw out goes on.
    code = f"open('/tmp/large', 'wb').write(bytes(200 * 1024 * 1024))\n{WAITS}"
    found = one_step(namespace, images["server"], code, resources={"memory": "1Gi", "scratch": "100Mi"})
    found["spec"]["steps"][0]["retry"] = {"outOfDisk": {"limit": 1, "factor": 5}}
    runs.kubectl.apply(found)
    run = end_of_the_second_attempt(runs, runs.started("p", 1))
    (step,) = run["status"]["steps"]
    assert (step["state"], step["retries"], step["scratch"]) == ("Succeeded", {"OutOfDisk": 1}, "500Mi")


def test_an_attempt_that_runs_too_long_is_ended_by_its_deadline(runs, kubectl, namespace, images) -> None:
    found = one_step(namespace, images["server"], "import time; time.sleep(3600)")
    found["spec"]["steps"][0] |= {"deadline": "8s", "retry": {"deadline": {"limit": 1}}}
    step = failed_step(runs, found)
    assert (step["failureClass"], step["reason"], step["attempt"]) == ("Deadline", "DeadlineExceeded", 2)
    assert attempts(kubectl, namespace) == 2


def test_a_job_that_a_queueing_system_suspends_goes_on_later_in_the_same_attempt(
    runs, kubectl, namespace, images
) -> None:
    kubectl.apply(one_step(namespace, images["server"], HEARS + WAITS))
    name = runs.started("p", 1)
    wait_for("the program", lambda: runs_in(runs, name, 1))
    (job,) = [one["metadata"]["name"] for one in kubectl.list("jobs", namespace)]
    words = ("patch", "job", job, "-n", namespace, "--type=merge", "-p")
    kubectl.run(*words, '{"spec":{"suspend":true}}')
    wait_for("the word", lambda: steps_of(runs.get(name))["work"].get("reason") == "Suspended")
    assert steps_of(runs.get(name))["work"]["state"] == "Queued"
    wait_for("its pod to go", lambda: not kubectl.list("pods", namespace))
    kubectl.run(*words, '{"spec":{"suspend":false}}')
    wait_for("the program to run again", lambda: runs_in(runs, name, 1))
    open_gates(kubectl, namespace, step="work")
    step = steps_of(runs.finished(name))["work"]
    assert (step["state"], step["attempt"], step.get("retries", {})) == ("Succeeded", 1, {})


def lose(namespace: str, digest: str) -> None:
    """Take the artifact out of the store."""
    with bucket(load(os.environ["PENSTOCK_CLUSTER"]), namespace) as store:
        wanted = digest.removeprefix("sha256:")
        paths = [one["path"] for page in store.list() for one in page if one["path"].endswith(wanted)]
        (path,) = [one for one in paths if f"{namespace}/" in one]
        store.delete(path)


def test_what_a_reused_step_had_made_is_made_again_when_the_store_has_lost_it(
    runs, kubectl, namespace, images
) -> None:
    make = "open('/penstock/out/data/x', 'w').write('the same each time')"
    take = "print(open('/penstock/in/data/x').read()); {change}"
    first = {
        "name": "first",
        "run": {"image": images["server"], "command": [*PYTHON, make], "outputs": [{"name": "data"}]},
    }

    def taking(change: str) -> dict[str, Any]:
        program = {"command": [*PYTHON, take.format(change=change)], "inputs": {"data": "first.data"}}
        second = {"name": "second", "run": {"image": images["server"], **program}}
        return pipeline("p", namespace, {"steps": [first, second]})

    before = steps_of(runs.execute(taking("0")))
    lose(namespace, before["first"]["outputs"]["data"])
    after = runs.execute(taking("1"))
    assert after["status"]["status"] == "Succeeded", after["status"]
    made, took = (steps_of(after)[name] for name in ("first", "second"))
    assert (made["state"], made["attempt"]) == ("Succeeded", 1)
    assert made["why"].startswith("output lost")
    assert made["outputs"] == before["first"]["outputs"]
    assert (took["state"], took["attempt"], took["retries"]) == ("Succeeded", 2, {"InputMissing": 1})


def test_of_a_step_with_cells_only_what_the_store_has_lost_is_made_again(
    runs, kubectl, namespace, images
) -> None:
    make = "import os; open('/penstock/out/data/x', 'w').write('part ' + os.environ['PENSTOCK_ARG_PART'])"
    fit = {
        "name": "fit",
        "matrix": {"axes": {"part": [1, 2, 3, 4]}},
        "run": {
            "image": images["server"],
            "command": [*PYTHON, make],
            "argumentsFrom": {"part": {"cell": "part"}},
            "outputs": [{"name": "data"}],
        },
    }

    def gathering(change: str) -> dict[str, Any]:
        take = f"print([open('/penstock/in/data/%d/x' % one).read() for one in range(1, 5)]); {change}"
        program = {"command": [*PYTHON, take], "inputs": {"data": "fit.data"}}
        return pipeline(
            "p", namespace, {"steps": [fit, {"name": "best", "run": {"image": images["server"], **program}}]}
        )

    def cells(run: dict[str, Any]) -> dict[int, dict[str, Any]]:
        return {one["number"]: one for one in steps_of(run)["fit"]["cells"]}

    before = cells(runs.execute(gathering("0")))
    for number in (2, 3):
        lose(namespace, unpacked(before[number]["outputs"][0]))
    after = runs.execute(gathering("1"))
    assert after["status"]["status"] == "Succeeded", after["status"]
    states = {number: one["state"] for number, one in cells(after).items()}
    assert states == {1: "Reused", 2: "Succeeded", 3: "Succeeded", 4: "Reused"}
    assert [one["outputs"] for one in cells(after).values()] == [one["outputs"] for one in before.values()]
    best = steps_of(after)["best"]
    assert (best["state"], best["attempt"], best["remakeCells"]) == ("Succeeded", 2, {"fit": "2-3"})
    mine = f"penstock.dev/run={after['metadata']['name']},penstock.dev/step=fit"
    assert len(kubectl.list("jobs", namespace, mine)) == 2


def test_what_a_child_run_had_taken_over_is_made_again_when_the_store_has_lost_it(
    runs, kubectl, namespace, images
) -> None:
    def program(code: str, **fields: Any) -> dict[str, Any]:
        return {"image": images["server"], "command": [*PYTHON, code], **fields}

    load_ = program("open('/penstock/out/raw/x', 'w').write('raw')", outputs=[{"name": "raw"}])
    make = "open('/penstock/out/data/x', 'w').write('the same each time')"
    shape = program(make, inputs={"raw": "load.raw"}, outputs=[{"name": "data"}])
    steps = [{"name": "load", "run": load_}, {"name": "shape", "run": shape}]
    kubectl.apply(pipeline("lake", namespace, {"policy": {"onChange": "Wait"}, "steps": steps}))

    def taking(change: str) -> dict[str, Any]:
        take = f"print(open('/penstock/in/data/x').read()); {change}"
        gives = [{"name": "data", "from": "shape.data"}]
        prepare = {"name": "prepare", "pipeline": {"name": "lake", "outputs": gives}}
        use = {"name": "use", "run": program(take, inputs={"data": "prepare.data"})}
        return pipeline("p", namespace, {"steps": [prepare, use]})

    before = steps_of(runs.execute(taking("0")))
    lose(namespace, before["prepare"]["outputs"]["data"])
    after = runs.execute(taking("1"))
    assert after["status"]["status"] == "Succeeded", after["status"]
    prepare, use = (steps_of(after)[name] for name in ("prepare", "use"))
    assert (prepare["state"], prepare["attempt"], prepare["why"]) == ("Succeeded", 2, "output lost")
    assert prepare["outputs"] == before["prepare"]["outputs"]
    assert (use["state"], use["attempt"], use["retries"]) == ("Succeeded", 2, {"InputMissing": 1})
    child = runs.get(prepare["child"]["run"])
    assert child["spec"]["rerun"]["from"] == ["shape"]
    states = {name: one["state"] for name, one in steps_of(child).items()}
    assert states == {"load": "Reused", "shape": "Succeeded"}
