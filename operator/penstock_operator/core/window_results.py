"""What became of one window, as plain data for the status: its entry, and what the newest one alone shows."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from penstock_operator.core.text import clip, one_line
from penstock_operator.core.times import stamp
from penstock_operator.core.windows import DRIFTED, NOT_DRIFTED, UNKNOWN, VERDICTS
from penstock_spec.contract import Result
from penstock_spec.monitoring import DriftMethod
from penstock_spec.monitoring_status import COLUMNS_NAMED
from penstock_spec.names import Reason

REPORT = "report"
_METHODS = {
    "psi_max": DriftMethod.PSI,
    "ks_max": DriftMethod.KOLMOGOROV_SMIRNOV,
    "chi2_max": DriftMethod.CHI_SQUARED,
}
_REASONS = {DRIFTED: Reason.DRIFT_FOUND, NOT_DRIFTED: Reason.NO_DRIFT, UNKNOWN: Reason.INSUFFICIENT_SAMPLES}
_WORD = re.compile(r"[A-Z][A-Za-z]{0,63}")
_NAME = 128  # base.ColumnName
_ALWAYS = ("rows", "lost")  # said even where there are none


@dataclass(frozen=True)
class Outcome:
    """One window at its end."""

    window: Mapping[str, Any]  # monitoring_status.WindowStatus
    message: str = ""
    columns: int = 0
    statistics: Mapping[str, float] = field(default_factory=dict)
    quality: Mapping[str, Any] = field(default_factory=dict)  # monitoring_status.QualityStatus
    failed: bool = False  # no verdict for want of a result, not of rows


def given_up(end: datetime, version: str, reason: str, message: str) -> Outcome:
    """A window that nobody could judge."""
    entry = {
        "end": stamp(end),
        "verdict": UNKNOWN,
        "reason": str(reason),
        "version": version,
        "rows": 0,
        "lost": 0,
    }
    return Outcome(entry, one_line(message), failed=True)


def judged(end: datetime, version: str, result: Result) -> Outcome | None:
    """What the program found; None where its result holds no verdict."""
    if result.verdict not in VERDICTS:
        return None
    metrics, results = result.metrics, result.results
    drifted = _names(results.get("drifted"))
    entry = {
        "end": stamp(end),
        "verdict": result.verdict,
        "reason": result.reason if _WORD.fullmatch(result.reason) else str(_REASONS[result.verdict]),
        "version": version,
        "rows": _count(metrics.get("rows")),
        "lost": _count(metrics.get("lost")),
        "drifted": drifted,
        "driftedCount": max(_count(results.get("driftedCount")), len(drifted)),
        "report": result.outputs.get(REPORT, ""),
    }
    return Outcome(
        window={key: value for key, value in entry.items() if key in _ALWAYS or value not in ("", 0, [])},
        message=one_line(result.message, 500),
        columns=result.columns,
        statistics={
            str(method): float(metrics[name])
            for name, method in _METHODS.items()
            if name in metrics and math.isfinite(metrics[name])
        },
        quality=_quality(results),
        failed=result.verdict == UNKNOWN and entry["reason"] != Reason.INSUFFICIENT_SAMPLES,
    )


def _quality(results: Mapping[str, Any]) -> dict[str, Any]:
    units = [
        _unit(one)
        for one in _list(results.get("units"))
        if isinstance(one, Mapping) and _is_number(one.get("factor")) and one.get("column")
    ]
    found = {
        "unseen": _names(results.get("unseen")),
        "nulls": _names(results.get("nulls")),
        "units": units[:COLUMNS_NAMED],
    }
    return {key: value for key, value in found.items() if value}


def _unit(one: Mapping[str, Any]) -> dict[str, Any]:
    offset = {"offset": float(one["offset"])} if _is_number(one.get("offset")) and one["offset"] else {}
    return {"column": clip(str(one["column"]), _NAME), "factor": float(one["factor"]), **offset}


def _names(value: Any) -> list[str]:
    """Names of columns, each once, as many as a status holds."""
    names = [clip(one, _NAME) for one in _list(value) if isinstance(one, str) and one]
    return list(dict.fromkeys(names))[:COLUMNS_NAMED]


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _count(value: Any) -> int:
    return max(0, int(value)) if _is_number(value) else 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
