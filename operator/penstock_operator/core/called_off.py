"""A cancelled backfill: it ends at once, and so do the runs that it has had made.

Each of these looks for itself whether its backfill was cancelled. So it does not matter whether it was
written down that it was made, nor that the backfill has ended before.
"""

from dataclasses import replace
from datetime import datetime

from penstock_operator.core.actions import Plan
from penstock_operator.core.cancels import cancels
from penstock_operator.core.notes import notes
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.run_status import Summary, build
from penstock_operator.core.settings import Settings
from penstock_operator.core.text import sentence
from penstock_spec.names import Reason, StatusWord


def called_off(observed: ObservedRun, now: datetime, settings: Settings) -> Plan | None:
    """Rule: a cancelled backfill has no more runs made, and those under way are cancelled with it."""
    run, above = observed.run, observed.made_by
    if run.cancel and run.status.get("backfill"):
        return _end(observed, now)
    if above is not None and above.cancel:
        why = f"backfill {above.meta.name}, which had it made, was cancelled"
        return cancels(replace(observed, run=replace(run, cancel=True)), now, settings, why)
    return None


def _end(observed: ObservedRun, now: datetime) -> Plan:
    """What it had come to stays on record: a later backfill of the rest leaves alone what has a run."""
    run = observed.run
    state = run.status["backfill"]
    active = state.get("active", ())
    words = sentence(
        "somebody cancelled it",
        f"runs {', '.join(active)} are cancelled with it" if active else "",
        f"{state.get('done', 0)} of {state['total']} were done",
    )
    summary = Summary(StatusWord.CANCELLED, Reason.RUN_CANCELLED, words, finished=True, succeeded=False)
    status = build(run, summary, (), now, None, started=False)
    kept = {"progress": run.status.get("progress", ""), "backfill": state}
    return Plan(status={**status, **kept}, events=notes({}, (), summary))
