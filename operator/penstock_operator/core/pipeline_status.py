"""The status of a Pipeline: whether it is accepted, and its current or last run in columns."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from penstock_operator.core.archive import Trouble, trouble_condition
from penstock_operator.core.changes import Change, own_runs
from penstock_operator.core.conditions import Wanted, is_true, merged
from penstock_operator.core.observed import RunObject
from penstock_operator.core.observed_pipeline import ObservedPipeline
from penstock_operator.core.policies import defaults_condition
from penstock_operator.core.text import sentence
from penstock_operator.core.times import stamp
from penstock_operator.core.triggers import Triggering, next_start, resting
from penstock_spec.errors import SpecError
from penstock_spec.graph import CompiledPipeline
from penstock_spec.names import Condition, Reason, StatusWord

_LENGTH = 8192


def accepted_status(
    observed: ObservedPipeline,
    compiled: CompiledPipeline,
    change: Change,
    starting: Triggering,
    now: datetime,
    trouble: Trouble,
) -> dict[str, Any]:
    """The status of a Pipeline whose spec is in order."""
    runs = _telling(own_runs(observed))
    current = _current(runs)
    columns = _columns(observed, current, runs)
    columns["endpoint"] = _endpoint(compiled)
    begun = (
        [str((change.last_started or {}).get("run", ""))]
        if change.actions and not change.plans
        else starting.started
    )
    if begun and (current is None or current.finished):
        columns |= _starts(begun[0], at_once=not observed.pipeline.suspended) | {"lastRun": begun[0]}
    if change.waits_for:
        columns["message"] = sentence(
            f"the change of generation {observed.pipeline.meta.generation} waits for run {change.waits_for}",
            columns["message"],
        )
    if change.held and not starting.started:  # what a trigger starts executes the change
        columns["message"] = sentence(change.held, columns["message"])
    if observed.pipeline.suspended:
        columns |= _suspended(change, columns)
    refusal = change.refusal
    if refusal is not None:
        columns |= {"status": StatusWord.FAILED, "reason": refusal.reason}
        columns["message"] = sentence(f"no run could be started: {refusal.message}")
    stalled = refusal is not None and refusal.reason != Reason.QUOTA_EXCEEDED
    wanted = [
        Wanted(Condition.ACCEPTED, status=True, reason=Reason.ACCEPTED),
        Wanted(Condition.READY, not stalled, refusal.reason if refusal and stalled else Reason.ACCEPTED),
        Wanted(Condition.STALLED, stalled, refusal.reason if refusal and stalled else Reason.ACCEPTED),
        *_last_outcome(runs),
        *defaults_condition(observed.defaults),
        *trouble_condition(trouble),
    ]
    status = _status(observed, wanted, columns, change.last_started, starting.entries, now)
    return {**status, "archive": trouble.to_status()} if trouble.failures else status


def _suspended(change: Change, columns: Mapping[str, str]) -> dict[str, str]:
    """The columns of a suspended Pipeline. A run that goes on is still shown."""
    going_on = columns["status"] == StatusWord.RUNNING
    waiting = "the last change waits, nothing new begins" if change.suspended else "nothing new begins"
    words = sentence(f"suspended: {waiting}", columns["message"] if going_on else "")
    if going_on:
        return {"message": words}
    return {"status": StatusWord.SUSPENDED, "reason": Reason.PIPELINE_SUSPENDED, "message": words}


def refused_status(observed: ObservedPipeline, error: SpecError, now: datetime) -> dict[str, Any]:
    """The status of a Pipeline whose spec is wrong: every problem at once. Runs that are under way go on."""
    runs = _telling(own_runs(observed))
    columns = _columns(observed, _current(runs), runs)
    columns |= {"status": StatusWord.REFUSED, "reason": Reason.INVALID_SPEC, "message": str(error)[:_LENGTH]}
    count = len(error.problems)
    short = f"{count} problem{'s' if count > 1 else ''} in the spec; see the condition Accepted"
    wanted = [
        Wanted(Condition.ACCEPTED, status=False, reason=Reason.INVALID_SPEC, message=str(error)[:_LENGTH]),
        Wanted(Condition.READY, status=False, reason=Reason.INVALID_SPEC, message=short),
        Wanted(Condition.STALLED, status=True, reason=Reason.INVALID_SPEC, message=short),
        *_last_outcome(runs),
        *defaults_condition(observed.defaults),
    ]
    started = observed.pipeline.status.get("lastStarted")
    status = _status(observed, wanted, columns, started, resting(observed), now)
    kept = observed.pipeline.status.get("archive")
    return {**status, "archive": dict(kept)} if kept else status


def _status(
    observed: ObservedPipeline,
    wanted: Sequence[Wanted],
    columns: Mapping[str, str],
    last_started: Mapping[str, Any] | None,
    triggers: Sequence[Mapping[str, Any]],
    now: datetime,
) -> dict[str, Any]:
    pipeline = observed.pipeline
    generation = pipeline.meta.generation
    before = pipeline.status.get("conditions", ())
    status: dict[str, Any] = {
        "observedGeneration": generation,
        "conditions": merged(before, wanted, generation, stamp(now)),
        **{key: str(value) for key, value in columns.items() if value},
    }
    if triggers:
        status["triggers"] = [dict(one) for one in triggers]
    if following := next_start(triggers):
        status["next"] = following
    if last_started:
        status["lastStarted"] = dict(last_started)
    return status


def _telling(runs: Sequence[RunObject]) -> Sequence[RunObject]:
    """Those that tell how the Pipeline does. One that never began tells of who made it, or of another run."""
    return [one for one in runs if not one.finished or one.status.get("startedAt") or _ours(one)]


def _ours(run: RunObject) -> bool:
    """Whether a change or a trigger made the run, and nothing but the Pipeline kept it from beginning."""
    aside = run.status.get("reason") in (Reason.RUN_FORBIDDEN, Reason.RUN_REPLACED)
    return bool(run.generation or run.trigger) and not aside


def _current(runs: Sequence[RunObject]) -> RunObject | None:
    """The run to look at: the one that is under way, else the one whose turn is next, else the newest."""
    unfinished = [one for one in runs if not one.finished]
    if unfinished:
        return next((one for one in unfinished if one.status.get("startedAt")), unfinished[0])
    return runs[-1] if runs else None


def _columns(
    observed: ObservedPipeline, current: RunObject | None, runs: Sequence[RunObject]
) -> dict[str, str]:
    before = observed.pipeline.status
    run = current.status if current is not None else _without_run(str(before.get("lastRun", "")))
    if current is not None and not run:
        run = _starts(current.meta.name, at_once=not (current.suspended or observed.pipeline.suspended))
    return {
        "status": run.get("status", ""),
        "reason": run.get("reason", ""),
        "message": run.get("message", ""),
        "step": run.get("step", ""),
        "progress": run.get("progress", ""),
        "model": _model(runs) or before.get("model", ""),
        "lastRun": current.meta.name if current is not None else before.get("lastRun", ""),
    }


def _starts(run: str, *, at_once: bool) -> dict[str, str]:
    """The columns for a run that has said nothing yet; it does in a moment, and then it is Running in most
    cases: told ahead, that takes no write of its own.
    """
    word = StatusWord.RUNNING if at_once else StatusWord.WAITING
    words = {"reason": Reason.STEPS_WAITING, "message": f"run {run} starts", "step": "", "progress": ""}
    return {"status": word, **words}


def _without_run(last: str) -> Mapping[str, Any]:
    """What is shown where no run is left: the same change does not start another one by itself."""
    words = sentence(f"run {last} was deleted", "nothing has run since; create a PipelineRun to run it again")
    return {"message": words} if last else {}


def _model(runs: Sequence[RunObject]) -> str:
    """The ModelVersion of the training that finished last."""
    for run in reversed(runs):
        trained = [one for one in run.status.get("steps", ()) if one.get("kind") in ("train", "pipeline")]
        found = [one["modelVersion"] for one in trained if one.get("modelVersion")]
        if found:
            return str(found[-1])
    return ""


def _endpoint(compiled: CompiledPipeline) -> str:
    deploys = [step.deploy for step in compiled.spec.steps if step.deploy is not None]
    return deploys[0].endpoint if deploys else ""


def _last_outcome(runs: Sequence[RunObject]) -> Sequence[Wanted]:
    """How the newest finished run ended; nothing where none has."""
    last = next((one for one in reversed(runs) if one.finished), None)
    if last is None:
        return ()
    ok = is_true(last.status, Condition.SUCCEEDED)
    message = (
        f"run {last.meta.name}" if ok else sentence(f"run {last.meta.name}: {last.status.get('message', '')}")
    )
    reason = last.status.get("reason") or Reason.SUCCEEDED
    return (Wanted(Condition.LAST_RUN_SUCCEEDED, ok, str(reason), message),)
