"""Cancel and suspend: what people say about a run that goes on. A cancel is final, a suspension is lifted
again.
"""

from dataclasses import replace
from datetime import datetime

from penstock_operator.core.actions import Plan
from penstock_operator.core.attempts import delete
from penstock_operator.core.classify import is_stuck
from penstock_operator.core.context import Decision, Halt, RunContext
from penstock_operator.core.halts import JOBS, cancelled
from penstock_operator.core.notes import notes
from penstock_operator.core.observed import ObservedRun, RunObject
from penstock_operator.core.record import StepRecord
from penstock_operator.core.run_status import Summary, build
from penstock_operator.core.settings import Settings
from penstock_operator.core.text import sentence
from penstock_operator.core.times import after, stamp
from penstock_spec.names import Reason, StatusWord
from penstock_spec.status import StepState

_HALT = Halt(Reason.RUN_CANCELLED, "the run was cancelled")


def cancels(observed: ObservedRun, now: datetime, _: Settings) -> Plan | None:
    """Rule: a cancelled run ends at once, and then its Jobs are deleted; their pods get their grace period.

    The end is written first: whoever dies in between leaves a finished run, whose Jobs are deleted all
    the same.
    """
    run = observed.run
    if not run.cancel:
        return None
    if JOBS not in observed.live:
        # A Job that a cache does not show yet would run on unseen.
        return Plan(confirm=(JOBS,))
    before = {entry["name"]: StepRecord.from_status(entry) for entry in run.status.get("steps", ())}
    records = [one if one.ended else cancelled(one, _HALT, stamp(now)) for one in before.values()]
    ended = [one for one in records if not before[one.name].ended]
    said = sentence(
        "somebody cancelled it", f"{len(ended)} of {len(records)} steps had not ended" if ended else ""
    )
    summary = Summary(StatusWord.CANCELLED, Reason.RUN_CANCELLED, said, finished=True, succeeded=False)
    status = build(run, summary, records, now, run.status.get("snapshot"), started=False)
    own = [job for job in observed.jobs.values() if job.meta.owner_uid == run.meta.uid]
    return Plan(
        status=status,
        after=tuple(delete(job) for job in own if is_stuck(job)),
        events=notes(before, records, summary),
        steps_ended={one.name: str(one.state) for one in ended},
    )


def holds_back(observed: ObservedRun, now: datetime, settings: Settings) -> Plan | None:
    """Rule: a run that has not begun does not begin while it, or its Pipeline, is suspended."""
    run, pipeline = observed.run, observed.pipeline
    if run.status.get("startedAt"):
        return None
    if run.suspend:
        summary = Summary(StatusWord.SUSPENDED, Reason.RUN_SUSPENDED, _resume(run, "it has not begun"))
    elif pipeline is not None and pipeline.suspended:
        lifted = f"kubectl patch pl -n {run.meta.namespace} {run.pipeline} {_PATCH}"
        words = sentence(f"Pipeline {run.pipeline} is suspended: none of its runs begins", lifted)
        summary = Summary(StatusWord.SUSPENDED, Reason.PIPELINE_SUSPENDED, words)
    else:
        return None
    records = [StepRecord.from_status(entry) for entry in run.status.get("steps", ())]
    status = build(run, summary, records, now, run.status.get("snapshot"), started=False)
    changed = status if status != run.status else None
    return Plan(status=changed, look_again=after(now, settings.resync))


_PATCH = """--type merge -p '{"spec":{"suspend":false}}'"""


def _resume(run: RunObject, what: str) -> str:
    return sentence(what, f"kubectl patch plr -n {run.meta.namespace} {run.meta.name} {_PATCH}")


def held(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: while the run is suspended no attempt starts. What runs goes on."""
    if not context.observed.run.suspend:
        return None
    if record.state is StepState.RETRYING:
        return Decision(record)
    if record.state is StepState.WAITING or (record.state is StepState.QUEUED and record.attempt == 0):
        words = "it starts when the run is no longer suspended"
        return Decision(replace(record, reason=Reason.RUN_SUSPENDED, message=words))
    return None


def shown_suspended(run: RunObject, summary: Summary) -> Summary:
    """The summary of a run that may be suspended."""
    if not run.suspend or summary.finished:
        return summary
    going_on = f"nothing new starts; step {summary.step} goes on" if summary.step else "nothing new starts"
    return Summary(StatusWord.SUSPENDED, Reason.RUN_SUSPENDED, _resume(run, going_on), summary.step)
