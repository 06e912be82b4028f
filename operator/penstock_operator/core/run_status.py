"""The status of a run as plain data: summary columns, conditions, one entry per step, and never too large."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from penstock_operator.core.cells import failures
from penstock_operator.core.conditions import Wanted, merged
from penstock_operator.core.observed import RunObject
from penstock_operator.core.queued import HELD
from penstock_operator.core.record import StepRecord
from penstock_operator.core.text import clip, sentence
from penstock_operator.core.times import duration, read, stamp
from penstock_spec.cell_sizes import STATUS_BYTES
from penstock_spec.names import Condition, FailureClass, Reason, StatusWord
from penstock_spec.status import SATISFYING, StepState

_LIVELY = (StepState.RUNNING, StepState.RETRYING, StepState.STARTING, StepState.QUEUED)


@dataclass(frozen=True)
class Summary:
    """How a run is doing, in the words of its columns."""

    status: StatusWord
    reason: str
    message: str = ""
    step: str = ""
    finished: bool = False
    succeeded: bool | None = None


def summary_of(
    records: Sequence[StepRecord], namespace: str, *, stops: bool = False, upcoming: str = ""
) -> Summary:
    """The summary that follows from the steps. A failed run is known by the step that failed first; one that
    `stops` then has no step that goes on. `upcoming` is the step that begins as soon as this is written.
    """
    failed = [(broken[0].finished_at, one) for one in records if (broken := failures(one))]
    first = min(failed, key=lambda one: one[0])[1] if failed else None
    if all(one.ended for one in records):
        late = [one for one in records if one.reason == Reason.RUN_EXPIRED]
        if late:
            return _expired(late)
        if first is None:
            return _well_or_cancelled(records)
        message = sentence(f"step {first.name}: {first.message}")
        return Summary(StatusWord.FAILED, first.reason, message, first.name, finished=True, succeeded=False)
    if first is not None:
        stopped = stops or any(one.state is StepState.CANCELLED for one in records)
        going_on = "" if stopped else "independent steps go on"
        message = sentence(f"step {first.name}: {first.message}", going_on)
        return Summary(StatusWord.RUNNING, first.reason, message, first.name)
    for state in _LIVELY:
        found = next((one for one in records if one.state is state and one.name != upcoming), None)
        if found is not None:
            words = sentence(f"step {found.name}: {found.message}") if found.message else ""
            return Summary(StatusWord.RUNNING, found.reason, words, found.name)
    what = f"step {upcoming} starts" if upcoming else "the next step is about to start"
    words = sentence(what, f"kubectl get events -n {namespace}")
    return Summary(StatusWord.RUNNING, Reason.STEPS_WAITING, words, upcoming)


def _well_or_cancelled(records: Sequence[StepRecord]) -> Summary:
    """The end of a run in which nothing has failed."""
    cancelled = next((one for one in records if one.state is StepState.CANCELLED), None)
    if cancelled is None:
        return Summary(StatusWord.SUCCEEDED, Reason.SUCCEEDED, finished=True, succeeded=True)
    message = sentence(cancelled.message)
    return Summary(
        StatusWord.CANCELLED, cancelled.reason, message, cancelled.name, finished=True, succeeded=False
    )


def without_news(run: RunObject, summary: Summary, records: Sequence[StepRecord]) -> Summary:
    """A run that a trigger (or a run above it) started and in which all was reused: no source had anything
    new.
    """
    looked = any(
        (one.kind == "ingest" and one.state is StepState.REUSED) or one.reason == Reason.NO_NEW_DATA
        for one in records
    )
    started = run.trigger or run.step
    if not (started and summary.succeeded and looked) or made_anything(records):
        return summary
    return replace(summary, reason=Reason.NO_NEW_DATA, message="no source has changed: everything was reused")


def made_anything(records: Sequence[StepRecord]) -> bool:
    """Whether a run has made something that was not there before. Deploys and monitors only compare."""
    made = [one for one in records if one.kind not in ("deploy", "monitor")]
    old = (Reason.UNCHANGED, Reason.NO_NEW_DATA)  # reused, or a child in which everything was
    return any(one.state is not StepState.SKIPPED and one.reason not in old for one in made)


def replaced_before_steps(by: str) -> Summary:
    """The end of a run that a newer one replaces before it has begun."""
    message = f"run {by} came, and policy.concurrency is Replace"
    return Summary(StatusWord.CANCELLED, Reason.RUN_REPLACED, message, finished=True, succeeded=False)


def _expired(late: Sequence[StepRecord]) -> Summary:
    """The end of a run whose time was over before these steps had ended."""
    names = clip(", ".join(one.name for one in late), 300)
    words = sentence(late[0].message, f"not done: {names}")
    return Summary(
        StatusWord.EXPIRED, Reason.RUN_EXPIRED, words, late[0].name, finished=True, succeeded=False
    )


def failed_before_steps(reason: str, message: str) -> Summary:
    """The end of a run that could not even begin."""
    return Summary(StatusWord.FAILED, reason, sentence(message), finished=True, succeeded=False)


def waiting(reason: str, message: str) -> Summary:
    """A run that has not begun."""
    return Summary(StatusWord.WAITING, reason, message)


def about_to_start(what: str, *, begun: bool) -> Summary:
    """A run of which no step has started, whether it still has to wait for its turn or not."""
    word = StatusWord.RUNNING if begun else StatusWord.WAITING
    return Summary(word, Reason.STEPS_WAITING, f"{what} about to start")


def build(
    run: RunObject,
    summary: Summary,
    records: Sequence[StepRecord],
    now: datetime,
    snapshot: Mapping[str, Any] | None,
    *,
    started: bool,
) -> dict[str, Any]:
    """The whole status to write. Times that have been written stay; what is empty is left out."""
    before = run.status
    since, seconds = suspension(run, now, records)
    started_at = before.get("startedAt") or (stamp(now) if started else "")
    status: dict[str, Any] = {
        "observedGeneration": run.meta.generation,
        "conditions": merged(
            before.get("conditions", ()), _conditions(summary), run.meta.generation, stamp(now)
        ),
        "status": str(summary.status),
        "reason": summary.reason,
        "message": summary.message,
        "step": summary.step,
        "progress": _progress(records),
        "pinned": before.get("pinned"),
        "snapshot": dict(snapshot) if snapshot else None,
        "startedAt": started_at,
        "suspendedAt": since,
        "suspendedSeconds": seconds,
    }
    if summary.finished:
        finished_at = before.get("finishedAt") or stamp(now)
        begin, end = read(started_at or finished_at), read(finished_at)
        status["finishedAt"] = finished_at
        status["duration"] = duration(begin, end) if begin and end else ""
    kept = {key: value for key, value in status.items() if value not in ("", None, 0)}
    return _fitted(kept, records)


def is_held(run: RunObject, records: Sequence[StepRecord]) -> bool:
    """Whether the run's time stands still: it is suspended, or all that it does waits in queues of Kueue."""
    leaves = (leaf for one in records for leaf in one.leaves)
    live = [one for one in leaves if one.state in _LIVELY and one.reason != Reason.MAX_PARALLEL]
    return run.suspended or (
        bool(live) and all(one.state is StepState.QUEUED and one.reason in HELD for one in live)
    )


def suspension(run: RunObject, now: datetime, records: Sequence[StepRecord]) -> tuple[str, int]:
    """Since when the run's time stands still (empty: it goes on), and the seconds that it did before."""
    since, seconds = str(run.status.get("suspendedAt", "")), int(run.status.get("suspendedSeconds", 0))
    if is_held(run, records):
        return since or stamp(now), seconds
    begun = read(since)
    return "", seconds if begun is None else seconds + max(0, int((now - begun).total_seconds()))


def _progress(records: Sequence[StepRecord]) -> str:
    done = sum(1 for one in records if one.state in SATISFYING or one.state is StepState.SKIPPED)
    return f"{done}/{len(records)}" if records else ""


def _conditions(summary: Summary) -> Sequence[Wanted]:
    reason, message = summary.reason, summary.message
    good, bad = summary.succeeded is True, summary.succeeded is False
    return (
        Wanted(Condition.READY, good, reason, "" if good else message),
        Wanted(Condition.RECONCILING, not summary.finished, reason),
        Wanted(Condition.STALLED, bad, reason, message if bad else ""),
        Wanted(Condition.FINISHED, summary.finished, reason),
        Wanted(Condition.SUCCEEDED, summary.succeeded, reason),
    )


def size(status: Mapping[str, Any]) -> int:
    """Bytes of the status as the API server stores it."""
    return len(json.dumps(status, ensure_ascii=False, separators=(",", ":")).encode())


@dataclass(frozen=True)
class _Saving:
    """Something to give up: fields to empty, and how many characters of the message to keep."""

    fields: Sequence[str]
    message: int = 1024
    failures_too: bool = False  # else only in steps that have ended well
    of_cells: Sequence[str] = ()  # of cells that have not ended well
    cell_message: int = 1024

    def of(self, record: StepRecord) -> StepRecord:
        """The record without what is given up."""
        if record.cells:
            record = replace(record, cells={number: self._cell(one) for number, one in record.cells.items()})
        well = record.state in SATISFYING
        if not (well or self.failures_too):
            return record
        return replace(record, **_empty(self.fields), message=clip(record.message, self.message))

    def _cell(self, cell: StepRecord) -> StepRecord:
        if cell.state in SATISFYING:
            return replace(cell, **_empty(self.fields))
        fields = [one for one in self.of_cells if one != "blame"]
        # Whether inputs were missing decides what the next attempt reads.
        if "blame" in self.of_cells and cell.failure_class != FailureClass.INPUT_MISSING:
            fields.append("failure_class")
        return replace(cell, **_empty(fields), message=clip(cell.message, self.cell_message))


def _empty(fields: Sequence[str]) -> dict[str, Any]:
    return {name: {} if name in ("metrics", "remake_cells") else "" for name in fields}


# Where a run has so many steps that its status would not fit, this is given up, in this order. Never states,
# digests,
# outputs and versions: decisions rest on them.
_SAVINGS: Sequence[_Saving] = (
    _Saving(("metrics",)),
    _Saving(("image", "why", "memory", "scratch")),
    _Saving(("source_revision", "started_at"), message=0, cell_message=200),
    _Saving(("metrics", "image"), message=300, failures_too=True, of_cells=("metrics",), cell_message=60),
    _Saving(("why", "log"), message=80, failures_too=True, of_cells=("log", "reason"), cell_message=0),
    # Which cells were lost is no more known then: all of them are made again.
    _Saving(
        ("source_revision", "started_at", "remake_cells"),
        failures_too=True,
        of_cells=("retry_at", "finished_at", "blame", "remake_cells"),
    ),
)


def _fitted(status: dict[str, Any], records: Sequence[StepRecord]) -> dict[str, Any]:
    """The status with its steps, made smaller until it fits."""
    whole = {**status, "steps": [one.to_status() for one in records]}
    for saving in _SAVINGS:
        if size(whole) <= STATUS_BYTES:
            break
        records = [saving.of(one) for one in records]
        whole = {**status, "steps": [one.to_status() for one in records]}
    return whole
