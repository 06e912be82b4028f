"""Monitor steps: they set an endpoint's spec.monitoring, wait until its pods log, and change nothing else."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from penstock_operator.core.actions import Apply
from penstock_operator.core.context import RunContext
from penstock_operator.core.monitor import monitors
from penstock_operator.core.observed import EndpointView, Ref, Refusal, RunObject
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.record import StepRecord
from penstock_operator.core.settings import Settings
from penstock_operator.core.start import fresh_records
from penstock_operator.core.watched_first import watched_first
from penstock_spec.graph import compile_pipeline
from penstock_spec.status import StepState
from tests.core.fake_cluster import FakeCluster
from tests.core.pipelines import TUMOUR_NEEDS, tumour
from tests.core.pods import NOW, meta
from tests.core.simulation import Simulation, pipeline

WATCH = {"name": "watch", "monitor": {"endpoint": "tumour", "predictionLog": {"redact": ["ssn"]}}}
WANTED = {"every": "5m", "predictionLog": {"redact": ["ssn"]}}
NEEDS = {**TUMOUR_NEEDS, "watch": ["serve"]}
LIVE = EndpointView(
    meta=replace(meta("tumour", "me-uid", 100), generation=3),
    version="tumour-1",
    digest="sha256:" + "a" * 64,
    stable="tumour-1",
    stable_digest="sha256:" + "a" * 64,
    observed_generation=3,
    ready=True,
)
WATCHED = replace(LIVE, monitoring=WANTED, watched_since="2026-11-21T10:00:00Z")


def context(endpoint: EndpointView | None, **fields: Any) -> RunContext:
    """A run whose deploy has succeeded."""
    spec = tumour()
    compiled = compile_pipeline({**spec, "steps": [*spec["steps"], WATCH]})
    records = {one.name: one for one in fresh_records(compiled)}
    observed = ObservedRun(
        RunObject(meta("tumour-g1", "run-uid", 60), "tumour"),
        None,
        endpoints={} if endpoint is None else {"tumour": endpoint},
        **fields,
    )
    return RunContext(observed, NOW, Settings(), compiled, {}, records, records)


WAITING = StepRecord("watch", "monitor")
RUNNING = replace(WAITING, state=StepState.RUNNING, reason="Watching")


def living(spec: Any) -> Simulation:
    simulation = Simulation(FakeCluster(), NEEDS)
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", spec)))
    simulation.run_to_rest()
    return simulation


def with_watch(**monitoring: Any) -> Any:
    spec = tumour()
    step = {"name": "watch", "monitor": {**WATCH["monitor"], **monitoring}}  # type: ignore[dict-item]  # a mapping
    return {**spec, "steps": [step, *spec["steps"]]}


def test_a_monitor_step_waits_for_the_deploy_of_its_endpoint_and_sets_its_monitoring() -> None:
    simulation = living(with_watch())
    step = simulation.steps("tumour-g1")["watch"]
    assert (step["state"], step["reason"]) == ("Succeeded", "Completed")
    assert step["message"] == "endpoint tumour is watched; kubectl get me -n ml"
    assert "why" not in step, "something was written"
    endpoint = simulation.cluster.objects[("ModelEndpoint", "tumour")]
    assert endpoint["spec"]["monitoring"] == WANTED
    assert endpoint["spec"]["model"]["version"] == "tumour-1"
    simulation.assert_at_rest()


def test_another_run_finds_nothing_to_do_and_is_not_reused() -> None:
    simulation = living(with_watch())
    before = simulation.cluster.objects[("ModelEndpoint", "tumour")]["metadata"]["generation"]
    changed = with_watch()
    changed["steps"][4]["validate"]["thresholds"][0]["minimum"] = 0.9
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "tumour", changed))
    simulation.run_to_rest()
    step = simulation.steps("tumour-g2")["watch"]
    assert (step["state"], step["why"]) == (
        "Succeeded",
        "endpoint tumour is monitored like that already: nothing to do",
    )
    assert simulation.cluster.objects[("ModelEndpoint", "tumour")]["metadata"]["generation"] == before


def test_a_changed_limit_is_a_change_of_the_endpoint_only() -> None:
    simulation = living(with_watch())
    changed = with_watch(minimumSamples=500)
    simulation.person(lambda: simulation.cluster.edit("Pipeline", "tumour", changed))
    simulation.run_to_rest()
    states = {name: one["state"] for name, one in simulation.steps("tumour-g2").items()}
    assert states.pop("watch") == states.pop("serve") == "Succeeded"
    assert set(states.values()) == {"Reused"}
    assert "why" not in simulation.steps("tumour-g2")["watch"], "something was written"
    endpoint = simulation.cluster.objects[("ModelEndpoint", "tumour")]
    assert endpoint["spec"]["monitoring"] == {**WANTED, "minimumSamples": 500}


def test_it_is_applied_under_a_name_of_its_own_and_names_nothing_else() -> None:
    decision = monitors(context(LIVE), WAITING)
    assert decision is not None
    (action,) = decision.actions
    assert isinstance(action, Apply)
    assert (action.manager, action.manifest["spec"]) == ("penstock-monitor", {"monitoring": WANTED})
    assert not getattr(action, "force", False)
    assert (decision.record.state, decision.record.reason) == (StepState.RUNNING, "Watching")


@pytest.mark.parametrize(
    "change",
    [
        lambda live: replace(live, observed_generation=2),
        lambda live: replace(live, ready=False),
        lambda live: replace(live, reconciling=True),
        lambda live: replace(live, watched_since=""),
    ],
    ids=["not seen yet", "not ready", "pods being replaced", "pods do not log yet"],
)
def test_it_is_not_done_before_the_endpoint_has_taken_it_over(
    change: Callable[[EndpointView], EndpointView],
) -> None:
    decision = monitors(context(change(WATCHED)), RUNNING)
    assert decision is not None
    assert decision.record is RUNNING
    assert decision.look_again is not None
    done = monitors(context(WATCHED), RUNNING)
    assert done is not None
    assert done.record.state is StepState.SUCCEEDED


def test_what_the_step_no_longer_sets_is_taken_back() -> None:
    decision = monitors(context(replace(WATCHED, monitoring={**WANTED, "significance": 0.05})), WAITING)
    assert decision is not None
    (action,) = decision.actions
    assert isinstance(action, Apply)
    assert action.manifest["spec"] == {"monitoring": WANTED}


def test_what_others_set_beside_it_is_theirs() -> None:
    own = {"method": "Psi", "maximum": 0.3}
    theirs = {"method": "ChiSquared", "maximum": 0.1}
    spec = tumour()
    step = {"name": "watch", "monitor": {"endpoint": "tumour", "drift": [own]}}
    compiled = compile_pipeline({**spec, "steps": [*spec["steps"], step]})
    live = replace(WATCHED, monitoring={"every": "5m", "drift": [theirs, own], "significance": 0.05})
    world = replace(context(live), pipeline=compiled)
    decision = monitors(world, RUNNING)
    assert decision is not None
    assert decision.record.state is StepState.SUCCEEDED


LIVE_REF = frozenset({Ref("ModelEndpoint", "tumour")})
FAILURES: dict[str, tuple[EndpointView | None, dict[str, Any], str, str]] = {
    "no endpoint": (None, {"live": LIVE_REF}, "EndpointNotFound", "there is no ModelEndpoint tumour"),
    "a field that somebody owns": (
        LIVE,
        {"refusals": {"tumour": Refusal("FieldOwned", "conflict with kubectl-edit: .spec.monitoring.every")}},
        "FieldOwned",
        "kubectl-edit",
    ),
    "changed by somebody meanwhile": (
        replace(WATCHED, monitoring={"every": "1h"}),
        {"live": LIVE_REF},
        "Replaced",
        "changed by somebody else",
    ),
    "another server": (
        replace(
            WATCHED, watched_since="", drifted_reason="MonitoringUnsupported", drifted_message="acme/server:1"
        ),
        {},
        "MonitoringUnsupported",
        "acme/server:1",
    ),
    "an endpoint that is stuck": (
        replace(WATCHED, ready=False, stalled_reason="DeadlineExceeded", stalled_message="no pod got ready"),
        {},
        "DeadlineExceeded",
        "no pod got ready",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_stands_in_its_way_fails_the_step_in_words(name: str) -> None:
    live, world, reason, words = FAILURES[name]
    decision = monitors(context(live, **world), RUNNING)
    assert decision is not None
    assert (decision.record.state, decision.record.reason) == (StepState.FAILED, reason)
    assert words in decision.record.message
    assert not decision.actions


def test_neither_absence_nor_a_change_is_believed_on_a_caches_word() -> None:
    for live in (None, replace(WATCHED, monitoring={"every": "1h"})):
        decision = monitors(context(live), RUNNING)
        assert decision is not None
        assert decision.confirm == (Ref("ModelEndpoint", "tumour"),)


# The endpoint that the same run makes


def first_of(step: dict[str, Any], **ended: StepState) -> list[Apply]:
    """What a deploy applies beside the endpoint that it makes, where these steps have ended."""
    spec = tumour()
    look = {"name": "look", "run": {"image": "acme/look:1"}}
    compiled = compile_pipeline({**spec, "steps": [*spec["steps"], look, step]})
    records = {one.name: one for one in fresh_records(compiled)}
    records |= {name: replace(records[name], state=state) for name, state in ended.items()}
    observed = ObservedRun(RunObject(meta("tumour-g1", "run-uid", 60), "tumour"), None)
    made = RunContext(observed, NOW, Settings(), compiled, {}, records, records)
    return list(watched_first(made, records["serve"], "tumour"))


def test_an_endpoint_that_the_run_makes_is_watched_from_its_first_pod_on_in_the_monitor_steps_name() -> None:
    (action,) = first_of(WATCH)
    assert (action.manager, action.force) == ("penstock-monitor", False)
    assert action.manifest["spec"] == {"monitoring": WANTED}


NOT_FIRST: dict[str, tuple[dict[str, Any], dict[str, StepState]]] = {
    "a step of another endpoint": ({"name": "watch", "monitor": {"endpoint": "growth"}}, {}),
    "a step that may be skipped": ({**WATCH, "when": {"all": [{"trigger": {"in": ["manual"]}}]}}, {}),
    "a step that waits for more": ({**WATCH, "dependsOn": ["look"]}, {}),
    "a step that has ended": (WATCH, {"watch": StepState.FAILED}),
}


@pytest.mark.parametrize("name", NOT_FIRST)
def test_a_monitor_step_that_may_not_follow_at_once_is_left_to_itself(name: str) -> None:
    step, ended = NOT_FIRST[name]
    assert first_of(step, **ended) == []


def test_a_step_whose_other_needs_are_met_is_not_waited_for() -> None:
    assert first_of({**WATCH, "dependsOn": ["look"]}, look=StepState.SUCCEEDED)
    assert not first_of({**WATCH, "dependsOn": ["look"]}, look=StepState.FAILED)


def test_an_endpoint_is_told_as_it_is_made_that_its_monitoring_follows() -> None:
    made = living(with_watch()).cluster.objects[("ModelEndpoint", "tumour")]
    assert made["metadata"]["annotations"] == {"penstock.dev/monitoring-follows": "true"}
    plain = living(tumour()).cluster.objects[("ModelEndpoint", "tumour")]
    assert "annotations" not in plain["metadata"]


def test_monitoring_is_written_with_the_endpoint_and_never_again() -> None:
    simulation = living(with_watch())
    verbs = [verb for verb, kind, _ in simulation.cluster.log if kind == "ModelEndpoint" and verb != "update"]
    assert verbs == ["create", "edit"]
    log = [one for one in simulation.cluster.log if one[1] == "ModelEndpoint"]
    assert [verb for verb, _, _ in log[:2]] == ["create", "edit"], "before anything of it was made"


@pytest.mark.parametrize("fate", ["before", "after"])
@pytest.mark.parametrize("write", range(36, 41))  # about the two writes to the endpoint
def test_wherever_the_operator_dies_the_endpoint_is_made_once_and_watched(write: int, fate: str) -> None:
    count = iter(range(1, 10_000))
    simulation = Simulation(FakeCluster(), NEEDS, fate_of_write=lambda: fate if next(count) == write else "")
    simulation.person(lambda: simulation.cluster.create(pipeline("tumour", with_watch())))
    simulation.run_to_rest()
    assert simulation.kills == 1
    assert simulation.steps("tumour-g1")["watch"]["state"] == "Succeeded"
    assert simulation.cluster.objects[("ModelEndpoint", "tumour")]["spec"]["monitoring"] == WANTED
    verbs = [verb for verb, kind, _ in simulation.cluster.log if kind == "ModelEndpoint" and verb != "update"]
    assert verbs == ["create", "edit"]
