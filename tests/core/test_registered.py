"""Models of the registry as inputs: which version a run reads, what it does with it, and when it may not."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from penstock_operator.core import registered, rerun, work
from penstock_operator.core.observed import Meta, VersionView
from penstock_operator.core.pins import Pin, choose
from penstock_spec.contract import Result
from tests.core import fake_shell
from tests.core.fake_cluster import FakeCluster, task_of
from tests.core.fake_shell import FakeShell
from tests.core.pipelines import TUMOUR_NEEDS, tumour
from tests.core.pods import NOW
from tests.core.simulation import Simulation, pipeline
from tests.core.test_pipelines import new_run, status
from tests.core.test_seeded_bugs import sow

PRODUCTION = {"registered": {"model": "tumour", "lifecycle": "Production"}}
KEEP = {"keepRuns": 1000}


def by_name(version: str) -> dict[str, Any]:
    return {"registered": {"version": version}}


def living() -> Simulation:
    """The tumour pipeline has trained, judged and deployed tumour-1, which therefore is in production."""
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", tumour(policy=KEEP))))
    simulation.run_to_rest()
    stand(simulation, "tumour-1", "Production")
    return simulation


def another(simulation: Simulation, trees: int, lifecycle: str = "") -> None:
    """One more version of the model, by another run."""
    simulation.cluster.advance(1)
    name = f"trees-{trees}"
    simulation.person(lambda: simulation.cluster.create(new_run(name, parameters={"trees": trees})))
    simulation.run_to_rest()
    if lifecycle:
        stand(simulation, simulation.steps(name)["fit"]["modelVersion"], lifecycle)


def stand(simulation: Simulation, version: str, lifecycle: str) -> None:
    found = simulation.cluster.objects[("ModelVersion", version)]
    changed = {**found["status"], "lifecycle": lifecycle}
    simulation.cluster.change(found, "status", status=changed)


def data() -> list[Any]:
    return tumour()["steps"][:2]


def gate(source: dict[str, Any], name: str = "judge") -> dict[str, Any]:
    thresholds = [{"metric": "roc_auc", "minimum": 0.9}]
    return {"name": name, "validate": {"modelFrom": source, "test": "split.test", "thresholds": thresholds}}


def serve(source: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "serve", "deploy": {"modelFrom": source, "endpoint": "scores", **more}}


def compare(**champion: Any) -> dict[str, Any]:
    """A program that looks at the champion."""
    inputs = {"champion": {**PRODUCTION, **champion}}
    return {
        "name": "look",
        "run": {"image": "a:1", "inputsFrom": inputs, "outputs": [{"name": "files"}]},
    }


def use(simulation: Simulation, *steps: Any, name: str = "use", **spec: Any) -> dict[str, Any]:
    """Another Pipeline with these steps comes to rest; its first run's entries."""
    needs = {"split": ["data"]}
    simulation.needs = needs
    spec = {"steps": list(steps), "policy": KEEP, **spec}
    simulation.person(lambda: simulation.cluster.create(pipeline(name, spec)))
    simulation.run_to_rest()
    return simulation.steps(f"{name}-g1")


def run(simulation: Simulation, name: str, of: str = "use", **spec: Any) -> dict[str, Any]:
    simulation.cluster.advance(1)
    made = new_run(name, **spec)
    simulation.person(lambda: simulation.cluster.create({**made, "spec": {**made["spec"], "pipeline": of}}))
    simulation.run_to_rest()
    return simulation.steps(name)


def pinned(simulation: Simulation, name: str) -> dict[str, str]:
    found = status(simulation, "PipelineRun", name)["pinned"]
    return {one["reference"]: one.get("version", "") for one in found}


# Which version


def version(number: int, lifecycle: str, model: str = "m") -> VersionView:
    meta = Meta("ml", f"{model}-{number}", f"uid-{number}", NOW)
    return VersionView(meta, model, number, f"sha256:{number:064}", lifecycle)


SOME = [
    version(9, "Candidate"),
    version(10, "Production"),
    version(11, "Approved"),
    version(12, "Rejected"),
    version(13, "Archived"),
    version(14, ""),
    version(99, "Production", "other"),
]
CHOICES = {
    "m/Production": "m-10",
    "m/Approved": "m-11",
    "m/Candidate": "m-14",
    "m-12": "m-12",
    "m-98": "",
    "n/Approved": "",
}


@pytest.mark.parametrize("reference", CHOICES)
def test_the_newest_version_that_has_come_so_far_is_meant(reference: str) -> None:
    (found,) = choose([reference], SOME, {}).values()
    assert found.version == CHOICES[reference]
    assert bool(found.digest) == bool(found.version)


def test_one_that_is_deployed_does_not_cease_to_be_approved() -> None:
    later = [version(10, "Approved"), version(11, "Production")]
    assert choose(["m/Approved"], later, {})["m/Approved"].version == "m-11"


def test_what_is_kept_stays_and_what_was_not_there_is_looked_for_again() -> None:
    kept = {"m/Production": Pin("m-3", "sha256:3"), "m/Approved": Pin()}
    found = choose(["m/Production", "m/Approved"], SOME, kept)
    assert [one.version for one in found.values()] == ["m-3", "m-11"]


# A gate


def test_a_model_of_the_registry_is_judged_and_the_verdict_stands_in_its_record() -> None:
    simulation = living()
    found = use(simulation, *data(), gate(PRODUCTION))
    assert (found["judge"]["state"], found["judge"]["modelVersion"]) == ("Succeeded", "tumour-1")
    assert pinned(simulation, "use-g1") == {"tumour/Production": "tumour-1"}
    record = simulation.cluster.objects[("ModelVersion", "tumour-1")]
    assert [(one["run"], one["step"]) for one in record["status"]["decisions"]] == [
        ("tumour-g1", "gate"),
        ("use-g1", "judge"),
    ]
    assert record["status"]["lifecycle"] == "Production", "what serves goes on serving"
    (task,) = [one for one in map(task_of, simulation.cluster.find("Job")) if one["step"] == "judge"]
    assert task["inputs"]["model"] == {"digest": record["spec"]["digest"], "type": "Model"}
    simulation.assert_at_rest()


def test_a_gate_is_reused_while_its_champion_is_the_same_and_not_afterwards() -> None:
    simulation = living()
    use(simulation, *data(), gate(PRODUCTION))
    assert run(simulation, "same")["judge"]["state"] == "Reused"
    another(simulation, 300, "Production")
    found = run(simulation, "new")["judge"]
    assert (found["state"], found["why"]) == ("Succeeded", "changed: input model: tumour-1 -> tumour-2")


def test_a_gates_own_program_is_run_again_for_another_champion() -> None:
    simulation = living()
    step = gate(by_name("tumour-1"))
    step["validate"]["container"] = {"image": "a:1", "inputsFrom": {"champion": PRODUCTION}}
    use(simulation, *data(), step)
    assert run(simulation, "same")["judge"]["state"] == "Reused"
    another(simulation, 300, "Production")
    assert run(simulation, "new")["judge"]["why"] == "changed: input champion: tumour-1 -> tumour-2"


def test_a_run_reads_one_version_whatever_becomes_of_the_registry() -> None:
    simulation = living()
    spec = {"steps": [*data(), gate(PRODUCTION), gate(PRODUCTION, "again")], "policy": KEEP}
    spec["steps"][3]["dependsOn"] = ["judge"]
    cluster = simulation.cluster
    simulation.needs = {"split": ["data"]}
    simulation.acts = [(9, lambda: stand(simulation, "tumour-1", "Archived"))]
    simulation.person(lambda: cluster.create(pipeline("use", spec)))
    simulation.run_to_rest()
    found = simulation.steps("use-g1")
    assert [found[one]["modelVersion"] for one in ("judge", "again")] == ["tumour-1"] * 2
    assert found["again"]["state"] == "Succeeded"


# A program


def test_a_program_may_do_without_a_champion_until_there_is_one() -> None:
    simulation = Simulation(FakeCluster())
    first = use(simulation, compare(optional=True))
    assert first["look"]["state"] == "Succeeded"
    assert pinned(simulation, "use-g1") == {"tumour/Production": ""}
    (task,) = map(task_of, simulation.cluster.find("Job"))
    assert task["inputs"] == {}
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", tumour())))
    simulation.run_to_rest()
    stand(simulation, "tumour-1", "Production")
    found = run(simulation, "now")["look"]
    assert (found["state"], found["why"]) == ("Succeeded", "changed: input champion: unset -> tumour-1")


def test_a_step_whose_model_was_not_there_fails_and_says_what_to_look_at() -> None:
    simulation = Simulation(FakeCluster())
    found = use(simulation, compare())["look"]
    assert (found["state"], found["reason"]) == ("Failed", "ModelVersionNotFound")
    said = "no version of model tumour was in Production when the run began; "
    assert found["message"] == said + "kubectl get mv -n ml -l penstock.dev/model=tumour"
    assert list(simulation.cluster.find("Job")) == []
    other = use(simulation, serve(by_name("tumour-7")), name="other")["serve"]
    assert other["message"] == "there was no ModelVersion tumour-7 when the run began; kubectl get mv -n ml"


# A deploy


def test_a_registered_version_is_deployed_by_its_name_without_any_training() -> None:
    simulation = living()
    found = use(simulation, serve(by_name("tumour-1")))
    assert (found["serve"]["state"], found["serve"]["modelVersion"]) == ("Succeeded", "tumour-1")
    model = simulation.cluster.objects[("ModelEndpoint", "scores")]["spec"]["model"]
    assert (model["version"], model["askedBy"]) == ("tumour-1", "run use-g1, step serve")
    simulation.assert_at_rest()


def test_the_version_may_be_a_runs_parameter() -> None:
    simulation = living()
    another(simulation, 300, "Approved")
    source = {"registered": {"versionFrom": {"parameter": "version"}}}
    parameters = [{"name": "version", "default": "tumour-1"}]
    use(simulation, serve(source), parameters=parameters)
    run(simulation, "promote", parameters={"version": "tumour-2"})
    assert simulation.cluster.objects[("ModelEndpoint", "scores")]["spec"]["model"]["version"] == "tumour-2"
    wrong = {"spec": {"pipeline": "use", "parameters": {"version": "Not a name"}}}
    simulation.person(lambda: simulation.cluster.create({**new_run("wrong"), **wrong}))
    simulation.run_to_rest()
    assert status(simulation, "PipelineRun", "wrong")["reason"] == "InvalidParameters"


UNFIT = {
    "Candidate": "no gate has judged it",
    "Rejected": "its gate has rejected it",
    "Archived": "another version has replaced it",
}


@pytest.mark.parametrize("lifecycle", UNFIT)
def test_what_is_neither_approved_nor_in_production_is_not_deployed(lifecycle: str) -> None:
    simulation = living()
    stand(simulation, "tumour-1", lifecycle)
    plan = {"steps": [serve(by_name("tumour-1"))], "policy": {**KEEP, "onChange": "Plan"}}
    simulation.person(lambda: simulation.cluster.create(pipeline("look", plan)))
    found = use(simulation, serve(by_name("tumour-1")))["serve"]
    assert (found["state"], found["reason"]) == ("Failed", "ModelNotApproved")
    assert found["message"].startswith(f"ModelVersion tumour-1 is {lifecycle}: {UNFIT[lifecycle]}")
    assert found["message"].endswith("; kubectl describe mv -n ml tumour-1")
    assert ("ModelEndpoint", "scores") not in simulation.cluster.objects
    foreseen = simulation.steps("look-g1")["serve"]
    assert (foreseen["reason"], foreseen["why"][:22]) == ("WouldFail", "ModelVersion tumour-1 ")


@pytest.mark.parametrize(("verdict", "state"), [("Pass", "Succeeded"), ("Fail", "Blocked")])
def test_a_candidate_is_deployed_behind_a_gate_of_its_own(verdict: str, state: str) -> None:
    simulation = living()
    stand(simulation, "tumour-1", "Candidate")
    simulation.cluster.verdicts = {"judge": Result(verdict=verdict)}
    candidate = {"registered": {"model": "tumour", "lifecycle": "Candidate"}}
    found = use(simulation, *data(), gate(candidate), serve(candidate))
    assert found["serve"]["state"] == state
    lifecycle = simulation.cluster.objects[("ModelVersion", "tumour-1")]["status"]["lifecycle"]
    assert lifecycle == ("Approved" if verdict == "Pass" else "Rejected")


def test_a_version_that_was_deleted_after_it_was_pinned_is_not_deployed() -> None:
    simulation = living()
    cluster = simulation.cluster
    spec = {"steps": [*data(), {**serve(by_name("tumour-1")), "dependsOn": ["split"]}]}
    simulation.needs = {"split": ["data"]}
    simulation.acts = [(2, lambda: cluster.delete("ModelVersion", "tumour-1"))]
    simulation.person(lambda: cluster.create(pipeline("use", spec)))
    simulation.run_to_rest()
    found = simulation.steps("use-g1")["serve"]
    assert (found["state"], found["reason"]) == ("Failed", "ModelVersionNotFound")


# Pins


def test_nothing_is_pinned_where_nothing_is_read_of_the_registry() -> None:
    assert "pinned" not in status(living(), "PipelineRun", "tumour-g1")


def test_a_run_pins_when_its_turn_has_come_and_not_before() -> None:
    """The run ahead puts another version into production."""
    simulation = living()
    another(simulation, 300, "Approved")
    cluster = simulation.cluster
    use(simulation, compare())
    for name in ("one", "two"):
        made = new_run(name)
        cluster.create({**made, "spec": {"pipeline": "use"}})
        cluster.advance(1)
    shell = FakeShell(cluster)
    shell.run_pass("two")
    assert "pinned" not in status(simulation, "PipelineRun", "two")
    stand(simulation, "tumour-2", "Production")
    simulation.wake()
    simulation.run_to_rest()
    assert pinned(simulation, "two") == {"tumour/Production": "tumour-2"}


def test_the_bytes_of_a_registered_model_that_are_gone_from_the_store_are_not_made_again() -> None:
    simulation = living()
    simulation.cluster.fates = {"look": ["lost", "lost"]}
    found = use(simulation, compare())["look"]
    assert (found["state"], found["reason"]) == ("Failed", "InputMissing")
    assert "nothing makes the bytes of ModelVersion tumour-1 again" in found["message"]


def known(number: int, lifecycle: str, model: str = "tumour") -> Any:
    """A ModelVersion that a pipeline of some other day had made."""
    return {
        "kind": "ModelVersion",
        "metadata": {"name": f"{model}-{number}", "namespace": "ml"},
        "spec": {"model": model, "number": number, "digest": f"sha256:{number:064}"},
        "status": {"lifecycle": lifecycle},
    }


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_at_any_write_pins_and_deploys_once(moment: str) -> None:
    for deadly in itertools.count(1):
        simulation = Simulation(FakeCluster())
        simulation.cluster.create(known(1, "Production"))
        count = iter(range(1, 10_000))
        fate = lambda deadly=deadly, count=count: moment if next(count) == deadly else ""  # noqa: E731 - of this life
        simulation.fate_of_write = fate
        simulation.shell.fate_of_write = fate
        found = use(simulation, compare(), {**serve(PRODUCTION), "dependsOn": ["look"]})
        assert {one["state"] for one in found.values()} == {"Succeeded"}, deadly
        simulation.fate_of_write = lambda: ""
        simulation.assert_at_rest()
        if not simulation.kills:
            break
    assert deadly > 10


# Reruns and plans


def test_a_rerun_reads_the_versions_of_the_run_that_it_repeats() -> None:
    simulation = living()
    use(simulation, *data(), gate(PRODUCTION))
    another(simulation, 300, "Production")
    found = run(simulation, "again", rerun={"run": "use-g1", "from": ["judge"]})
    assert pinned(simulation, "again") == {"tumour/Production": "tumour-1"}
    assert (found["split"]["state"], found["judge"]["state"]) == ("Reused", "Succeeded")


def test_a_rerun_of_what_failed_for_want_of_a_model_looks_for_it_again() -> None:
    simulation = Simulation(FakeCluster())
    use(simulation, compare())
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", tumour())))
    simulation.run_to_rest()
    stand(simulation, "tumour-1", "Production")
    found = run(simulation, "again", rerun={"run": "use-g1", "failed": True})
    assert found["look"]["state"] == "Succeeded"


def test_a_plan_reads_the_registry_too() -> None:
    simulation = living()
    use(simulation, *data(), gate(PRODUCTION), serve(PRODUCTION))
    foreseen = run(simulation, "plan", mode="Plan")
    assert foreseen["judge"]["reason"] == "WouldReuse"
    assert foreseen["serve"]["why"] == "endpoint scores already serves tumour-1: nothing to do"
    another(simulation, 300, "Production")
    foreseen = run(simulation, "later", mode="Plan")
    assert foreseen["judge"]["why"] == "changed: input model: tumour-1 -> tumour-2"
    assert foreseen["serve"]["why"] == "endpoint scores is to serve tumour-2"
    for name in ("tumour-1", "tumour-2"):
        stand(simulation, name, "Archived")
    foreseen = run(simulation, "none", mode="Plan")
    assert {foreseen[one]["reason"] for one in ("judge", "serve")} == {"WouldFail"}
    assert status(simulation, "PipelineRun", "none")["message"].startswith("2 would fail: judge, serve; ")


def test_what_a_failing_step_would_block_is_foreseen_too() -> None:
    simulation = Simulation(FakeCluster())
    after = {"name": "then", "run": {"image": "a:1", "inputs": {"files": "look.files"}}}
    plan = {"steps": [compare(), after], "policy": {"onChange": "Plan"}}
    simulation.person(lambda: simulation.cluster.create(pipeline("use", plan)))
    simulation.run_to_rest()
    found = simulation.steps("use-g1")["then"]
    assert (found["reason"], found["why"]) == ("WouldFail", "step look failed: ModelVersionNotFound")


BUGS: dict[str, tuple[Callable[..., Any], str, str, Callable[..., None]]] = {
    "pinned anew in every pass": (
        registered.pins,
        'if "pinned" in run.status:',
        'if run.status.get("startedAt"):',
        test_a_run_reads_one_version_whatever_becomes_of_the_registry,
    ),
    "the registry's own digest is in no step's": (
        work.work_of,
        "inputs |= {",
        "_ = inputs | {",
        test_a_gate_is_reused_while_its_champion_is_the_same_and_not_afterwards,
    ),
    "any version is good enough": (
        registered.unfit,
        "version.lifecycle in _JUDGED",
        "True",
        lambda: test_what_is_neither_approved_nor_in_production_is_not_deployed("Archived"),
    ),
    "a rerun looks at the registry": (
        rerun.beginning,
        ", pins_of(old.status))",
        ")",
        test_a_rerun_reads_the_versions_of_the_run_that_it_repeats,
    ),
    "a missing model is not missed": (
        registered.lacks,
        "record.state is StepState.WAITING",
        "False",
        test_a_step_whose_model_was_not_there_fails_and_says_what_to_look_at,
    ),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_seeded_bug_is_caught(monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    function, old, new, tested = BUGS[bug]
    monkeypatch.setattr(fake_shell, "_LOADED", {})  # what was compiled without the bug
    sow(monkeypatch, function, old, new)
    with pytest.raises((AssertionError, KeyError)):
        tested()
