"""Finished Jobs of a run: they stay for a while, for the logs of their pods, and are then deleted.

Only the written status is looked at: a Job goes after the end of its step is on record, so none that a retry
still looks at, and none whose outcome a crash could still lose.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock_operator.core.actions import Delete
from penstock_operator.core.classify import is_stuck, own_pods
from penstock_operator.core.observed import JobView, RunObject
from penstock_operator.core.times import after, read
from penstock_spec.base import seconds_of
from penstock_spec.policy import KeepPods
from penstock_spec.status import SATISFYING, TERMINAL

AT_ONCE = 20  # deletions of one pass: hundreds of them may fall due together
_PAUSE = 1.0  # seconds until the next ones


@dataclass(frozen=True)
class Clearing:
    """What goes now, and when the next is due. The fields mean what they mean in Plan."""

    after: Sequence[Delete] = ()
    look_again: datetime | None = None


def clearing(run: RunObject, jobs: Iterable[JobView], keep: KeepPods, now: datetime) -> Clearing:
    """The Jobs of ended steps that have been kept for long enough, oldest end first."""
    ended = {
        entry["name"]: entry
        for entry in run.status.get("steps", ())
        if entry["state"] in TERMINAL and entry.get("finishedAt")
    }
    due = sorted(
        ((_due(job, ended[job.step], keep), job) for job in jobs if job.step in ended and _rests(run, job)),
        key=lambda one: (one[0], one[1].meta.name),
    )
    over = [job for moment, job in due if moment <= now]
    gone = tuple(Delete(job.kind, job.meta.namespace, job.meta.name, job.meta.uid) for job in over[:AT_ONCE])
    if len(over) > AT_ONCE:
        return Clearing(gone, after(now, _PAUSE))
    return Clearing(gone, next((moment for moment, _ in due if moment > now), None))


def _rests(run: RunObject, job: JobView) -> bool:
    """Whether it is the run's own and does nothing any more. Other rules delete one that would go on."""
    return job.meta.owner_uid == run.meta.uid and not job.meta.deleting and not is_stuck(job)


def _due(job: JobView, entry: Mapping[str, Any], keep: KeepPods) -> datetime:
    """When it has been kept for long enough. A failed attempt of a good step is kept as failed."""
    went_well = job.complete or any(pod.phase == "Succeeded" for pod in own_pods(job))
    period = keep.succeeded if went_well and entry["state"] in SATISFYING else keep.failed
    end = read(entry["finishedAt"]) or job.meta.created
    return after(end, seconds_of(period))
