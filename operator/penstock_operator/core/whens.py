"""Conditions: whether a step's own `when` holds in this run, and in words why it does not."""

from collections.abc import Sequence

from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.needs import as_skipped, awaited
from penstock_operator.core.record import StepRecord
from penstock_spec.names import Reason
from penstock_spec.status import StepState
from penstock_spec.when import EndState, TriggerTest, When, WhenTest, compares, comparison, text_of, value_of

_SHOWN = 60  # characters of a value in a message
_EMPTY = '""'  # an empty text


def left_out(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: a step whose `when` does not hold is skipped. It is asked when all its needs have ended."""
    when = context.pipeline.spec.step(record.name).when
    if record.state is not StepState.WAITING or when is None:
        return None
    if awaited(context, record, context.records):
        return None
    words = objection(context, when)
    return Decision(as_skipped(context, record, Reason.WHEN_NOT_MET, words)) if words else None


def objection(context: RunContext, when: When) -> str:
    """Why it does not hold; empty where it does."""
    for test in when.all_ or ():
        if not _holds(context, test):
            return _said(context, test)
    against = next((one for one in when.none or () if _holds(context, one)), None)
    if against is not None:
        return f"{_said(context, against)}, which rules it out"
    return _none_of(context, when.any_ or ())


def _none_of(context: RunContext, tests: Sequence[WhenTest]) -> str:
    if not tests or any(_holds(context, one) for one in tests):
        return ""
    others = len(tests) - 1
    more = f" (and {others} other tests do not hold)" if others > 1 else " (nor does the other test hold)"
    return _said(context, tests[0]) + (more if others else "")


def _holds(context: RunContext, test: WhenTest) -> bool:
    if test.trigger is not None:
        return _started_by(context, test.trigger)
    if test.step is not None:
        return _ended_as(context.records[test.step], test.states or ())
    if test.parameter is not None:
        return compares(test, context.values[test.parameter])
    found = _result(context, test)
    return found is not None and compares(test, value_of(*found))


def _started_by(context: RunContext, test: TriggerTest) -> bool:
    by = context.observed.run.started_by
    return by in test.in_ if test.in_ is not None else by not in (test.not_in or ())


def _ended_as(record: StepRecord, states: Sequence[EndState]) -> bool:
    """Reused is as good as Succeeded; who asks for Reused alone means just that."""
    accepted = {str(one) for one in states}
    if EndState.SUCCEEDED in accepted:
        accepted.add(EndState.REUSED)
    return str(record.state) in accepted


def _result(context: RunContext, test: WhenTest) -> tuple[str, str] | None:
    """Type and text of the result that the test asks for; None where its step gave none."""
    step, name = (test.result or "").split(".")
    text = context.records[step].results.get(name)
    return None if text is None else (context.pipeline.results(step)[name], text)


def _without(context: RunContext, test: WhenTest) -> str:
    step = (test.result or "").partition(".")[0]
    return f"step {step} is {context.records[step].state}, so there is no result {test.result}"


def _said(context: RunContext, test: WhenTest) -> str:
    """How the asked value stands to the test: `result probe.rows is 0; asked for greater than 0`."""
    if test.trigger is not None:
        known = test.trigger.in_ or test.trigger.not_in or ()
        other = "none of " if test.trigger.in_ is None else ""
        return f"started by {context.observed.run.started_by}; asked for {other}{', '.join(known)}"
    if test.step is not None:
        asked = ", ".join(str(one) for one in test.states or ())
        return f"step {test.step} is {context.records[test.step].state}; asked for {asked}"
    if test.parameter is not None:
        value, what = text_of(context.values[test.parameter]), f"parameter {test.parameter}"
    else:
        found = _result(context, test)
        if found is None:
            return _without(context, test)
        value, what = found[1], f"result {test.result}"
    operator, literal = comparison(test)
    asked = f"{operator} {literal[:_SHOWN] or _EMPTY}".lstrip()
    return f"{what} is {value[:_SHOWN] or _EMPTY}; asked for {asked}"
