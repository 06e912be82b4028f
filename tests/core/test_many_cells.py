"""Steps of a thousand cells: an event about one of them costs the work of one."""

from collections.abc import Mapping
from typing import Any

import pytest

from penstock_operator.core import taking
from penstock_operator.core.actions import Create
from penstock_operator.core.observed import JobView, Meta, RunObject
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.plan_run import plan_run
from penstock_operator.core.settings import Settings
from penstock_operator.core.start import Frozen
from penstock_spec.graph import compile_pipeline
from penstock_spec.object_names import job_name
from penstock_spec.plain import digest_text
from tests.core.pods import NOW

COUNT = 900
DIGEST = digest_text("x")
SPEC = {
    "steps": [
        {
            "name": "fit",
            "matrix": {"axes": {"n": list(range(COUNT))}},
            "run": {"image": "a:1", "argumentsFrom": {"n": {"cell": "n"}}, "outputs": [{"name": "files"}]},
        }
    ]
}


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The cells whose spec is resolved, one by one."""
    found: list[int] = []
    resolve = taking.resolved_of

    def counted(context: Any, record: Any) -> Any:
        found.append(record.cell)
        return resolve(context, record)

    monkeypatch.setattr("penstock_operator.core.work.resolved_of", counted)
    return found


def world(monkeypatch: pytest.MonkeyPatch, cells: list[dict[str, Any]], **policy: Any) -> ObservedRun:
    """A run whose one step has come so far; the Jobs of its live cells exist."""
    compiled = compile_pipeline({**SPEC, "policy": policy})
    frozen = Frozen("p-0123456789", DIGEST, compiled)
    monkeypatch.setattr("penstock_operator.core.plan_run.thawed", lambda *_: frozen)
    meta = Meta("ml", "p-g1", "run-uid", NOW, generation=1)
    step = {
        "name": "fit",
        "kind": "run",
        "state": "Running",
        "cellCount": COUNT,
        "cellOutputs": ["files"],
        "cells": cells,
    }
    status = {
        "snapshot": {"revision": "p-0123456789", "digest": DIGEST, "pipelineUid": "", "policy": policy},
        "startedAt": "2026-11-21T12:00:00Z",
        "steps": [step] if cells else [{"name": "fit", "kind": "run", "state": "Waiting"}],
    }
    jobs = {name: job_view(name) for one in cells if one["state"] == "Running" for name in [name_of(one)]}
    return ObservedRun(RunObject(meta, "p", status=status), None, jobs=jobs)


def name_of(cell: Mapping[str, Any]) -> str:
    return job_name("p-g1", "run-uid", "fit", cell["attempt"], cell["number"])


def job_view(name: str) -> JobView:
    return JobView(Meta("ml", name, f"uid-{name}", NOW, owner_uid="run-uid"))


def done(number: int) -> dict[str, Any]:
    return {"number": number, "state": "Succeeded", "digest": "k" * 12, "outputs": ["A" * 43]}


def live(number: int) -> dict[str, Any]:
    return {"number": number, "state": "Running", "reason": "Running", "attempt": 1, "digest": "k" * 12}


def test_a_look_at_cells_of_which_none_may_begin_resolves_none(
    monkeypatch: pytest.MonkeyPatch, resolved: list[int]
) -> None:
    cells = [done(number) for number in range(1, 801)] + [live(number) for number in range(801, 821)]
    plan_run(world(monkeypatch, cells, maxParallel=20), NOW, Settings())
    assert resolved == []


def test_an_ended_cell_makes_room_for_one_and_only_that_is_resolved(
    monkeypatch: pytest.MonkeyPatch, resolved: list[int]
) -> None:
    cells = [done(number) for number in range(1, 802)] + [live(number) for number in range(802, 821)]
    plan = plan_run(world(monkeypatch, cells, maxParallel=20), NOW, Settings())
    assert set(resolved) == {821}
    created = [
        one.manifest["metadata"]["labels"]["penstock.dev/cell"]
        for one in plan.actions
        if isinstance(one, Create)
    ]
    assert created == ["821"]


def test_a_pass_begins_a_bounded_number_of_cells_and_asks_to_be_called_again_at_once(
    monkeypatch: pytest.MonkeyPatch, resolved: list[int]
) -> None:
    plan = plan_run(world(monkeypatch, []), NOW, Settings())
    assert len(plan.actions) == 50
    assert set(resolved) == set(range(1, 51))
    assert plan.look_again == NOW
    assert plan.status is not None
    assert plan.status["steps"][0]["message"].startswith("0 of 900 cells done, 50 under way, 850 to come")


def test_a_run_with_nothing_new_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [done(number) for number in range(1, 801)] + [live(number) for number in range(801, 821)]
    observed = world(monkeypatch, cells, maxParallel=20)
    first = plan_run(observed, NOW, Settings())
    assert first.status is not None
    run = observed.run
    again = ObservedRun(
        RunObject(run.meta, "p", status=first.status), None, jobs=observed.jobs, live=observed.live
    )
    assert plan_run(again, NOW, Settings()).status is None
