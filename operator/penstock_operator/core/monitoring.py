"""How an endpoint is watched: each window is judged by a Job, and together they make an answer.

pods log ──► window ends ──► lag ──► Job ──► verdict in status ──► Job of the window before deleted
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from penstock_operator.core.actions import Action, EventNote
from penstock_operator.core.classify import is_stuck
from penstock_operator.core.conditions import Wanted, find
from penstock_operator.core.drift_episodes import answer, judged
from penstock_operator.core.monitoring_words import Told, conditions, unsupported
from penstock_operator.core.observed import JobView, Ref
from penstock_operator.core.observed_endpoint import ObservedEndpoint
from penstock_operator.core.settings import Settings
from penstock_operator.core.small_jobs import deletion
from penstock_operator.core.times import read, stamp
from penstock_operator.core.window_attempts import Desk, Turn, Window, judge, window_jobs
from penstock_operator.core.window_results import Outcome
from penstock_operator.core.windows import begin_of, due, first_end, next_end, served_at, skipped
from penstock_spec.monitoring import WINDOWS_KEPT, Monitoring
from penstock_spec.names import Condition, Reason


@dataclass(frozen=True)
class Watch:
    """What monitoring adds to an endpoint's plan. The fields mean what they mean in Plan."""

    status: Mapping[str, Any] | None = None  # status.monitoring; None: not watched
    drifted: str = ""  # status.drifted
    conditions: Sequence[Wanted] = ()
    confirm: Sequence[Ref] = ()
    inquire: Sequence[str] = ()
    actions: Sequence[Action] = ()
    after: Sequence[Action] = ()
    events: Sequence[EventNote] = ()
    look_again: datetime | None = None


def watch(
    observed: ObservedEndpoint,
    monitoring: Monitoring | None,
    serving: Mapping[str, Any],
    now: datetime,
    settings: Settings,
    *,
    logs: bool,
    image: str = "",
) -> Watch:
    """What is to be done about windows now.

    `serving` is the endpoint's status as it will be written (stable, stableDigest, history). `logs`: every
    pod of what serves is ready and made to log by spec.monitoring. `image`: the program of the pods where it
    is not ours.
    """
    jobs = window_jobs(observed)
    if monitoring is None or image:
        # Nobody waits for the verdicts of Jobs any more.
        gone = tuple(deletion(job) for found in jobs.values() for job in found if not job.meta.deleting)
        return Watch(after=gone) if monitoring is None else _paused(observed, image, gone)
    part = dict(observed.status.get("monitoring") or {})
    if not part.get("since") and logs:
        part["since"] = stamp(now)
    desk = Desk(observed, monitoring, now, settings)
    turn = _turn(desk, part, serving, jobs)
    if turn is None:
        return _told(desk, part, serving, None, Watch(after=_surplus(jobs, part, None)))
    if turn.confirm:
        return Watch(confirm=turn.confirm)
    written = recorded(part, turn, monitoring)
    current = turn.window.end if turn.outcome is None else None
    plan = Watch(
        inquire=turn.inquire,
        actions=turn.actions,
        after=_surplus(jobs, written, current),
        look_again=turn.look_again if turn.outcome is None else _next(written, monitoring, now),
    )
    return _told(desk, written, serving, turn.outcome, plan)


def _paused(observed: ObservedEndpoint, image: str, gone: Sequence[Action]) -> Watch:
    """What was seen stays, for there may be a log again: it then begins anew."""
    part = dict(observed.status.get("monitoring") or {})
    kept = {key: value for key, value in part.items() if key not in ("since", "attempt")}
    return Watch(kept or None, drifted="Unknown", conditions=unsupported(image), after=gone)


def _turn(
    desk: Desk,
    part: Mapping[str, Any],
    serving: Mapping[str, Any],
    jobs: Mapping[datetime, Sequence[JobView]],
) -> Turn | None:
    """The window whose turn it is. None before there can be one."""
    begin = begin_of(part)
    if begin is None:
        return None
    attempt = part.get("attempt") or {}
    begun = [end for end in jobs if end > begin]
    end = read(attempt.get("end", "")) or (begun[0] if begun else next_end(begin, desk.monitoring, desk.now))
    version, digest = served_at(serving, end)
    if not version or not digest:
        return None
    window = Window(end, version, digest)
    if attempt:
        window = Window(
            end,
            version,
            digest,
            number=attempt["number"],
            retry_at=read(attempt.get("retryAt", "")),
            memory=attempt.get("memory", ""),
            reason=attempt.get("reason", ""),
            message=attempt.get("message", ""),
        )
    return judge(desk, window)


def recorded(part: Mapping[str, Any], turn: Turn, monitoring: Monitoring) -> dict[str, Any]:
    """status.monitoring after this turn."""
    kept = {key: value for key, value in part.items() if key != "attempt"}
    if turn.outcome is None:
        attempt = turn.window.attempt
        return {**kept, "attempt": dict(attempt)} if attempt is not None else kept
    outcome, window = turn.outcome, turn.outcome.window
    begin = begin_of(part) or turn.window.end
    verdict = str(window["verdict"])
    counts = {**part.get("counts", {}), verdict: part.get("counts", {}).get(verdict, 0) + 1}
    entry: dict[str, Any] = {
        **kept,
        "lastWindow": window["end"],
        "windows": _kept([*part.get("windows", ()), dict(window)], monitoring),
        "message": outcome.message,
        "columns": outcome.columns,
        "statistics": dict(outcome.statistics),
        "quality": dict(outcome.quality),
        "counts": counts,
        "skipped": part.get("skipped", 0) + skipped(begin, turn.window.end, monitoring),
    }
    return {key: value for key, value in entry.items() if value not in ("", 0, {}, [])}


def _kept(windows: Sequence[dict[str, Any]], monitoring: Monitoring) -> list[dict[str, Any]]:
    """The newest windows: those without a verdict give way before those that the answer rests on. Columns are
    named in the latter only.
    """
    counted = judged(windows)[-monitoring.windows.of :]
    kept = list(windows)
    while len(kept) > WINDOWS_KEPT:
        kept.remove(next(one for one in kept if one not in counted))
    return [
        one if one in counted else {key: value for key, value in one.items() if key != "drifted"}
        for one in kept
    ]


def _next(part: Mapping[str, Any], monitoring: Monitoring, now: datetime) -> datetime:
    """When the window after this one is due; now, where it is already."""
    end = first_end(begin_of(part) or now, monitoring.seconds)
    return max(now, due(end, monitoring))


def _surplus(
    jobs: Mapping[datetime, Sequence[JobView]], part: Mapping[str, Any], current: datetime | None
) -> tuple[Action, ...]:
    """Jobs that go: all but those of the window in hand, and those of the newest window, whose logs stay
    until the next one has its verdict. One that would go on for ever goes at once.
    """
    last = read(part.get("lastWindow", ""))
    return tuple(
        deletion(job)
        for end, found in jobs.items()
        if end != current
        for job in found
        if not job.meta.deleting and (end != last or is_stuck(job))
    )


def _told(
    desk: Desk,
    part: dict[str, Any],
    serving: Mapping[str, Any],
    outcome: Outcome | None,
    plan: Watch,
) -> Watch:
    """The plan with what the windows say together: conditions, Events, episodes."""
    meta, version = desk.observed.meta, str(serving.get("stable", ""))
    found = answer(part.get("windows", ()), version, desk.monitoring.windows)
    wanted = conditions(Told(meta.namespace, meta.name, version, desk.monitoring, part, found))
    was = bool(part.get("drifting"))
    # An answer stands until another one is given: a night without traffic ends no episode. A version begins
    # with none.
    drifting = found.drifted if found.drifted is not None else was and found.newest is not None
    if drifting and not was:
        part["episodes"] = part.get("episodes", 0) + 1
    part.pop("drifting", None)
    if drifting:
        part["drifting"] = True
    ended = was and found.drifted is False
    events = _events(desk.observed.status, wanted, outcome, begins=drifting and not was, ends=ended)
    missed = part.get("skipped", 0) - (desk.observed.status.get("monitoring") or {}).get("skipped", 0)
    if missed > 0:
        words = f"{missed} windows were not judged: they ended too long ago when their turn came"
        events = (*events, EventNote(Reason.WINDOWS_SKIPPED, words, warning=True))
    drifted = "Unknown" if wanted[0].status is None else str(wanted[0].status)
    return replace(plan, status=part, drifted=drifted, conditions=wanted, events=events)


def _events(
    before: Mapping[str, Any],
    wanted: Sequence[Wanted],
    outcome: Outcome | None,
    *,
    begins: bool,
    ends: bool,
) -> tuple[EventNote, ...]:
    """One Event per change that people care about."""
    drifted, *quality = wanted
    notes: list[EventNote] = []
    if begins:
        notes.append(EventNote(Reason.DRIFTED, drifted.message, warning=True))
    if ends:
        notes.append(EventNote(Reason.DRIFT_ENDED, drifted.message or "the data is like in training again"))
    old = find(before, Condition.DRIFTED) or {}
    if outcome is not None and outcome.failed and old.get("reason") != drifted.reason:
        notes.append(EventNote(Reason.WINDOW_UNKNOWN, drifted.message, warning=True))
    for one in quality:
        was = (find(before, one.type) or {}).get("status")
        if one.status is True and was != "True":
            notes.append(EventNote(one.reason, one.message, warning=True))
        if one.status is False and was == "True":
            notes.append(EventNote(Reason.DATA_QUALITY_RESTORED, f"{one.type} has ended"))
    return tuple(notes)
