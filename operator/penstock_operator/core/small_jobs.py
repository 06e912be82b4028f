"""What holds of each small Job beside runs, which archives, sweeps, judges a window, looks for a trigger."""

from datetime import datetime

from penstock_operator.core.actions import Delete
from penstock_operator.core.classify import is_over, own_pods
from penstock_operator.core.findings import Done, Failed, Finding, Underway
from penstock_operator.core.observed import JobView, Ref
from penstock_operator.core.settings import Settings
from penstock_operator.core.times import after
from penstock_spec.names import FailureClass

JOB = "Job"
PODS = Ref("Pod")


def deletion(job: JobView) -> Delete:
    """The deletion of exactly this Job."""
    return Delete(JOB, job.meta.namespace, job.meta.name, job.meta.uid)


def lacks_pods(job: JobView, live: frozenset[Ref], now: datetime, settings: Settings) -> bool:
    """Whether its pods have to be read live first: Jobs and pods come on streams of their own."""
    late = now >= after(job.meta.created, settings.inquiry_after)
    return (late or is_over(job)) and not own_pods(job) and PODS not in live


def ended_by(
    finding: Finding, job: JobView, longest: float, now: datetime, settings: Settings
) -> Done | Failed | datetime:
    """How it has ended, `longest` seconds after it was made at the latest; else when to look again."""
    if not isinstance(finding, Underway):
        return finding
    limit = after(job.meta.created, longest)
    if now >= limit:
        return Failed(FailureClass.DEADLINE, finding.message or "its Job came to no end")
    return min(finding.look_again or after(now, settings.resync), limit)
