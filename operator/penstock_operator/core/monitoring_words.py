"""Conditions of a watched endpoint, in words: what was found in which columns, and what to look at next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock_operator.core.conditions import Wanted
from penstock_operator.core.drift_episodes import Answer
from penstock_operator.core.text import one_line, sentence
from penstock_operator.core.times import read, stamp
from penstock_operator.core.windows import UNKNOWN, begin_of, due, first_end
from penstock_spec.monitoring import Monitoring
from penstock_spec.names import Condition, Reason

_LENGTH = 4000  # ten names of 128 characters and all that is said around them; a condition takes 8,192
_SMALLEST, _LARGEST = 1e-6, 1e9  # between them numbers are written out
_QUALITY = (
    (Condition.UNSEEN_CATEGORIES, Reason.UNSEEN_CATEGORIES, "unseen"),
    (Condition.NULL_BURST, Reason.NULL_BURST, "nulls"),
    (Condition.UNIT_CHANGED, Reason.UNIT_CHANGED, "units"),
)
# As people read them: a unit explains the most, and unseen texts the least.
_QUALITIES = (Condition.UNIT_CHANGED, Condition.NULL_BURST, Condition.UNSEEN_CATEGORIES)


@dataclass(frozen=True)
class Told:
    """What the words are about."""

    namespace: str
    endpoint: str
    version: str  # that serves
    monitoring: Monitoring
    part: Mapping[str, Any]  # status.monitoring
    answer: Answer


def conditions(told: Told) -> tuple[Wanted, ...]:
    """Drifted, and the three of data quality."""
    return (_drifted(told), *(_quality(told, *one) for one in _QUALITY))


def quality_of(wanted: Sequence[Wanted]) -> str:
    """status.quality: the conditions that hold, `Ok` for none, `Unknown`, empty where nothing is watched."""
    if not wanted:
        return ""
    problems = quality_problems(wanted)
    if problems:
        return ",".join(one.type for one in problems)
    judged = [one for one in wanted if one.type in _QUALITIES]
    return "Ok" if judged and all(one.status is False for one in judged) else "Unknown"


def quality_problems(wanted: Sequence[Wanted]) -> list[Wanted]:
    """The conditions of data quality that are True, the one that tells most first."""
    found = [one for one in wanted if one.type in _QUALITIES and one.status is True]
    return sorted(found, key=lambda one: _QUALITIES.index(Condition(one.type)))


def unsupported(image: str) -> tuple[Wanted, ...]:
    """Where the pods run another program than ours, which keeps no log."""
    words = (
        f"spec.server.image is {one_line(image, 200)}: only Penstock's own server logs what it answers; "
        "remove spec.monitoring, or spec.server.image"
    )
    return (Wanted(Condition.DRIFTED, None, Reason.MONITORING_UNSUPPORTED, words),)


def _drifted(told: Told) -> Wanted:
    answer, newest = told.answer, told.answer.newest
    if newest is None:
        return Wanted(Condition.DRIFTED, None, Reason.NO_WINDOW_YET, _not_yet(told))
    reason = str(newest.get("reason", ""))
    if answer.drifted is None:
        words = told.part.get("message") or f"the window had {newest.get('rows', 0)} rows"
        what = f"the window that ended at {newest['end']} has no verdict: {words}"
        return Wanted(Condition.DRIFTED, None, reason, sentence(what, length=_LENGTH))
    if answer.drifted:
        return Wanted(Condition.DRIFTED, status=True, reason=Reason.DRIFT_FOUND, message=_found(told, newest))
    return Wanted(Condition.DRIFTED, status=False, reason=Reason.NO_DRIFT, message=_suspected(told))


def _not_yet(told: Told) -> str:
    begin = begin_of(told.part)
    if begin is None:
        return f"windows begin when every pod of {told.version or 'the wanted version'} logs"
    since = read(told.part.get("since", "")) or begin
    if begin == since:
        end = first_end(since, told.monitoring.seconds)
        return f"the first window ends at {stamp(end)} and is judged at {stamp(due(end, told.monitoring))}"
    return f"no window of {told.version} has been judged yet; there is one every {told.monitoring.every}"


def _found(told: Told, newest: Mapping[str, Any]) -> str:
    answer = told.answer
    of = f" of {told.part['columns']}" if told.part.get("columns") else ""
    noun = "column" if len(answer.columns) == 1 and not of else "columns"
    windows = f"confirmed by {answer.times} of the last {answer.judged} windows"
    what = f"{len(answer.columns)}{of} {noun} drifted, {windows}: {', '.join(answer.columns)}"
    more = "more drifted than a window names: see the report" if answer.unnamed else ""
    report = f"report {newest['report']}" if newest.get("report") else ""
    command = f"kubectl describe me -n {told.namespace} {told.endpoint}"
    return sentence(what, _beyond(told), more, report, command, length=_LENGTH)


def _beyond(told: Told) -> str:
    """The statistics of the newest window that exceed their limit, the largest of all columns each."""
    found = told.part.get("statistics") or {}
    said = [
        f"{one.method} up to {found[one.method]:.3g} (limit {one.maximum:g})"
        for one in told.monitoring.drift
        if found.get(one.method, 0.0) > one.maximum
    ]
    return ", ".join(said)


def _suspected(told: Told) -> str:
    answer, rule = told.answer, told.monitoring.windows
    if not answer.suspects:
        return ""
    names = ", ".join(answer.suspects)
    return one_line(
        f"{names} drifted in fewer than the {rule.drifted} of {rule.of} windows that make a drift", _LENGTH
    )


def _quality(told: Told, type_: Condition, reason: Reason, key: str) -> Wanted:
    newest = told.answer.newest
    if newest is None:
        return Wanted(type_, None, Reason.NO_WINDOW_YET)
    if newest["verdict"] == UNKNOWN:
        return Wanted(type_, None, str(newest.get("reason", "")))
    found: Sequence[Any] = (told.part.get("quality") or {}).get(key, ())
    if not found:
        return Wanted(type_, status=False, reason=Reason.AS_IN_TRAINING)
    words = one_line(_problem(told.monitoring, type_, found), _LENGTH)
    return Wanted(type_, status=True, reason=reason, message=words)


def _problem(monitoring: Monitoring, type_: Condition, found: Sequence[Any]) -> str:
    limits = monitoring.data_quality
    if type_ is Condition.UNSEEN_CATEGORIES:
        share = f"{100 * limits.unseen.maximum_ratio:.4g}"
        return f"more than {share} % of the values were never seen in training: {', '.join(found)}"
    if type_ is Condition.NULL_BURST:
        points = f"{100 * limits.nulls.maximum_increase:.4g}"
        return f"missing values are more than {points} points above training: {', '.join(found)}"
    said = ", ".join(f"{one['column']} ({_unit(one)})" for one in found)
    return f"the unit seems to be another than in training: {said}"


def _unit(one: Mapping[str, Any]) -> str:
    offset = f" and {_plain(one['offset'], 6, sign='+')}" if one.get("offset") else ""
    return f"about {_plain(one['factor'], 4)} times{offset}"


def _plain(number: float, digits: int, *, sign: str = "") -> str:
    """So many significant digits, without an exponent: 1,000 and 0.4536."""
    rounded = float(f"{number:.{digits}g}")
    if rounded and not _SMALLEST <= abs(rounded) < _LARGEST:
        return f"{rounded:{sign}.{digits}g}"
    return f"{rounded:{sign},.12f}".rstrip("0").rstrip(".")
