"""The archive: before finished runs go, a Job writes their records to the store.

One Job at a time per Pipeline, and it takes all finished runs that have no record: so there is one for every
`keepRuns` runs. What its success means stands on the Job; each run is marked, then the Job is deleted. Who
takes over from a dead operator finds the Job, or the marks, and goes on from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from penstock_operator.core.actions import Action, Create, EventNote, PatchStatus
from penstock_operator.core.archive_records import batch_of
from penstock_operator.core.classify import classify
from penstock_operator.core.conditions import Wanted
from penstock_operator.core.expectation import Expectation
from penstock_operator.core.findings import Done, Failed
from penstock_operator.core.observed import JobView, Ref, RunObject
from penstock_operator.core.observed_pipeline import ObservedPipeline
from penstock_operator.core.settings import Settings
from penstock_operator.core.small_jobs import JOB, PODS, deletion, ended_by, lacks_pods
from penstock_operator.core.text import clip, sentence
from penstock_operator.core.times import after, read, stamp_not_before
from penstock_operator.manifests import archive as manifests
from penstock_spec import archive, names, object_names
from penstock_spec.names import Condition, Reason

JOBS, REVISIONS = Ref(JOB), Ref("ControllerRevision")
TOLD_AFTER = 5  # failures in a row; then it is said, and limits are stretched no further than twice
_FIRST, _LONGEST = 60.0, 3600.0  # seconds before another attempt


@dataclass(frozen=True)
class Trouble:
    """status.archive: attempts in a row that failed."""

    failures: int = 0
    retry_at: str = ""
    reason: str = ""
    message: str = ""

    @property
    def lasting(self) -> bool:
        """Whether it has gone on for so long that people have to know."""
        return self.failures >= TOLD_AFTER

    @classmethod
    def of(cls, observed: ObservedPipeline) -> "Trouble":
        """As it was written last."""
        entry = observed.pipeline.status.get("archive") or {}
        return cls(
            int(entry.get("failures", 0)),
            entry.get("retryAt", ""),
            entry.get("reason", ""),
            entry.get("message", ""),
        )

    def to_status(self) -> dict[str, Any]:
        """Empty while there is none."""
        if not self.failures:
            return {}
        return {
            "failures": self.failures,
            "retryAt": self.retry_at,
            "reason": self.reason,
            "message": self.message,
        }


@dataclass(frozen=True)
class Archiving:
    """What the archive asks for. The fields mean what they mean in Plan."""

    trouble: Trouble = field(default_factory=Trouble)
    actions: Sequence[Action] = ()
    after: Sequence[Action] = ()
    confirm: Sequence[Ref] = ()
    notes: Sequence[EventNote] = ()
    look_again: datetime | None = None


@dataclass(frozen=True)
class _Desk:
    observed: ObservedPipeline
    now: datetime
    settings: Settings
    trouble: Trouble

    def failed(self, reason: str, message: str, **more: Any) -> Archiving:
        """One more attempt has failed."""
        failures = self.trouble.failures + 1
        pause = min(_FIRST * 2.0 ** min(failures - 1, 10), _LONGEST)
        opens = after(self.now, pause)
        trouble = Trouble(failures, stamp_not_before(opens), reason, clip(message, 1000))
        note = EventNote(Reason.ARCHIVE_FAILED, _words(trouble), warning=True)
        notes = (note,) if failures == TOLD_AFTER else ()
        return Archiving(trouble, notes=notes, look_again=read(trouble.retry_at), **more)


def is_archived(run: RunObject) -> bool:
    """Whether its record is in the store."""
    return bool(run.status.get("archived"))


def archiving(
    observed: ObservedPipeline,
    due: Sequence[RunObject],
    all_: Sequence[RunObject],
    now: datetime,
    settings: Settings,
) -> Archiving:
    """What is to be done for `due`, runs without a record that are to go; `all_` are all without one."""
    desk = _Desk(observed, now, settings, Trouble.of(observed))
    jobs = sorted(
        (
            one
            for one in observed.jobs.values()
            if one.archives and one.meta.owner_uid == observed.pipeline.meta.uid
        ),
        key=lambda one: one.meta.name,
    )
    if jobs:
        return _watched(desk, jobs[0])
    if not due:
        return Archiving()
    opens = read(desk.trouble.retry_at)
    if opens is not None and now < opens:
        return Archiving(desk.trouble, look_again=opens)
    if not observed.live.issuperset((JOBS, REVISIONS)):
        return Archiving(desk.trouble, confirm=(JOBS, REVISIONS))
    return _begun(desk, [*due, *(one for one in all_ if one not in due)])


def _begun(desk: _Desk, runs: Sequence[RunObject]) -> Archiving:
    meta, number = desk.observed.pipeline.meta, desk.trouble.failures + 1
    batch = batch_of(runs, meta.uid, desk.observed.revisions)
    name = object_names.archive_job(meta.name, meta.uid, list(batch.runs), number)
    refusal = desk.observed.refusals.get(name)
    if refusal is not None:
        return desk.failed(refusal.reason, f"its Job was refused: {refusal.message}")
    manifest = manifests.job(
        manifests.ArchiveJob(
            namespace=meta.namespace,
            pipeline=meta.name,
            pipeline_uid=meta.uid,
            name=name,
            runs=batch.runs,
            texts=batch.texts,
            number=number,
            scheduling=desk.observed.defaults.values.scheduling.as_set(),
        ),
        desk.settings.pods,
    )
    return Archiving(
        desk.trouble, actions=(Create(manifest),), look_again=after(desk.now, desk.settings.resync)
    )


def _watched(desk: _Desk, job: JobView) -> Archiving:
    """A Job exists: its pod says how it goes. One whose end is on record is deleted."""
    if job.meta.deleting:
        return Archiving(desk.trouble, look_again=after(desk.now, desk.settings.resync))
    if 0 < job.attempt <= desk.trouble.failures:
        return Archiving(desk.trouble, after=(deletion(job),), look_again=read(desk.trouble.retry_at))
    if lacks_pods(job, desk.observed.live, desk.now, desk.settings):
        return Archiving(desk.trouble, confirm=(PODS,))
    finding = classify(job, _expectation(desk, job), None, desk.now, desk.settings)
    longest = desk.settings.start_deadline + desk.settings.pods.archive_deadline_seconds
    end = ended_by(finding, job, longest, desk.now, desk.settings)
    if isinstance(end, Done):
        return _done(desk, job)
    if isinstance(end, Failed):
        return desk.failed(end.shown_reason, end.message, after=(deletion(job),))
    return Archiving(desk.trouble, look_again=end)


def _done(desk: _Desk, job: JobView) -> Archiving:
    """The records are written: the runs are marked, and then the Job goes."""
    uid = desk.observed.pipeline.meta.uid
    written = [one for one in desk.observed.runs if one.meta.uid in job.archives and not is_archived(one)]
    marks = [_mark(one, uid, job.archives[one.meta.uid]) for one in written]
    return Archiving(actions=marks) if marks else Archiving(after=(deletion(job),))


def _mark(run: RunObject, pipeline_uid: str, digest: str) -> PatchStatus:
    meta = run.meta
    status = {**run.status, "archived": {"key": archive.key_of(pipeline_uid, meta.uid), "digest": digest}}
    return PatchStatus(names.PIPELINE_RUN, meta.namespace, meta.name, meta.resource_version, status)


def _expectation(desk: _Desk, job: JobView) -> Expectation:
    pods = desk.settings.pods
    return Expectation(
        kind=archive.KIND,
        job=job.meta.name,
        namespace=job.meta.namespace,
        users_program=False,
        kept=False,
        store_secret=pods.store_secret,
        memory=pods.helper_memory,
    )


def trouble_condition(trouble: Trouble) -> tuple[Wanted, ...]:
    """What the Pipeline says while records cannot be written; nothing else of it is touched by that."""
    if not trouble.lasting:
        return ()
    return (Wanted(Condition.ARCHIVE_FAILING, status=True, reason=trouble.reason, message=_words(trouble)),)


def _words(trouble: Trouble) -> str:
    what = f"records of finished runs cannot be written ({trouble.failures} attempts)"
    rest = "runs stay until there are twice policy.keepRuns; then the oldest go without a record"
    return sentence(what, trouble.message, rest)
