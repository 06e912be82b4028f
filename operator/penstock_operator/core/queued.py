"""Jobs that a queueing system holds back, and its words about them.

A suspended Job is nobody's failure: the attempt goes on when it is admitted, and no deadline counts the time.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from penstock_operator.core.expectation import Expectation
from penstock_operator.core.findings import Underway
from penstock_operator.core.observed import JobView, Trouble
from penstock_operator.core.settings import Settings
from penstock_operator.core.text import one_line, sentence
from penstock_operator.core.times import after
from penstock_spec.names import Reason
from penstock_spec.status import StepState

# What a look for the Workload of a Job found, beside Kueue's own words.
NO_KUEUE, NO_WORKLOAD, NOT_ALLOWED = "NoKueue", "NoWorkload", "NotAllowed"
# Reasons of a step whose Job is suspended.
HELD = frozenset({Reason.SUSPENDED, Reason.QUEUE_UNAVAILABLE})
_LENGTH = 500


def suspended(
    job: JobView, expected: Expectation, trouble: Trouble | None, now: datetime, settings: Settings
) -> Underway:
    """The finding for a Job that is suspended."""
    asks = after(job.meta.created, settings.inquiry_after)
    inquire = trouble is None and now >= asks
    again = asks if now < asks else after(now, settings.resync)
    reason = Reason.SUSPENDED
    if trouble is not None and trouble.reason == NO_KUEUE and expected.queue:
        reason = Reason.QUEUE_UNAVAILABLE
    return Underway(StepState.QUEUED, reason, _words(expected, trouble), again, inquire)


def _words(expected: Expectation, trouble: Trouble | None) -> str:
    if not expected.queue:
        waits = "its Job is suspended until there is room for it"
        kueues = trouble is not None and trouble.reason not in (NO_KUEUE, NO_WORKLOAD, NOT_ALLOWED)
        return f"{waits}: {trouble.message}" if kueues and trouble is not None else waits
    waits = f"waits in queue {expected.queue} for Kueue to admit it"
    if trouble is None:
        return waits
    if trouble.reason == NO_KUEUE:
        hint = "install Kueue; or take queue out of the pipeline, cancel the run and start another"
        return sentence(f"waits in queue {expected.queue}, but this cluster has no Kueue", hint)
    if trouble.reason == NO_WORKLOAD:
        show = f"kubectl get localqueue -n {expected.namespace} {expected.queue}"
        if not expected.priority:
            return sentence(f"{waits}, which has not taken note of it", show)
        # Kueue makes no Workload while the class is not there, and says so in its own log only.
        lacking = f"{waits}, which has not taken note of it; perhaps {expected.priority} is not there"
        return sentence(lacking, f"kubectl get workloadpriorityclass {expected.priority}", show)
    if trouble.reason == NOT_ALLOWED:
        return sentence(f"{waits}; the operator may not read Kueue's Workloads", "helm upgrade")
    return f"{waits}: {trouble.message}"


def trouble_of(workloads: Sequence[Mapping[str, Any]]) -> Trouble:
    """What the newest Workload of a Job says; an older one is of a Job's earlier shape."""
    if not workloads:
        return Trouble(NO_WORKLOAD, "")
    newest = max(workloads, key=lambda one: str(one["metadata"].get("creationTimestamp", "")))
    said = list(_said(newest))
    if not said:
        return Trouble("Pending", "it has not been looked at yet")
    return Trouble(said[-1][0], one_line("; ".join(words for _, words in said), _LENGTH))


def _said(workload: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Reason and words of each condition that tells why the Job does not run, what came first, first."""
    conditions = {one["type"]: one for one in (workload.get("status") or {}).get("conditions") or ()}
    wanted = (("Evicted", "True", "taken back, "), ("QuotaReserved", "False", ""), ("Admitted", "False", ""))
    for name, status, lead in wanted:
        one = conditions.get(name, {})
        if one.get("status") != status:
            continue
        reason, message = str(one.get("reason", "")), str(one.get("message", ""))
        if name == "Admitted" and conditions.get("QuotaReserved", {}).get("status") != "True":
            continue  # it only repeats that there is no quota
        yield reason, f"{lead}{reason}: {message}" if message else f"{lead}{reason}"
    if (workload.get("spec") or {}).get("active") is False:
        yield "Deactivated", "Kueue or somebody has deactivated its Workload"
