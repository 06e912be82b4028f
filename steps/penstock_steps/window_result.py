"""What a window says in its termination message: columns by name, never a value of any row."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from penstock_spec.contract import TERMINATION_BYTES, Result, encode
from penstock_spec.monitoring import DriftMethod
from penstock_spec.monitoring_status import COLUMNS_NAMED
from penstock_spec.names import Reason
from penstock_steps.drift.judge import Finding, drifted
from penstock_steps.metrics import shortened
from penstock_steps.problems import shown
from penstock_steps.verdict import number
from penstock_steps.window import Judged, Outcome, Reading, Window, WindowVerdict

_STATISTICS = {
    DriftMethod.PSI: "psi_max",
    DriftMethod.KOLMOGOROV_SMIRNOV: "ks_max",
    DriftMethod.CHI_SQUARED: "chi2_max",
}
_NAMED_IN_WORDS = 3
_SMALLEST, _LARGEST = 1e-6, 1e9  # between them factors are written out
_REPORT = {"report": "sha256:" + "0" * 64}  # what the program adds: room is kept for it


def too_few(window: Window, reading: Reading) -> Outcome:
    """The outcome where rows are too few to say anything."""
    others = f"; {_rows(reading.of_others)} of another model are left out" if reading.of_others else ""
    return Outcome(
        WindowVerdict.UNKNOWN,
        Reason.INSUFFICIENT_SAMPLES,
        f"{_rows(reading.rows)} of {window.version}, needs at least {window.minimum_samples:,} "
        f"(minimumSamples){_lost(reading)}{others}",
    )


def decided(findings: Sequence[Finding], reading: Reading) -> Outcome:
    """The outcome of a window with rows enough."""
    worst = drifted(findings)
    quality = "".join(f"; {words}" for words in _quality(findings))
    tail = f"{_rows(reading.rows)}{_lost(reading)}{quality}"
    if worst:
        names = _named(worst, lambda one: f"{shown(one.name)} ({_strongest(one)})")
        words = f"drift in {len(worst)} of {_columns(len(findings))}: {names}; {tail}"
        return Outcome(WindowVerdict.DRIFTED, Reason.DRIFT_FOUND, words)
    return Outcome(
        WindowVerdict.NOT_DRIFTED, Reason.NO_DRIFT, f"no drift in {_columns(len(findings))}; {tail}"
    )


def result(judged: Judged) -> Result:
    """The Result, within the bytes of a termination message: lists of columns become shorter, counts stay."""
    metrics: dict[str, float] = {}
    if judged.reading is not None:
        metrics = {"rows": float(judged.reading.rows), "lost": float(judged.reading.lost)}
    results: dict[str, Any] = {}
    if judged.findings:
        worst = drifted(judged.findings)
        results = {
            "drifted": [one.name for one in worst[:COLUMNS_NAMED]],
            "driftedCount": len(worst),
            "unseen": [one.name for one in unseen_columns(judged.findings)[:COLUMNS_NAMED]],
            "nulls": [one.name for one in null_columns(judged.findings)[:COLUMNS_NAMED]],
            "units": [_unit(one) for one in unit_columns(judged.findings)[:COLUMNS_NAMED]],
        }
        metrics |= _largest(judged.findings)
    found = Result(
        verdict=judged.outcome.verdict,
        reason=judged.outcome.reason,
        message=judged.outcome.message[:500],
        metrics=metrics,
        results=results,
        columns=len(judged.findings),
    )
    return _fitted(found)


def unseen_columns(findings: Iterable[Finding]) -> list[Finding]:
    """Columns with too many unseen texts, worst first."""
    found = [one for one in findings if one.unseen is not None and one.unseen.found]
    return sorted(found, key=lambda one: (-(one.unseen.ratio if one.unseen else 0.0), one.name))


def null_columns(findings: Iterable[Finding]) -> list[Finding]:
    """Columns with a burst of missing values, worst first."""
    found = [one for one in findings if one.nulls.burst]
    return sorted(found, key=lambda one: (one.nulls.reference - one.nulls.window, one.name))


def unit_columns(findings: Iterable[Finding]) -> list[Finding]:
    """Columns in another unit."""
    return [one for one in findings if one.unit is not None]


def _unit(finding: Finding) -> dict[str, Any]:
    assert finding.unit is not None  # noqa: S101 - of unit_columns
    offset = {"offset": shortened(finding.unit.offset)} if finding.unit.offset else {}
    return {"column": finding.name, "factor": float(f"{finding.unit.factor:.4g}"), **offset}


def _largest(findings: Sequence[Finding]) -> dict[str, float]:
    """The largest value of each method. A column in another unit is not compared, so it does not count."""
    found: dict[str, float] = {}
    for test in (test for one in findings if one.unit is None for test in one.tests):
        name = _STATISTICS[test.method]
        found[name] = max(found.get(name, 0.0), shortened(test.value))
    return found


def _fitted(found: Result) -> Result:
    results, message = dict(found.results), found.message
    while True:
        shorter = replace(found, results=results, message=message)
        if _fits(shorter):
            return shorter
        lists = {key: value for key, value in results.items() if isinstance(value, list) and value}
        # What has drifted is counted over windows by its name, so it goes last.
        spare = {key: value for key, value in lists.items() if key != "drifted"} or lists
        if spare:
            longest = max(sorted(spare), key=lambda key: len(spare[key]))
            results = {**results, longest: results[longest][:-1]}
        else:
            message = message[: len(message) * 9 // 10].rstrip() + "…"


def _fits(found: Result) -> bool:
    try:
        return len(encode(replace(found, outputs=_REPORT)).encode()) <= TERMINATION_BYTES
    except ValueError:
        return False


def _quality(findings: Sequence[Finding]) -> Iterable[str]:
    for columns, words in (
        (unseen_columns(findings), "values that training never saw"),
        (null_columns(findings), "many more missing values than training had"),
    ):
        if columns:
            yield f"{words} in {_named(columns, lambda one: shown(one.name))}"
    units = unit_columns(findings)
    if units:
        yield f"another unit in {_named(units, lambda one: f'{shown(one.name)} ({unit_words(one)})')}"


def unit_words(finding: Finding) -> str:
    """`factor 1,000, like kilograms to grams`, or `factor 0.4536, pounds to kilograms`."""
    unit = finding.unit
    assert unit is not None  # noqa: S101 - of unit_columns
    offset = f" and {unit.offset:+g}" if unit.offset else ""
    factor = float(f"{unit.factor:.4g}")
    written = f"{factor:,.10f}".rstrip("0").rstrip(".") if _SMALLEST <= factor < _LARGEST else f"{factor:g}"
    return f"factor {written}{offset}{', ' if unit.words else ''}{unit.words}"


def _named(columns: Sequence[Finding], words: Callable[[Finding], str]) -> str:
    """The first few in words, the rest counted."""
    listed = ", ".join(words(one) for one in columns[:_NAMED_IN_WORDS])
    more = len(columns) - _NAMED_IN_WORDS
    return f"{listed} and {more} more" if more > 0 else listed


def _strongest(finding: Finding) -> str:
    test = max((test for test in finding.tests if test.drifted), key=lambda test: test.strength)
    return f"{test.method} {number(test.value, 2)}, limit {test.maximum:g}"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count:,} columns"


def _lost(reading: Reading) -> str:
    return f" ({reading.lost:,} more were lost)" if reading.lost else ""
