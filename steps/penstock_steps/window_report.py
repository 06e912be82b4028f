"""A window's report: report.json for programs, and one page without scripts, report.html, for people."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from penstock_spec.contract import REPORT_HTML, REPORT_JSON, Task
from penstock_steps.drift.judge import Comparison, Finding
from penstock_steps.drift.quality import Unseen
from penstock_steps.drift.reference import CategoryReference
from penstock_steps.page import STYLE, table
from penstock_steps.verdict import number
from penstock_steps.window import Judged, Reading
from penstock_steps.window_quality import quality
from penstock_steps.workspace import write_json

_STYLE = """
.bars svg { width: 29rem; } .training, .now { display: inline-block; width: 0.8rem; height: 0.8rem; }
.training { background: #c3ccd6; } .now { border: 2px solid #1f5fa8; box-sizing: border-box; }
tr:has(b) td { background: #fdf3f2; }
"""


def write(folder: Path, task: Task, judged: Judged) -> None:
    """Write both files to `folder`. The same window always gives the same bytes."""
    write_json(folder / REPORT_JSON, as_data(task, judged))
    (folder / REPORT_HTML).write_text(as_page(task, judged), encoding="utf-8")


def as_data(task: Task, judged: Judged) -> dict[str, Any]:
    """The report as JSON data."""
    window = judged.window
    return {
        "version": 1,
        "endpoint": window.endpoint,
        "job": task.run,
        "start": _time(window.start),
        "end": _time(window.end),
        "model": {"version": window.version, "digest": window.digest},
        "verdict": judged.outcome.verdict,
        "reason": judged.outcome.reason,
        "message": judged.outcome.message,
        "rows": None if judged.reading is None else _reading(judged.reading),
        "limits": {
            "drift": dict(window.limits.drift),
            "significance": window.limits.significance,
            "correction": "Holm",
            "minimumSamples": window.minimum_samples,
            "nullsMaximumIncrease": window.limits.nulls_maximum_increase,
            "unseenMaximumRatio": window.limits.unseen_maximum_ratio,
        },
        "columns": [_column(one) for one in judged.findings],
        "redacted": sorted(window.redact),
        "expiredObjects": judged.expired,
    }


def as_page(task: Task, judged: Judged) -> str:
    """The report as a page. Everything that comes from users is escaped."""
    window, outcome = judged.window, judged.outcome
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{escape(window.endpoint)}: {outcome.verdict}</title>
<style>{STYLE}{_STYLE}</style></head>
<body>
<h1>{escape(window.endpoint)} <span class="verdict {outcome.verdict}">{outcome.verdict}</span></h1>
<p>{escape(outcome.message)}</p>
{table(_facts(judged))}
{"".join(_compared(judged))}
<h2>What was judged</h2>
{table(_sources(task, judged))}
</body>
</html>
"""


def _compared(judged: Judged) -> Iterable[str]:
    if not judged.findings:
        return
    from penstock_steps import window_plots  # noqa: PLC0415 - a window without a verdict has no pictures

    worst = _worst_first(judged.findings)
    yield f"<h2>Data quality</h2>\n{quality(judged.findings)}\n"
    yield "<h2>Drift: statistics against their limits</h2>\n"
    yield f'<div class="plots bars">{"".join(window_plots.statistics(judged.findings))}</div>\n'
    yield "<h2>Columns, the farthest from training first</h2>\n"
    yield '<p><span class="training"></span> training rows '
    yield '&emsp;<span class="now"></span> this window</p>\n'
    yield f'<div class="plots">{"".join(window_plots.distributions(worst))}</div>\n'
    yield f"<h2>All {len(worst):,} columns</h2>\n{table(_rows(worst))}\n"


def _worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Drifted columns, then those with a problem of quality, then the others by their largest value."""
    return sorted(findings, key=lambda one: (_rank(one), -one.strength, one.name))


def _rank(one: Finding) -> int:
    if one.drifted:
        return 0
    new = one.unseen is not None and one.unseen.found
    return 1 if one.unit is not None or one.nulls.burst or new else 2


def _facts(judged: Judged) -> Iterable[tuple[str, str]]:
    window, reading = judged.window, judged.reading
    yield "Window", f"{_time(window.start)} to {_time(window.end)}"
    yield "Model", escape(window.version)
    if reading is None:
        return
    several = " (rows of one request are not independent)" if reading.requests < reading.rows else ""
    yield (
        "Rows",
        f"{reading.rows:,} of {reading.requests:,} requests{several}, in {reading.batches:,} batches",
    )
    if reading.judged < reading.rows:
        yield "Sample", f"{reading.judged:,} rows, drawn uniformly"
    yield "Lost rows", f"{reading.lost:,}"
    if reading.of_others:
        yield "Left out", f"{reading.of_others:,} rows of another model"
    if reading.absent:
        yield "Not in the log", escape(", ".join(reading.absent))


def _sources(task: Task, judged: Judged) -> Iterable[tuple[str, str]]:
    window = judged.window
    limits = ", ".join(f"{method} {maximum:g}" for method, maximum in window.limits.drift.items())
    yield "Job", escape(task.run)
    yield "Model", f"<code>{escape(window.digest)}</code>"
    yield "Limits", limits
    level = f"below {window.limits.significance:g}"
    yield "Drifted", f"a value above its limit, with a p, corrected for all columns and statistics, {level}"
    if window.redact:
        yield "Redacted, not judged", escape(", ".join(sorted(window.redact)))
    days = "could not be deleted; a later window tries again"
    if judged.expired is not None:
        days = f"{judged.expired:,} objects deleted"
    yield f"Log before {window.keeps_from}", days


def _rows(findings: Sequence[Finding]) -> Iterable[Sequence[str]]:
    heads = ("Column", "Statistic", "Value", "Limit", "Corrected p", "Missing: training, now", "Verdict")
    yield [f"<strong>{head}</strong>" for head in heads]
    for one in findings:
        missing = f"{one.nulls.reference:.1%}, {one.nulls.window:.1%}"
        for place, test in enumerate(one.tests):
            yield (
                escape(one.name) if place == 0 else "",
                test.method,
                number(test.value, 3),
                f"{test.maximum:g}",
                _p(test.corrected),
                missing if place == 0 else "",
                _verdict(one, test),
            )


def _verdict(finding: Finding, test: Comparison) -> str:
    if finding.unit is not None:
        return "another unit: not compared"
    if test.drifted:
        return "<b>drifted</b>"
    return "within limit" if test.value <= test.maximum else "above limit, but may be chance"


def _p(value: float) -> str:
    return "below 1e-12" if value < 1e-12 else number(value, 3)


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "window": reading.rows,
        "judged": reading.judged,
        "requests": reading.requests,
        "lost": reading.lost,
        "batches": reading.batches,
        "ofAnotherModel": reading.of_others,
        "columnsNotInLog": list(reading.absent),
    }


def _column(one: Finding) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": _kind(one),
        "drifted": one.drifted,
        "training": {"count": one.reference.count, "nulls": one.reference.nulls},
        "window": {"count": one.observed.count, "nulls": one.observed.nulls},
        "statistics": [
            {
                "method": test.method,
                "value": test.value,
                "maximum": test.maximum,
                "p": test.p,
                "correctedP": test.corrected,
                "drifted": test.drifted,
            }
            for test in one.tests
        ],
        "nulls": {"training": one.nulls.reference, "window": one.nulls.window, "burst": one.nulls.burst},
        "unseen": None if one.unseen is None else _unseen(one.unseen),
        "unit": None
        if one.unit is None
        else {"factor": one.unit.factor, "offset": one.unit.offset, "conversion": one.unit.words},
    }


def _kind(one: Finding) -> str:
    if isinstance(one.reference, CategoryReference):
        return "Boolean" if one.reference.is_boolean else "Text"
    return "Number"


def _unseen(unseen: Unseen) -> Mapping[str, Any]:
    return {
        "ratio": unseen.ratio,
        "expected": unseen.expected,
        "found": unseen.found,
        "values": [{"value": value, "count": count} for value, count in unseen.often] if unseen.found else [],
        "rowsOfRarerValues": unseen.seldom,
    }


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
