"""The status of the largest allowed run fits, and so do its parts."""

import json
from dataclasses import replace

import pytest

from penstock_operator.core.observed import Meta, RunObject
from penstock_operator.core.record import StepRecord
from penstock_operator.core.run_status import STATUS_BYTES, build, size, summary_of
from penstock_spec.checks.sizes import MAX_RESULTS
from penstock_spec.errors import SpecError
from penstock_spec.graph import compile_pipeline
from penstock_spec.run_status import PipelineRunStatus
from penstock_spec.status import RESULT_LENGTH, StepState
from tests.core.pods import NOW

DIGEST = "sha256:" + "f" * 64


def worst(index: int, state: StepState, outputs: int) -> StepRecord:
    """A step whose every field is as long as it may be."""
    name = f"{index:03d}".rjust(40, "s")
    return StepRecord(
        name=name,
        kind="validate",
        state=state,
        reason="ConnectionNotFound",
        message="é" * 200 if state is not StepState.FAILED else "é" * 1000,
        failure_class="StoreUnavailable",
        attempt=28,
        retries={"OutOfMemory": 2, "Disruption": 20, "StoreUnavailable": 5},
        memory="2304Mi",
        scratch="20480Mi",
        remakes=tuple(f"{one}".rjust(40, "r") for one in range(2)) if state is StepState.RETRYING else (),
        job="j" * 51,
        digest=DIGEST,
        source_revision="r" * 160,
        made_at="2026-11-21T12:00:00Z",
        why="w" * 256,
        outputs={f"{one:02d}".rjust(40, "o"): DIGEST for one in range(outputs)},
        metrics={f"{one:02d}".rjust(40, "m"): 0.12345678901234 + one for one in range(8)},
        verdict="Inconclusive",
        model_version="m" * 45,
        image="i" * 200,
        started_at="2026-11-21T12:00:00Z",
        finished_at="2026-11-21T12:00:00Z",
        log="l" * 2048 if index < 10 and state is StepState.FAILED else "",
    )


def status_of(records: list[StepRecord]) -> dict[str, object]:
    run = RunObject(Meta("ml", "r" * 63, "u" * 36, NOW), "p" * 40)
    snapshot = {"revision": "v" * 51, "digest": DIGEST, "pipelineUid": "u" * 36}
    return build(run, summary_of(records, "ml"), records, NOW, snapshot, started=True)


def test_the_largest_allowed_run_fits_with_every_outputs_digest() -> None:
    records = [worst(index, StepState.SUCCEEDED, outputs=4 if index < 128 else 2) for index in range(256)]
    status = status_of(records)
    assert size(status) <= STATUS_BYTES
    PipelineRunStatus.model_validate(json.loads(json.dumps(status)), by_alias=True, by_name=False)
    entries = status["steps"]
    assert isinstance(entries, list)
    assert [one["outputs"] for one in entries] == [dict(one.outputs) for one in records]


def test_it_fits_too_with_as_many_results_as_a_pipeline_may_declare_and_none_is_given_up() -> None:
    full = {f"{one:02d}".rjust(40, "r"): "v" * RESULT_LENGTH for one in range(16)}
    records = [worst(index, StepState.SUCCEEDED, outputs=2) for index in range(256)]
    count = MAX_RESULTS // len(full)
    records = [replace(one, results=full) if index < count else one for index, one in enumerate(records)]
    status = status_of(records)
    assert size(status) <= STATUS_BYTES
    entries = status["steps"]
    assert isinstance(entries, list)
    assert [one.get("results") for one in entries[:count]] == [full] * count


@pytest.mark.parametrize(
    "state", [StepState.FAILED, StepState.RUNNING, StepState.RETRYING, StepState.STARTING]
)
def test_it_fits_too_where_no_step_has_ended_well(state: StepState) -> None:
    status = status_of([worst(index, state, outputs=1) for index in range(256)])
    assert size(status) <= STATUS_BYTES
    entries = status["steps"]
    assert isinstance(entries, list)
    assert all(one["message"] and one["reason"] and one["job"] for one in entries)


def test_the_words_of_failures_are_kept_longer_than_those_of_what_ended_well() -> None:
    states = [StepState.FAILED if index < 10 else StepState.SUCCEEDED for index in range(256)]
    status = status_of([worst(index, state, outputs=1) for index, state in enumerate(states)])
    assert size(status) <= STATUS_BYTES
    entries = status["steps"]
    assert isinstance(entries, list)
    assert all(len(one["message"]) == 1000 and one["log"] for one in entries[:10])


def test_a_small_run_gives_nothing_up() -> None:
    records = [worst(index, StepState.SUCCEEDED, outputs=3) for index in range(12)]
    assert status_of(records)["steps"] == [one.to_status() for one in records]


def test_a_record_comes_back_from_the_status_as_it_was() -> None:
    record = worst(1, StepState.RETRYING, outputs=2)
    assert StepRecord.from_status(json.loads(json.dumps(record.to_status()))) == record


# Steps with cells


def finished_cell(number: int, outputs: int = 1) -> StepRecord:
    """A cell that ended well, with no results."""
    return StepRecord(
        "fit",
        "run",
        StepState.SUCCEEDED,
        cell=number,
        reason="Completed",
        message="m" * 300,
        attempt=1,
        job="j" * 51,
        digest=DIGEST,
        outputs={f"out{one}": DIGEST for one in range(outputs)},
        image="i" * 200,
        started_at="2026-11-21T12:00:00Z",
        finished_at="2026-11-21T12:00:00Z",
    )


def worst_cell(number: int, state: StepState) -> StepRecord:
    """A cell that lives, or failed at a gate, with all that it may then have to say."""
    one = worst(number, state, outputs=1 if state is StepState.FAILED else 0)
    judged = state is StepState.FAILED
    gate = {"retries": {}, "memory": "", "scratch": ""} if judged else {"verdict": "", "model_version": ""}
    return replace(one, name="fit", cell=number, message="é" * 1000, remakes=(), source_revision="", **gate)


def group(cells: list[StepRecord]) -> StepRecord:
    """The step whose cells these are."""
    return StepRecord(
        "fit",
        "run",
        StepState.RUNNING,
        message="m" * 1000,
        why="w" * 256,
        cell_count=len(cells),
        cell_outputs=tuple(one for one in cells[0].outputs),
        cells={one.cell: one for one in cells},
    )


def test_a_finished_cell_takes_no_more_than_120_bytes() -> None:
    entry = group([finished_cell(1000)]).to_status()["cells"][0]
    assert size(entry) <= 120
    assert set(entry) == {"number", "state", "digest", "outputs"}


@pytest.mark.parametrize(
    "state", [StepState.FAILED, StepState.RUNNING, StepState.RETRYING, StepState.QUEUED, StepState.CANCELLED]
)
def test_a_run_of_a_thousand_leaves_fits_whatever_its_cells_do(state: StepState) -> None:
    status = status_of([group([worst_cell(number, state) for number in range(1, 1000)])])
    assert size(status) <= STATUS_BYTES
    PipelineRunStatus.model_validate(json.loads(json.dumps(status)), by_alias=True, by_name=False)
    (entry,) = status["steps"]  # type: ignore[misc]  # a list, here of one
    assert len(entry["cells"]) == 999
    assert all(one["state"] == state for one in entry["cells"])


def test_a_run_of_a_thousand_cells_that_wait_for_lost_ones_fits_and_then_waits_for_all_of_them() -> None:
    name, lost = "r" * 40, ",".join(map(str, range(100, 228, 2)))
    cells = [
        replace(worst_cell(number, StepState.RETRYING), remakes=(name,), remake_cells={name: lost})
        for number in range(1, 950)
    ]
    status = status_of([group(cells)])
    assert size(status) <= STATUS_BYTES
    steps, few = status["steps"], status_of([group(cells[:20])])["steps"]
    assert isinstance(steps, list)
    assert isinstance(few, list)
    assert all(one["remakes"] == [name] and "remakeCells" not in one for one in steps[0]["cells"])
    assert all("remakeCells" in one for one in few[0]["cells"])


def test_a_run_of_a_thousand_finished_leaves_gives_nothing_up() -> None:
    step = group([finished_cell(number) for number in range(1, 1000)])
    status = status_of([step])
    assert size(status) <= STATUS_BYTES
    assert status["steps"] == [step.to_status()]


def test_what_the_compiler_lets_through_fits_with_every_digest() -> None:
    names = [f"out{one}" for one in range(4)]
    steps = [
        {"name": f"plain{one:02d}", "run": {"image": "a:1", "outputs": [{"name": "files"}]}}
        for one in range(60)
    ]
    grid: dict[str, object] = {
        "name": "fit",
        "run": {"image": "a:1", "outputs": [{"name": name} for name in names]},
    }
    most = 0
    for count in range(100, 941, 20):
        grid["matrix"] = {"axes": {"n": list(range(count))}}
        try:
            compile_pipeline({"steps": [*steps, grid]})
        except SpecError:
            break
        most = count
    assert 300 < most < 940
    cells = [finished_cell(number, outputs=4) for number in range(1, most + 1)]
    records = [worst(number, StepState.SUCCEEDED, outputs=1) for number in range(60)]
    status = status_of([*records, group(cells)])
    assert size(status) <= STATUS_BYTES
    assert [len(one["outputs"]) for one in status["steps"][-1]["cells"]] == [4] * most  # type: ignore[index]


def test_cells_come_back_from_the_status_as_they_were_but_for_what_is_computed() -> None:
    step = group([finished_cell(1), worst_cell(2, StepState.RETRYING)])
    found = StepRecord.from_status(json.loads(json.dumps(step.to_status())))
    assert found.to_status() == step.to_status()
    assert found.cells[1].outputs == step.cells[1].outputs
