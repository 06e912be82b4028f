"""One look after the other: each is a Job that says a revision, named by its time so that there is only one.

A look that fails is tried again after a pause that grows. It never starts a run.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from penstock_operator.core.actions import EventNote
from penstock_operator.core.classify import classify
from penstock_operator.core.expectation import Expectation
from penstock_operator.core.findings import Done, Failed, Finding
from penstock_operator.core.observed import JobView, Ref, Refusal
from penstock_operator.core.probe_targets import Target
from penstock_operator.core.small_jobs import JOB, PODS, lacks_pods
from penstock_operator.core.text import one_line
from penstock_operator.core.times import after, read, stamp_not_before
from penstock_operator.core.trigger_world import TriggerWorld
from penstock_operator.manifests import probes
from penstock_spec import names, object_names
from penstock_spec.base import seconds_of
from penstock_spec.names import FailureClass, Reason
from penstock_spec.probed import REVISION_LENGTH
from penstock_spec.status import StepState
from penstock_spec.trigger_names import probe_job
from penstock_spec.trigger_status import TROUBLE_LENGTH

_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0
_REASONS: Mapping[str, Reason] = {
    FailureClass.STORE_UNAVAILABLE: Reason.SOURCE_UNREACHABLE,
    FailureClass.USER_ERROR: Reason.SOURCE_REFUSED,
}


@dataclass(frozen=True)
class Sight:
    """What the looks have given so far."""

    seen: str  # the revision that needs no decision; empty before the first look
    found: str  # another one that was found since; empty where there is none
    looks_at: datetime
    failures: int = 0
    reason: str = ""  # of the last look, where it failed
    trouble: str = ""


@dataclass(frozen=True)
class Look:
    """What becomes of the looking now. The fields mean what they mean in Plan."""

    sight: Sight
    awaits: str = ""  # the Job whose end is not in the status yet
    jobs: Sequence[Mapping[str, Any]] = ()  # manifests
    confirm: Sequence[Ref] = ()
    inquire: Sequence[str] = ()
    notes: Sequence[EventNote] = ()
    look_again: datetime | None = None


def look(world: TriggerWorld, target: Target, sight: Sight) -> Look:
    """The look whose turn it is, as far as it can go now."""
    longest = max(float(seconds_of(target.every)), _LONGEST_PAUSE)
    if sight.looks_at > after(world.now, longest + 1):
        # The clock was ahead when this was written.
        return Look(replace(sight, looks_at=whole(world.now)), look_again=world.now)
    if world.now < sight.looks_at:
        return Look(sight, look_again=sight.looks_at)
    meta = world.observed.pipeline.meta
    name = probe_job(meta.name, meta.uid, world.trigger.name, sight.looks_at)
    job = world.observed.jobs.get(name)
    if job is not None and job.meta.owner_uid == meta.uid:
        return _watched(world, target, sight, job)
    refusal = world.observed.refusals.get(name)
    if refusal is not None:
        return _refused(world, target, sight, refusal)
    wanted = (Ref(names.PIPELINE, meta.name), Ref(JOB, name))
    unseen = tuple(one for one in wanted if one not in world.observed.live)
    if unseen:
        return Look(sight, name, confirm=unseen)
    again = after(world.now, world.settings.resync)
    return Look(sight, name, jobs=(look_job(world, target, sight.looks_at),), look_again=again)


def look_job(world: TriggerWorld, target: Target, moment: datetime) -> Mapping[str, Any]:
    """The manifest of the Job that looks at this time."""
    meta = world.observed.pipeline.meta
    name = probe_job(meta.name, meta.uid, world.trigger.name, moment)
    probe = probes.Probe(
        namespace=meta.namespace,
        pipeline=meta.name,
        pipeline_uid=meta.uid,
        trigger=world.trigger.name,
        name=name,
        arguments=target.arguments,
        connection=target.connection,
        config_map=target.config_map,
        config_key=target.config_key,
        secret=target.secret,
        scheduling=world.observed.defaults.values.scheduling.as_set(),
    )
    return probes.job(probe, world.settings.pods)


def _watched(world: TriggerWorld, target: Target, sight: Sight, job: JobView) -> Look:
    name = job.meta.name
    if lacks_pods(job, world.observed.live, world.now, world.settings):
        return Look(sight, name, confirm=(PODS,))
    expected = Expectation(
        kind=probes.KIND,
        job=name,
        namespace=job.meta.namespace,
        users_program=False,
        kept=False,
        connection=target.connection,
        cpu=probes.CPU,
        memory=probes.MEMORY,
    )
    finding = classify(job, expected, world.observed.troubles.get(name), world.now, world.settings)
    found = _found(world, target, sight, job, finding)
    return replace(found, inquire=(name,)) if getattr(finding, "inquire", False) else found


def _found(world: TriggerWorld, target: Target, sight: Sight, job: JobView, finding: Finding) -> Look:
    if isinstance(finding, Done):
        revision = one_line(finding.result.source_revision, REVISION_LENGTH)
        if revision:
            return Look(_learned(world, target, sight, revision), look_again=world.now)
        words = "it ended well but said no revision: use images and operator of the same release"
        return _failed(world, target, sight, str(FailureClass.INVALID_RESULT), words)
    if isinstance(finding, Failed):
        reason = _REASONS.get(finding.shown_reason, finding.shown_reason)
        return _failed(world, target, sight, str(reason), finding.message)
    limit = after(job.meta.created, world.settings.start_deadline)
    if finding.state is StepState.QUEUED and world.now >= limit:
        return _failed(world, target, sight, finding.reason, finding.message)
    again = finding.look_again or after(world.now, world.settings.resync)
    return Look(sight, job.meta.name, look_again=min(again, limit) if world.now < limit else again)


def _learned(world: TriggerWorld, target: Target, sight: Sight, revision: str) -> Sight:
    """The first look only learns; what differs from that later is found."""
    first = not sight.seen
    return Sight(
        seen=revision if first else sight.seen,
        found="" if first or revision == sight.seen else revision,
        looks_at=_next(world, target),
    )


def _refused(world: TriggerWorld, target: Target, sight: Sight, refusal: Refusal) -> Look:
    """The API server does not take the Job."""
    return _failed(world, target, sight, refusal.reason, refusal.message)


def _failed(world: TriggerWorld, target: Target, sight: Sight, reason: str, words: str) -> Look:
    """Told once, with the first of a series; the next look waits the longer the more have failed."""
    failures = sight.failures + 1
    longest = max(float(seconds_of(target.every)), _LONGEST_PAUSE)
    pause = min(_FIRST_PAUSE * 2 ** min(failures - 1, 16), longest)
    opens = read(stamp_not_before(after(world.now, pause))) or world.now
    trouble = one_line(words, TROUBLE_LENGTH)
    note = EventNote(
        reason, one_line(f"trigger {world.trigger.name}: {target.what}: {trouble}", 1000), warning=True
    )
    told = (note,) if failures == 1 or reason != sight.reason else ()
    following = replace(sight, looks_at=opens, failures=failures, reason=reason, trouble=trouble)
    return Look(following, notes=told, look_again=opens)


def _next(world: TriggerWorld, target: Target) -> datetime:
    """The next time of this trigger: they are spread, so that not all look at once."""
    every, uid = seconds_of(target.every), world.observed.pipeline.meta.uid
    offset = int(object_names.short_hash(uid, world.trigger.name), 16) % every
    passed = math.floor((world.now.timestamp() - offset) / every)
    return datetime.fromtimestamp((passed + 1) * every + offset, UTC)


def whole(moment: datetime) -> datetime:
    """As it stands in a status."""
    return moment.replace(microsecond=0)
