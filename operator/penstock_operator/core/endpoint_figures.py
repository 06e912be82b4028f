"""Figures of endpoints for Prometheus, read from spec and status whenever somebody asks: no restart loses
any, and the series of an endpoint end with it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from penstock_operator.core.conditions import find
from penstock_operator.core.times import read
from penstock_operator.core.windows import VERDICTS, begin_of, due, first_end
from penstock_spec.monitoring import Monitoring
from penstock_spec.names import Condition

WHERE = ("namespace", "endpoint")
_ANSWERS = {"True": 1.0, "False": 0.0}
_UNKNOWN = -1.0
_QUALITY = (Condition.UNSEEN_CATEGORIES, Condition.NULL_BURST, Condition.UNIT_CHANGED)


@dataclass(frozen=True)
class Family:
    """One metric. `counts`: it only grows while the object is watched."""

    meaning: str
    labels: tuple[str, ...] = ()  # beside the namespace and the name of the object
    counts: bool = False


@dataclass(frozen=True)
class Figure:
    """One value; `labels` in the order of `labels_of`."""

    family: str
    labels: tuple[str, ...]
    value: float


FAMILIES: Mapping[str, Family] = {
    "penstock_endpoint_ready": Family("1 while the stable version answers"),
    "penstock_endpoint_info": Family("Always 1; what serves", ("model", "version", "digest", "revision")),
    "penstock_endpoint_drifted": Family("1: the data drifts; 0: it does not; -1: unknown. Watched endpoints"),
    "penstock_endpoint_data_quality": Family("As drifted, for each problem of the data", ("problem",)),
    "penstock_endpoint_windows": Family("Windows judged, by verdict", ("verdict",), counts=True),
    "penstock_endpoint_window_rows": Family("Logged rows of the newest window"),
    "penstock_endpoint_window_lost_rows": Family("Rows of the newest window that were lost before the log"),
    "penstock_endpoint_drift_statistic": Family(
        "Largest value over the columns in the newest window, by method", ("method",)
    ),
    "penstock_endpoint_drift_limit": Family(
        "Largest value that is no drift yet, by method: spec.monitoring.drift", ("method",)
    ),
    "penstock_endpoint_drift_episodes": Family("How often Drifted has turned True"),
    "penstock_endpoint_window_every_seconds": Family("Length of a window: spec.monitoring.every"),
    "penstock_endpoint_window_end_seconds": Family("When the newest judged window ended, since 1970"),
    "penstock_endpoint_window_due_seconds": Family(
        "From when on the window after that one can be judged, since 1970"
    ),
}


def labels_of(family: str) -> tuple[str, ...]:
    """The names of a metric's labels."""
    return (*WHERE, *FAMILIES[family].labels)


def figures(endpoints: Iterable[Mapping[str, Any]]) -> Iterator[Figure]:
    """Every figure of these ModelEndpoints."""
    for item in endpoints:
        where = (item["metadata"].get("namespace", ""), item["metadata"]["name"])
        status = item.get("status") or {}
        yield Figure("penstock_endpoint_ready", where, float(_answer(status, Condition.READY) == 1.0))
        if status.get("stable"):
            yield Figure("penstock_endpoint_info", (*where, *_serving(status)), 1.0)
        if status.get("drifted"):
            yield from _watched(where, status)
        monitoring = _monitoring(item)
        if monitoring is not None:
            yield from _limits(where, monitoring)
            yield from _times(where, status.get("monitoring") or {}, monitoring)


def _answer(status: Mapping[str, Any], type_: str) -> float:
    return _ANSWERS.get(str((find(status, type_) or {}).get("status")), _UNKNOWN)


def _serving(status: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Model, version, digest and revision of what serves."""
    version, revision = str(status["stable"]), status.get("revision")
    history = status.get("history") or ()
    model = next((str(one.get("model", "")) for one in history if one.get("revision") == revision), "")
    known = model or version.rpartition("-")[0]  # a version is called after its model
    return known, version, str(status.get("stableDigest", "")), "" if revision is None else str(revision)


def _watched(where: tuple[str, str], status: Mapping[str, Any]) -> Iterator[Figure]:
    yield Figure("penstock_endpoint_drifted", where, _answer(status, Condition.DRIFTED))
    for type_ in _QUALITY:
        labels = (*where, str(type_))
        yield Figure("penstock_endpoint_data_quality", labels, _answer(status, type_))
    part = status.get("monitoring") or {}
    counts = part.get("counts") or {}
    for verdict in VERDICTS:
        yield Figure("penstock_endpoint_windows", (*where, verdict), float(counts.get(verdict, 0)))
    yield Figure("penstock_endpoint_drift_episodes", where, float(part.get("episodes", 0)))
    windows = part.get("windows") or ()
    if windows:
        yield Figure("penstock_endpoint_window_rows", where, float(windows[-1].get("rows", 0)))
        yield Figure("penstock_endpoint_window_lost_rows", where, float(windows[-1].get("lost", 0)))
    for method, value in (part.get("statistics") or {}).items():
        yield Figure("penstock_endpoint_drift_statistic", (*where, method), float(value))


def _monitoring(item: Mapping[str, Any]) -> Monitoring | None:
    """How the endpoint is to be watched; None where it is not, or cannot be read (its conditions say why)."""
    asked = (item.get("spec") or {}).get("monitoring")
    if asked is None:
        return None
    try:
        return Monitoring.model_validate(asked, by_alias=True, by_name=False)
    except ValidationError:
        return None


def _limits(where: tuple[str, str], monitoring: Monitoring) -> Iterator[Figure]:
    for one in monitoring.drift:
        yield Figure("penstock_endpoint_drift_limit", (*where, str(one.method)), one.maximum)


def _times(where: tuple[str, str], part: Mapping[str, Any], monitoring: Monitoring) -> Iterator[Figure]:
    """Moments rather than ages: whoever asks compares them with a clock, also while no operator answers."""
    yield Figure("penstock_endpoint_window_every_seconds", where, float(monitoring.seconds))
    last, begin = read(part.get("lastWindow", "")), begin_of(part)
    if last is not None:
        yield Figure("penstock_endpoint_window_end_seconds", where, last.timestamp())
    if begin is not None:
        next_one = due(first_end(begin, monitoring.seconds), monitoring)
        yield Figure("penstock_endpoint_window_due_seconds", where, next_one.timestamp())
