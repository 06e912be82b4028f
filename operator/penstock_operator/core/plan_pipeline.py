"""What a Pipeline needs now: a verdict on its spec, a run when what it executes has changed or a trigger's
time has come, and old runs to go.
"""

from dataclasses import replace
from datetime import datetime

from penstock_operator.core.actions import EventNote, Plan
from penstock_operator.core.changes import Change, wanted_change
from penstock_operator.core.conditions import find
from penstock_operator.core.frozen import Definition, define
from penstock_operator.core.observed_pipeline import ObservedPipeline
from penstock_operator.core.pipeline_status import accepted_status, refused_status
from penstock_operator.core.policies import defaults_notes, with_defaults
from penstock_operator.core.retention import tidy
from penstock_operator.core.settings import Settings
from penstock_operator.core.sweep import with_sweep
from penstock_operator.core.text import clip
from penstock_operator.core.times import after, earliest
from penstock_operator.core.triggers import Triggering, looked, triggered
from penstock_spec.errors import SpecError
from penstock_spec.names import Condition, Reason

_EVENT_LENGTH = 1000


def plan_pipeline(observed: ObservedPipeline, now: datetime, settings: Settings) -> Plan:
    """The plan for one Pipeline. The same world always gives the same plan."""
    if observed.pipeline.meta.deleting:
        return Plan()
    return with_sweep(_plan(observed, now, settings), observed, now, settings)


def _plan(observed: ObservedPipeline, now: datetime, settings: Settings) -> Plan:
    try:
        about = observed.pipeline
        definition = with_defaults(define(about.spec, about.applied, about.meta.name), observed.defaults)
    except SpecError as error:
        return _refuse(observed, error, now)
    return _accept(observed, definition, now, settings)


def _refuse(observed: ObservedPipeline, error: SpecError, now: datetime) -> Plan:
    """Nothing starts and nothing that runs is touched; the answer stays until the spec changes."""
    status = refused_status(observed, error, now)
    told = find(observed.pipeline.status, Condition.ACCEPTED)
    news = told is None or told.get("message") != str(error)
    note = EventNote(Reason.INVALID_SPEC, clip(str(error), _EVENT_LENGTH), warning=True)
    changed = status if status != observed.pipeline.status else None
    return Plan(status=changed, after=looked(observed), events=(note,) if news else ())


def _accept(observed: ObservedPipeline, definition: Definition, now: datetime, settings: Settings) -> Plan:
    change = wanted_change(observed, definition)
    starting = triggered(observed, definition, change, now, settings)
    tidying = tidy(observed, definition, now, settings)
    confirm = dict.fromkeys((*change.confirm, *starting.confirm, *tidying.confirm))
    if confirm:
        return Plan(confirm=tuple(confirm))
    change = _overtaken(observed, definition, change, starting)
    asked = tidying.asked
    status = accepted_status(observed, definition.pipeline, change, starting, now, asked.trouble)
    unsettled = change.waits_for or change.refusal is not None
    return Plan(
        inquire=starting.inquire,
        actions=(*change.actions, *starting.actions, *asked.actions),
        status=status if status != observed.pipeline.status else None,
        after=(*tidying.after, *starting.after),
        events=(
            *_notes(change),
            *starting.notes,
            *asked.notes,
            *defaults_notes(observed.pipeline.status, observed.defaults),
        ),
        look_again=earliest(
            after(now, settings.resync) if unsettled else None, starting.look_again, asked.look_again
        ),
    )


def _overtaken(
    observed: ObservedPipeline, definition: Definition, change: Change, starting: Triggering
) -> Change:
    """A change that waits is started by whatever trigger comes first: it executes the newest spec as well."""
    if not change.waits_for or not starting.started:
        return change
    started = {
        "digest": definition.digest,
        "generation": observed.pipeline.meta.generation,
        "run": starting.started[-1],
    }
    return replace(change, waits_for="", last_started=started)


def _notes(change: Change) -> tuple[EventNote, ...]:
    if not change.actions or change.last_started is None:
        return ()
    if change.plans:
        words = f"the spec has changed: run {change.last_started['run']} plans"
        return (EventNote(Reason.RUN_STARTED, words),)
    return (EventNote(Reason.RUN_STARTED, f"the spec has changed: run {change.last_started['run']} starts"),)
