"""`mode: Plan`: what a run would do, step by step, without doing any of it.

It asks the questions that a real run asks, of the same functions. What a step that would run will give is
not guessed: what depends on it is unknown until then. Outside data is taken to be as it was: an ingest whose
work is known would look at its source and, if that has not changed, be reused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from penstock_operator.core import needs, whens
from penstock_operator.core.actions import EventNote, Plan
from penstock_operator.core.context import RunContext
from penstock_operator.core.deploy import serves
from penstock_operator.core.foreseen import Answers, Foreseen, cells, iterations, misfit
from penstock_operator.core.observed import Ref
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.record import StepRecord
from penstock_operator.core.registered import chosen_for, lacking, unfit, version_read
from penstock_operator.core.rerun import Beginning, beginning
from penstock_operator.core.reuse import find_earlier, reused
from penstock_operator.core.run_status import Summary, build
from penstock_operator.core.settings import Settings
from penstock_operator.core.start import (
    CannotStart,
    adoption,
    fresh_records,
    frozen_for,
    not_started,
    parameter_problem,
)
from penstock_operator.core.text import sentence
from penstock_operator.core.why import again, why
from penstock_operator.core.work import work_of
from penstock_spec import names
from penstock_spec.edges import RESULT, STATE
from penstock_spec.kinds.child import Child
from penstock_spec.kinds.deploy import Deploy
from penstock_spec.names import Reason, StatusWord
from penstock_spec.resolve import run_values
from penstock_spec.run import RunMode
from penstock_spec.status import StepState

_WHY = 256  # status.StepStatus.why
_NAMED = 12  # steps in a message


def foresees(observed: ObservedRun, now: datetime, settings: Settings) -> Plan | None:
    """Rule: a run of mode Plan says what it would do, and ends. Nothing is created."""
    run = observed.run
    if run.mode != RunMode.PLAN:
        return None
    context = _begun(observed, now, settings) if run.rerun else _fresh(observed, now, settings)
    if isinstance(context, Plan):
        return context
    if isinstance(context, CannotStart):
        return not_started(observed, context, now, settings)
    answers = foresee(context)
    summary = _summary(answers)
    records = [answers[step.name].shown("") for step in context.pipeline.spec.steps]
    status = build(run, summary, records, now, None, started=False)
    return Plan(status=status, events=(EventNote(Reason.PLANNED, summary.message),))


def _fresh(observed: ObservedRun, now: datetime, settings: Settings) -> RunContext | CannotStart | Plan:
    """The run as it stands before anything."""
    run = observed.run
    ref = Ref(names.PIPELINE, run.pipeline)
    if not run.revision and ref not in observed.live:
        return Plan(confirm=(ref,))
    found = frozen_for(observed, now, settings)
    if isinstance(found, CannotStart):
        return found
    problem = parameter_problem(found.pipeline, run.given, run.logical_time, run.cause)
    if problem is not None:
        return problem
    if joined := adoption(observed):
        return Plan(actions=joined)  # what earlier runs made is known by the Pipeline that they belong to
    records = {one.name: one for one in fresh_records(found.pipeline)}
    values = run_values(found.pipeline.spec, run.given, run.logical_time, run.cause)
    chosen = chosen_for(observed, found.pipeline, values)
    if isinstance(chosen, Plan):
        return chosen
    return RunContext(observed, now, settings, found.pipeline, values, records, records, pins=chosen)


def _begun(observed: ObservedRun, now: datetime, settings: Settings) -> RunContext | CannotStart | Plan:
    """A run that repeats another, with all that it would take over."""
    found = beginning(observed, now, settings)
    if not isinstance(found, Beginning):
        return found
    joined = adoption(observed)
    return Plan(actions=joined) if joined else found.context


def foresee(context: RunContext) -> Mapping[str, Foreseen]:
    """The answer for every step, in topological order."""
    answers: dict[str, Foreseen] = {}
    for name in context.pipeline.order:
        record = context.records[name]
        answer = next(found for rule in RULES if (found := rule(context, record, answers)) is not None)
        answers[name] = answer
        records = {**context.records, name: answer.record}
        context = replace(context, records=records, recorded=records)
    return answers


def _perhaps_skipped(context: RunContext, record: StepRecord, answers: Answers) -> Foreseen | None:
    """A step before it may turn out to be skipped, and this one with it."""
    doubtful = [answers[one] for one in context.pipeline.needs(record.name) if answers[one].may_be_skipped]
    return _unknown(record, doubtful[0].until, may_be_skipped=True) if doubtful else None


def _taken_over(_: RunContext, record: StepRecord, __: Answers) -> Foreseen | None:
    """A run that repeats another has its end already."""
    if not record.ended:
        return None
    if record.state is StepState.SKIPPED:
        return Foreseen(Reason.WOULD_SKIP, record.message, record)
    if record.state is StepState.FAILED:  # all of its iterations were taken over, and are too few
        return Foreseen(Reason.WOULD_FAIL, record.message, record)
    return Foreseen(Reason.WOULD_REUSE, record.why, record)


def _blocked(context: RunContext, record: StepRecord, _: Answers) -> Foreseen | None:
    """A step that it needs would fail."""
    found = needs.blocked(context, record)
    return None if found is None else Foreseen(Reason.WOULD_FAIL, found.record.message, found.record)


def _skipped(context: RunContext, record: StepRecord, _: Answers) -> Foreseen | None:
    """What it takes would be skipped."""
    words = needs.missing(context, record)
    if not words:
        return None
    skipped = needs.as_skipped(context, record, Reason.INPUT_SKIPPED, words)
    return Foreseen(Reason.WOULD_SKIP, skipped.message, skipped)


def _conditional(context: RunContext, record: StepRecord, _: Answers) -> Foreseen | None:
    """Its own `when` does not hold, or cannot be told yet."""
    when = context.pipeline.spec.step(record.name).when
    if when is None:
        return None
    asked = [context.records[one] for one in _asked(context, record)]
    unsure = next((one for one in asked if not one.ended), None)
    if unsure is not None:
        return _unknown(record, unsure.name, may_be_skipped=True)
    words = whens.objection(context, when)
    if not words:
        return None
    return Foreseen(Reason.WOULD_SKIP, words, needs.as_skipped(context, record, Reason.WHEN_NOT_MET, words))


def _asked(context: RunContext, record: StepRecord) -> Sequence[str]:
    """The steps whose ends or results its `when` asks about."""
    pipeline = context.pipeline
    conditions = {RESULT, STATE}
    return [one for one in pipeline.needs(record.name) if conditions & pipeline.kinds(one, record.name)]


def _fed_by_unknown(context: RunContext, record: StepRecord, answers: Answers) -> Foreseen | None:
    """An input or a value is made by a step that would run, or is unknown itself.

    What it does then depends on that, unless nothing that was made before may be taken over.
    """
    pipeline = context.pipeline
    taken = (*pipeline.inputs(record.name).values(), *pipeline.results_taken(record.name))
    for name in dict.fromkeys(source for source, _ in taken):
        if pipeline.paired(name, record.name) and context.records[name].cell_count:
            continue  # each of its cells is asked by itself
        if not context.records[name].ended:
            words = "" if context.pipeline.always(record.name) else again(context, record)
            if words:
                return Foreseen(Reason.WOULD_RUN, words, record)
            return _unknown(record, answers[name].until or name)
    return None


def _unknown(record: StepRecord, until: str, *, may_be_skipped: bool = False) -> Foreseen:
    return Foreseen(Reason.UNKNOWN_YET, f"unknown until step {until} has run", record, until, may_be_skipped)


def _lacks(context: RunContext, record: StepRecord, _: Answers) -> Foreseen | None:
    """The registry has no such model, or it may not be deployed as it stands."""
    words = lacking(context, record)
    if not words and record.kind == "deploy" and not context.pipeline.gates_of(record.name):
        version = version_read(context, record)
        words = "" if version is None else unfit(context, record.name, version)
    if not words:
        return None
    ended = replace(record, state=StepState.FAILED, reason=str(Reason.MODEL_VERSION_NOT_FOUND))
    return Foreseen(Reason.WOULD_FAIL, words, ended)


def _compares(context: RunContext, record: StepRecord, _: Answers) -> Foreseen | None:
    """Deploy and monitor steps have no result to reuse: they compare with what is live. Nor has a child."""
    if record.kind not in ("deploy", "monitor", "pipeline"):
        return None
    body = context.pipeline.spec.step(record.name).body
    if isinstance(body, Child):
        cells = context.pipeline.cells(record.name)
        each = "" if cells is None else f"each of {len(cells)} cells: "
        would = f"{each}child pipeline {body.name} would run; which of its steps, they say themselves"
        return Foreseen(Reason.WOULD_RUN, would, record)
    words = "compares how the endpoint is watched with how it should be"
    if isinstance(body, Deploy):
        found = version_read(context, record)
        version = "nothing" if found is None else found.meta.name
        live = context.observed.endpoints.get(body.endpoint)
        same = live is not None and live.version == version and serves(live)
        words = f"endpoint {body.endpoint} is to serve {version}"
        if same:
            words = f"endpoint {body.endpoint} already serves {version}: nothing to do"
    return Foreseen(Reason.WOULD_RUN, words, record)


def _reuses(context: RunContext, record: StepRecord, _: Answers) -> Foreseen | None:
    """The same has been made before."""
    work = work_of(context, record)
    found = find_earlier(context, record, work)
    if found is None:
        return None
    taken = reused(context, replace(record, digest=work.digest), found)
    if record.kind == "ingest":
        words = (
            f"reused from {found.whence(record.name)}, if its source has not changed: that is looked at first"
        )
        return Foreseen(Reason.WOULD_REUSE, words, taken)
    return Foreseen(Reason.WOULD_REUSE, taken.why, taken)


def _runs(context: RunContext, record: StepRecord, _: Answers) -> Foreseen | None:
    """Anything else runs."""
    work = work_of(context, record)
    return Foreseen(Reason.WOULD_RUN, why(context, record, work, None), replace(record, digest=work.digest))


# The first that answers decides.
RULES: Sequence[Callable[[RunContext, StepRecord, Answers], Foreseen | None]] = (
    _taken_over,
    _blocked,
    _skipped,
    _perhaps_skipped,
    _conditional,
    _lacks,
    _fed_by_unknown,
    _compares,
    misfit,
    iterations,
    cells,
    _reuses,
    _runs,
)


def _summary(answers: Answers) -> Summary:
    said = [
        _counted(answers, Reason.WOULD_FAIL, "would fail"),
        _counted(answers, Reason.WOULD_RUN, "would run"),
        _counted(answers, Reason.UNKNOWN_YET, "unknown until others have run"),
        _counted(answers, Reason.WOULD_REUSE, "would be reused"),
        _counted(answers, Reason.WOULD_SKIP, "would be skipped"),
    ]
    first, *more = [one for one in said if one]
    return Summary(StatusWord.PLANNED, Reason.PLANNED, sentence(first, *more), finished=True, succeeded=True)


def _counted(answers: Answers, reason: Reason, words: str) -> str:
    found = [name for name, one in answers.items() if one.reason is reason]
    if not found:
        return ""
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{len(found)} {words}: {', '.join(found[:_NAMED])}{more}"
