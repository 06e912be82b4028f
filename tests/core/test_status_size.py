"""The status of the largest allowed run fits, and so do its parts."""

import json
from dataclasses import replace

import pytest

from penstock_operator.core.observed import Meta, RunObject
from penstock_operator.core.record import StepRecord
from penstock_operator.core.run_status import STATUS_BYTES, build, size, summary_of
from penstock_spec.checks.sizes import MAX_RESULTS
from penstock_spec.status import RESULT_LENGTH, PipelineRunStatus, StepState
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
