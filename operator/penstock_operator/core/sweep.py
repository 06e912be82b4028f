"""The sweeper: at its times a Job looks for artifacts that nothing in the namespace refers to.

One Pipeline of a namespace has it done, the oldest, and its status remembers when the next time is. That time
is in the Job's name, which is the lock. The Job is told everything that is referred to, read live; where that
is not to be had as a whole there is no Job.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from penstock_operator.core.actions import Action, Create, EventNote, Plan
from penstock_operator.core.classify import classify
from penstock_operator.core.expectation import Expectation
from penstock_operator.core.findings import Done, Failed
from penstock_operator.core.observed import JobView, Meta, Ref
from penstock_operator.core.observed_pipeline import ObservedPipeline
from penstock_operator.core.references import REFERENCES
from penstock_operator.core.settings import Settings
from penstock_operator.core.small_jobs import JOB, PODS, deletion, ended_by, lacks_pods
from penstock_operator.core.text import clip
from penstock_operator.core.times import after, earliest, read, stamp
from penstock_operator.manifests import sweep as manifests
from penstock_spec import batch, object_names, sweep
from penstock_spec.base import seconds_of
from penstock_spec.defaults import ArtifactDefaults
from penstock_spec.names import Reason
from penstock_spec.ticks import DEFAULT_ZONE, next_tick

_NEEDED = (Ref(JOB), Ref(REFERENCES))
_DAY = 86400.0
# Of the small results of the Job: name there, name in the status.
_SHOWN: Mapping[str, str] = {
    sweep.BLOBS: "blobs",
    sweep.BYTES: "bytes",
    sweep.FOUND: "found",
    sweep.FOUND_BYTES: "foundBytes",
    sweep.DELETED: "deleted",
    sweep.DELETED_BYTES: "deletedBytes",
}


@dataclass(frozen=True)
class Sweeping:
    """What the sweeper asks for now. The fields mean what they mean in Plan."""

    entry: Mapping[str, Any] = field(default_factory=dict)  # status.sweep; empty where there is none
    actions: Sequence[Action] = ()
    after: Sequence[Action] = ()
    confirm: Sequence[Ref] = ()
    notes: Sequence[EventNote] = ()
    look_again: datetime | None = None


@dataclass(frozen=True)
class _Desk:
    observed: ObservedPipeline
    wanted: ArtifactDefaults
    keep: float  # seconds
    now: datetime
    settings: Settings
    entry: Mapping[str, Any]
    gone: Sequence[Action]  # Jobs of other times

    def armed(self) -> Mapping[str, Any]:
        """The entry with the next time, counted from now."""
        following = next_tick(self.wanted.sweep, DEFAULT_ZONE, self.now)
        kept = {name: value for name, value in self.entry.items() if name != "next"}
        due = {"next": stamp(following)} if following else {}
        return {**kept, "schedule": self.wanted.sweep, **due}

    def waits(self, until: datetime | None) -> Sweeping:
        """Nothing is decided now."""
        return Sweeping(self.entry, after=self.gone, look_again=until)

    def ended(
        self, reason: str, message: str, counts: Mapping[str, Any], job: JobView | None, *notes: EventNote
    ) -> Sweeping:
        """This time is over, and the next one counts."""
        begun = self.armed()
        entry = {
            "schedule": begun["schedule"],
            **({"next": begun["next"]} if "next" in begun else {}),
            "endedAt": stamp(self.now),
            "mode": str(self.wanted.mode),
            **counts,
            "reason": reason,
            "message": clip(message, 1000),
        }
        over = () if job is None else (deletion(job),)
        return Sweeping(entry, after=(*self.gone, *over), notes=notes, look_again=read(begun.get("next", "")))

    def failed(self, reason: str, message: str, job: JobView | None = None) -> Sweeping:
        """Nothing was swept, or not all: told with the first of a series, and tried again next time."""
        words = clip(f"artifacts were not swept: {message}", 1000)
        note = EventNote(Reason.SWEEP_FAILED, words, warning=True)
        told = self.entry.get("reason") == reason
        return self.ended(reason, message, {}, job, *(() if told else (note,)))


def first_of(pipelines: Iterable[Meta]) -> str:
    """The uid of the Pipeline that has its namespace swept: the oldest that stays; empty: none."""
    staying = [one for one in pipelines if not one.deleting]
    return min(staying, key=lambda one: (one.created, one.name)).uid if staying else ""


def with_sweep(plan: Plan, observed: ObservedPipeline, now: datetime, settings: Settings) -> Plan:
    """The plan, and what the sweeper asks for: it goes on whatever the spec of the Pipeline is."""
    if plan.confirm:
        return plan
    asked = sweeping(observed, now, settings)
    if asked.confirm:
        return Plan(confirm=asked.confirm)
    before = observed.pipeline.status
    planned = before if plan.status is None else plan.status
    status = {name: value for name, value in planned.items() if name != "sweep"}
    status |= {"sweep": dict(asked.entry)} if asked.entry else {}
    return replace(
        plan,
        actions=(*plan.actions, *asked.actions),
        status=status if status != before else None,
        after=(*plan.after, *asked.after),
        events=(*plan.events, *asked.notes),
        look_again=earliest(plan.look_again, asked.look_again),
    )


def sweeping(observed: ObservedPipeline, now: datetime, settings: Settings) -> Sweeping:
    """What is to be done about the namespace's artifacts now."""
    wanted = observed.defaults.values.artifacts
    jobs = _jobs(observed)
    if not observed.first or wanted.keep is None:
        return Sweeping(after=[deletion(one) for one in jobs if not one.meta.deleting])
    entry: Mapping[str, Any] = observed.pipeline.status.get("sweep") or {}
    due = read(entry.get("next", "")) if entry.get("schedule") == wanted.sweep else None
    meta = observed.pipeline.meta
    name = object_names.sweep_job(meta.name, meta.uid, due) if due is not None else ""
    gone = [deletion(one) for one in jobs if one.meta.name != name and not one.meta.deleting]
    keep = seconds_of(wanted.keep) / _DAY * settings.sweep_day
    desk = _Desk(observed, wanted, keep, now, settings, entry, gone)
    job = next((one for one in jobs if one.meta.name == name), None)
    if due is None or (job is None and due > (read(desk.armed().get("next", "")) or due)):
        # Not armed yet, or by a clock that was ahead.
        desk = replace(desk, entry=desk.armed())
        return desk.waits(read(desk.entry.get("next", "")))
    if job is not None:
        return _watched(desk, job)
    if now < due:
        return desk.waits(due)
    return _begun(desk, name)


def _begun(desk: _Desk, name: str) -> Sweeping:
    observed, meta = desk.observed, desk.observed.pipeline.meta
    refusal = observed.refusals.get(name)
    if refusal is not None:
        return desk.failed(refusal.reason, f"the Job was refused: {refusal.message}")
    if not observed.live.issuperset(_NEEDED):
        return Sweeping(confirm=_NEEDED)
    texts = sweep.pack(observed.references)
    if sum(map(len, texts)) > batch.LIMIT:
        many = f"{len(observed.references)} digests are referred to, more than one Job can be told"
        return desk.failed(Reason.TOO_MANY_REFERENCES, f"{many}; lower policy.keepRuns of the pipelines")
    manifest = manifests.job(
        manifests.SweepJob(
            namespace=meta.namespace,
            pipeline=meta.name,
            pipeline_uid=meta.uid,
            name=name,
            mode=str(desk.wanted.mode),
            keep_seconds=desk.keep,
            grace_seconds=sweep.GRACE_DAYS * desk.settings.sweep_day,
            read_at=stamp(desk.now),
            references=len(observed.references),
            texts=texts,
            scheduling=observed.defaults.values.scheduling.as_set(),
        ),
        desk.settings.pods,
    )
    again = after(desk.now, desk.settings.resync)
    return Sweeping(desk.entry, actions=(Create(manifest),), after=desk.gone, look_again=again)


def _watched(desk: _Desk, job: JobView) -> Sweeping:
    if lacks_pods(job, desk.observed.live, desk.now, desk.settings):
        return Sweeping(confirm=(PODS,))
    finding = classify(job, _expectation(desk, job), None, desk.now, desk.settings)
    longest = desk.settings.start_deadline + desk.settings.pods.sweep_deadline_seconds
    end = ended_by(finding, job, longest, desk.now, desk.settings)
    if isinstance(end, Done):
        return _done(desk, job, end)
    if isinstance(end, Failed):
        return desk.failed(end.shown_reason, end.message, job)
    return desk.waits(end)


def _done(desk: _Desk, job: JobView, finding: Done) -> Sweeping:
    found = finding.result.results
    counts = {shown: int(found[name]) for name, shown in _SHOWN.items() if int(found.get(name, 0)) > 0}
    if counts.get("deleted"):
        reason = Reason.ARTIFACTS_SWEPT
    else:
        reason = Reason.ARTIFACTS_FOUND if counts.get("found") else Reason.NOTHING_TO_SWEEP
    message = finding.result.message
    notes = () if reason is Reason.NOTHING_TO_SWEEP else (EventNote(reason, clip(message, 1000)),)
    return desk.ended(reason, message, counts, job, *notes)


def _jobs(observed: ObservedPipeline) -> Sequence[JobView]:
    uid = observed.pipeline.meta.uid
    mine = [one for one in observed.jobs.values() if one.sweeps and one.meta.owner_uid == uid]
    return sorted(mine, key=lambda one: one.meta.name)


def _expectation(desk: _Desk, job: JobView) -> Expectation:
    pods = desk.settings.pods
    return Expectation(
        kind=sweep.KIND,
        job=job.meta.name,
        namespace=job.meta.namespace,
        users_program=False,
        kept=False,
        store_secret=pods.store_secret,
        results=dict.fromkeys(sweep.COUNTS, "Integer"),
    )
