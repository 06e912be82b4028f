"""Gates: a verdict that is not Pass fails its step for good, and is written into the model's record."""

from collections.abc import Iterator
from dataclasses import replace

from penstock_operator.core.actions import Action
from penstock_operator.core.cells import cell_of
from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.models import patch_version
from penstock_operator.core.observed import VersionView
from penstock_operator.core.record import StepRecord
from penstock_operator.core.registered import version_read
from penstock_operator.core.text import one_line
from penstock_spec.contract import Result
from penstock_spec.kinds.validate import OnInconclusive, Validate
from penstock_spec.model_version import Lifecycle
from penstock_spec.names import Reason
from penstock_spec.status import SATISFYING, StepState, Verdict

_DECISIONS = 32  # kept in a version's status; the newest


def judged(context: RunContext, ended: StepRecord, result: Result) -> Decision:
    """The gate's step ends as its verdict says; the decision goes into the ModelVersion first."""
    version = version_read(context, ended)
    passed = result.verdict == Verdict.PASS or _tolerated(context, ended, result)
    actions = _decision(context, ended, version, result, passed=passed) if version is not None else ()
    shown = replace(ended, model_version=version.meta.name if version is not None else "")
    if not passed:
        default = Reason.INCONCLUSIVE if result.verdict == Verdict.INCONCLUSIVE else Reason.THRESHOLD_NOT_MET
        known = {str(Reason.INCONCLUSIVE), str(Reason.THRESHOLD_NOT_MET)}
        shown = replace(
            shown,
            state=StepState.FAILED,
            reason=result.reason if result.reason in known else str(default),
            message=one_line(result.message or f"the verdict is {result.verdict or 'missing'}", 800),
        )
    return Decision(shown, actions=actions)


def _tolerated(context: RunContext, ended: StepRecord, result: Result) -> bool:
    body = context.pipeline.spec.step(ended.name).body
    return (
        result.verdict == Verdict.INCONCLUSIVE
        and isinstance(body, Validate)
        and body.on_inconclusive is OnInconclusive.PASS
    )


def renewed(context: RunContext, reused: StepRecord) -> tuple[Action, ...]:
    """The write that a reused verdict asks for: it counts again, whatever was found in between."""
    version = version_read(context, reused)
    if version is None:
        return ()
    result = Result(verdict=reused.verdict, metrics=reused.metrics)
    return _decision(context, reused, version, result, passed=True)


def _decision(
    context: RunContext, ended: StepRecord, version: VersionView, result: Result, *, passed: bool
) -> tuple[Action, ...]:
    """The write that adds the verdict to the version, unless it is there already."""
    meta = context.observed.run.meta
    decisions = list(version.status.get("decisions", ()))
    # A run's name is given again when its Pipeline is made anew; its uid never is. CRDs of an earlier release
    # drop the uid: there the name has to do, or the decision would be written again and again.
    known = any(
        one.get("runUid", meta.uid) == meta.uid
        and (one.get("run"), one.get("step"), one.get("cell", 0)) == (meta.name, ended.name, ended.cell)
        for one in decisions
    )
    if not known:
        decisions.append(
            {
                "step": ended.name,
                **({"cell": ended.cell} if ended.cell else {}),
                "run": meta.name,
                "runUid": meta.uid,
                "verdict": result.verdict,
                "report": ended.outputs.get("report", ""),
                "metrics": dict(list(result.metrics.items())[:_DECISIONS]),
                "time": context.stamp,
            }
        )
    lifecycle = _lifecycle(context, ended, version, passed=passed)
    if known and lifecycle == version.lifecycle:
        return ()
    status = {
        **version.status,
        "observedGeneration": version.meta.generation,
        "decisions": decisions[-_DECISIONS:],
    }
    if lifecycle == (Lifecycle.APPROVED if passed else Lifecycle.REJECTED):
        reason = str(Reason.GATE_PASSED if passed else Reason.GATE_FAILED)
        # A verdict that is only repeated has no figures, and does not take away those that are shown.
        if result.message or (lifecycle, reason) != (version.lifecycle, version.status.get("reason")):
            status["message"] = one_line(f"step {ended.name} of run {meta.name}: {_said(result)}")
        status["lifecycle"], status["reason"] = lifecycle, reason
    return (patch_version(version, status),)


def _said(result: Result) -> str:
    return result.message or f"the verdict is {result.verdict}"


def _lifecycle(context: RunContext, ended: StepRecord, version: VersionView, *, passed: bool) -> str:
    """Where the version stands after this gate: approved only when every gate of the run has let it pass."""
    if version.lifecycle == Lifecycle.PRODUCTION:
        # What serves goes on serving: it is in production until another version takes its place.
        return version.lifecycle
    if not passed:
        return str(Lifecycle.REJECTED)
    gates = context.pipeline.gates_of(ended.name)
    others = (one for name in gates for one in _judging(context, context.records[name], ended))
    # A gate that its own `when` left out of this run has nothing to say about the model.
    passed_too = all(one.state in SATISFYING or one.state is StepState.SKIPPED for one in others)
    return str(Lifecycle.APPROVED) if passed_too else version.lifecycle


def _judging(context: RunContext, gate: StepRecord, ended: StepRecord) -> Iterator[StepRecord]:
    """What else the gate has to say: all of another one, of the same the cells beside this one; where each
    cell has a model of its own, the same cell of others.
    """
    model = context.pipeline.inputs(gate.name).get("model")
    own = model is not None and context.pipeline.paired(model[0], gate.name)
    numbers = (ended.cell,) if own else range(1, gate.cell_count + 1)
    found = (cell_of(gate, number) for number in numbers)
    leaves = found if gate.cell_count else iter((gate,))
    return (one for one in leaves if (one.name, one.cell) != (ended.name, ended.cell))
