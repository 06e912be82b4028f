"""Health for Argo CD, in Lua 5.1 with the libraries that Argo CD opens and no others.

Source: argo-cd, util/lua/lua.go: base, table, package and a part of os; no string, no math.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from lupa.lua51 import LuaRuntime

from penstock_operator.core import run_status
from penstock_operator.core.observed import Meta, RunObject
from penstock_spec.api import API_KINDS
from penstock_spec.model_version import Lifecycle
from penstock_spec.names import API_VERSION, Condition, Reason
from tests.support import ROOT

SCRIPTS = {path.stem: path.read_text() for path in (ROOT / "charts/penstock/files/argocd").glob("*.lua")}
NOT_OPENED = ("string", "math", "io", "debug", "coroutine")
UNSEEN = "the operator has not looked at it yet"
OUTDATED = "the operator has not seen the latest change yet"


def table(lua: LuaRuntime, value: Any) -> Any:
    """The value as Argo CD hands it to Lua: maps and lists are tables, a null is nil."""
    if isinstance(value, Mapping):
        return lua.table_from({key: table(lua, one) for key, one in value.items() if one is not None})
    if isinstance(value, list | tuple):
        return lua.table_from([table(lua, one) for one in value])
    return value


def health(kind: str, status: Mapping[str, Any] | None, generation: int = 3) -> tuple[str, str]:
    """What Argo CD shows for an object of this kind: its word and its message."""
    lua = LuaRuntime(register_eval=False, register_builtins=False, unpack_returned_tuples=True)
    for name in NOT_OPENED:
        lua.globals()[name] = None
    whole = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": "tumour", "generation": generation},
        "spec": {},
        "status": status,
    }
    lua.globals()["obj"] = table(lua, whole)
    found = lua.execute(SCRIPTS[kind])
    assert set(found) <= {"status", "message"}
    return found["status"], found["message"]


def conditions(**statuses: str | tuple[str, str]) -> list[dict[str, Any]]:
    """Conditions by type: a status, or a status and a message."""
    pairs = {name: (one, "") if isinstance(one, str) else one for name, one in statuses.items()}
    return [
        {"type": name, "status": status, "reason": "SomeReason", **({"message": words} if words else {})}
        for name, (status, words) in pairs.items()
    ]


def seen(**fields: Any) -> dict[str, Any]:
    """A status of the present generation."""
    return {"observedGeneration": 3, **fields}


def ready(**more: str | tuple[str, str]) -> list[dict[str, Any]]:
    """Conditions of what does as it is asked."""
    return conditions(Ready="True", Reconciling="False", Stalled="False", **more)


CASES: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("Pipeline", "accepted", seen(conditions=ready(Accepted="True")), "Healthy", "accepted"),
    (
        "Pipeline",
        "refused",
        seen(conditions=conditions(Ready="False", Stalled=("True", "spec.steps[2]: no such step"))),
        "Degraded",
        "spec.steps[2]: no such step",
    ),
    (
        "Pipeline",
        "the last run failed, which is no fault of what Git holds",
        seen(conditions=ready(LastRunSucceeded=("False", "run tumour-g3: roc_auc 0.91"))),
        "Healthy",
        "accepted; the last run failed: run tumour-g3: roc_auc 0.91",
    ),
    (
        "Pipeline",
        "a run is under way",
        seen(conditions=ready(LastRunSucceeded="Unknown"), status="Running"),
        "Healthy",
        "accepted",
    ),
    (
        "Pipeline",
        "not judged yet",
        seen(conditions=conditions(Ready="Unknown")),
        "Progressing",
        "SomeReason",
    ),
    (
        "PipelineRun",
        "at its second step",
        seen(
            conditions=conditions(Finished="False", Ready="False"), progress="1/5", message="step fit: fits"
        ),
        "Progressing",
        "1/5 steps: step fit: fits",
    ),
    (
        "PipelineRun",
        "has not begun",
        seen(
            conditions=conditions(Finished="False"),
            reason="WaitingForRun",
            message="run tumour-g2 goes first",
        ),
        "Progressing",
        "run tumour-g2 goes first",
    ),
    (
        "PipelineRun",
        "a queue holds it",
        seen(
            conditions=conditions(Finished="False"),
            reason="Suspended",
            message="step fit: its Job is suspended",
        ),
        "Suspended",
        "step fit: its Job is suspended",
    ),
    (
        "PipelineRun",
        "waits in a queue of Kueue, which is not there",
        seen(
            conditions=conditions(Finished="False"),
            reason="QueueUnavailable",
            message="step fit: waits in queue small, but this cluster has no Kueue",
        ),
        "Suspended",
        "step fit: waits in queue small, but this cluster has no Kueue",
    ),
    (
        "PipelineRun",
        "succeeded",
        seen(conditions=conditions(Finished="True", Succeeded="True"), progress="5/5", reason="Succeeded"),
        "Healthy",
        "all steps have succeeded",
    ),
    (
        "PipelineRun",
        "failed",
        seen(conditions=conditions(Finished="True", Succeeded="False"), message="step gate: roc_auc 0.91"),
        "Degraded",
        "step gate: roc_auc 0.91",
    ),
    ("PipelineRun", "ended without a word", seen(conditions=conditions(Finished="True")), "Degraded", ""),
    (
        "ModelVersion",
        "no gate has judged it",
        seen(lifecycle="Candidate", message="trained"),
        "Healthy",
        "Candidate: trained",
    ),
    ("ModelVersion", "without words", seen(lifecycle="Approved"), "Healthy", "Approved"),
    (
        "ModelVersion",
        "its gate said no",
        seen(lifecycle="Rejected", message="roc_auc 0.91"),
        "Degraded",
        "Rejected: roc_auc 0.91",
    ),
    (
        "ModelEndpoint",
        "serves",
        seen(conditions=ready(), message="tumour-2 serves"),
        "Healthy",
        "tumour-2 serves",
    ),
    (
        "ModelEndpoint",
        "serves the version before while the next one starts",
        seen(
            conditions=conditions(Ready="True", Reconciling="True"),
            message="tumour-3 starts: 0 of 2 pods ready",
        ),
        "Progressing",
        "tumour-3 starts: 0 of 2 pods ready",
    ),
    (
        "ModelEndpoint",
        "the asked version never got ready, and another goes on serving",
        seen(conditions=conditions(Ready="True", Stalled=("True", "tumour-3 did not get ready in time"))),
        "Degraded",
        "tumour-3 did not get ready in time",
    ),
    (
        "ModelEndpoint",
        "all its pods are gone",
        seen(conditions=conditions(Ready=("False", "no pod is ready"), Reconciling="False")),
        "Progressing",
        "no pod is ready",
    ),
    (
        "ModelEndpoint",
        "drifted, with nulls: told, and healthy",
        seen(
            conditions=ready(Drifted=("True", "mean_radius, worst_area"), NullBurst=("True", "mean_texture")),
            message="tumour-2 serves",
        ),
        "Healthy",
        "tumour-2 serves; Drifted: mean_radius, worst_area; NullBurst: mean_texture",
    ),
    (
        "ModelEndpoint",
        "nobody knows whether it has drifted",
        seen(conditions=ready(Drifted=("Unknown", "150 rows, needs 200")), message="tumour-2 serves"),
        "Healthy",
        "tumour-2 serves",
    ),
]


@pytest.mark.parametrize(
    ("kind", "status", "word", "message"),
    [(kind, status, word, message) for kind, _, status, word, message in CASES],
    ids=[f"{kind}: {name}" for kind, name, *_ in CASES],
)
def test_the_health_of_an_object_is_told_in_argo_cds_words(kind, status, word, message) -> None:
    assert health(kind, status) == (word, message)


def test_there_is_a_script_for_each_kind() -> None:
    assert set(SCRIPTS) == {one.kind for one in API_KINDS}


@pytest.mark.parametrize("kind", SCRIPTS)
@pytest.mark.parametrize("status", [None, {}, {"observedGeneration": 3}], ids=["none", "empty", "no words"])
def test_an_object_that_nobody_has_looked_at_is_progressing(kind, status) -> None:
    assert health(kind, status) == ("Progressing", UNSEEN)


@pytest.mark.parametrize("kind", sorted(set(SCRIPTS) - {"ModelVersion"}))
def test_words_about_an_older_generation_are_not_believed(kind) -> None:
    old = {
        "observedGeneration": 2,
        "conditions": ready(Finished="True", Succeeded="True"),
    }
    assert health(kind, old) == ("Progressing", OUTDATED)
    assert health(kind, old, generation=2)[0] == "Healthy"


@pytest.mark.parametrize("kind", SCRIPTS)
@pytest.mark.parametrize(
    "odd",
    [
        {"conditions": []},
        {"conditions": [{}]},
        {"conditions": [{"type": "Stalled"}, {"status": "True"}]},
        {"conditions": [{"type": "Stalled", "status": "True"}], "lifecycle": "Rejected"},
        {"conditions": [{"type": "Finished", "status": "True"}], "message": None},
    ],
    ids=str,
)
def test_no_status_breaks_a_script(kind, odd) -> None:
    word, message = health(kind, odd)
    assert word in {"Healthy", "Progressing", "Degraded", "Suspended"}
    assert isinstance(message, str)


def test_the_scripts_use_nothing_that_argo_cd_does_not_open() -> None:
    lua = LuaRuntime(register_eval=False)
    for name in NOT_OPENED:
        assert lua.globals()[name] is not None, "a test that takes away what is not there proves nothing"
    for kind, script in SCRIPTS.items():
        used = [name for name in NOT_OPENED if f"{name}." in script]
        assert used == [], kind


def test_the_words_that_the_scripts_look_for_are_the_operators_own() -> None:
    every = "".join(SCRIPTS.values())
    for word in ("Ready", "Stalled", "Reconciling", "Finished", "Succeeded", "LastRunSucceeded"):
        assert word in {str(one) for one in Condition}
        assert word in every
    assert str(Reason.SUSPENDED) in every
    assert str(Lifecycle.REJECTED) in every


def test_the_status_that_the_operator_writes_for_a_failed_run_is_degraded() -> None:
    now = datetime(2026, 11, 25, tzinfo=UTC)
    run = RunObject(Meta("ml", "tumour-g3", "uid", now, generation=3), pipeline="tumour")
    summary = run_status.failed_before_steps("PipelineNotFound", "there is no Pipeline tumour")
    status = run_status.build(run, summary, (), now, None, started=False)
    assert health("PipelineRun", status) == ("Degraded", "there is no Pipeline tumour")
