"""The gate's report: report.json for programs, report.html for people; one page, no scripts, nothing from
elsewhere.
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from penstock_artifacts.signature import Signature
from penstock_spec.contract import REPORT_HTML, REPORT_JSON, Task
from penstock_steps import plots
from penstock_steps.bootstrap import LEVEL, RESAMPLES
from penstock_steps.metrics import Answers, Classified, confusion_matrix
from penstock_steps.scoring import label_text
from penstock_steps.verdict import Judgement, number
from penstock_steps.workspace import write_json

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2733; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0.2rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; } th, td { text-align: left; padding: 0.3rem 1rem 0.3rem 0; }
td { border-top: 1px solid #d8dee6; font-variant-numeric: tabular-nums; } code { font-size: 0.85em; word-break: break-all; }
.verdict { display: inline-block; padding: 0.1rem 0.7rem; border-radius: 0.3rem; color: #fff; font-weight: 600; }
.Pass { background: #1a7f4b; } .Fail { background: #b42318; } .Inconclusive { background: #8a6100; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; } .plots svg { width: 19rem; height: auto; }
"""


@dataclass(frozen=True)
class Facts:
    """All that the report tells."""

    task: Task
    signature: Signature
    answers: Answers
    figures: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    judgement: Judgement


def write(folder: Path, facts: Facts) -> None:
    """Write both files to `folder`. The same facts always give the same bytes."""
    write_json(folder / REPORT_JSON, as_data(facts))
    (folder / REPORT_HTML).write_text(as_page(facts), encoding="utf-8")


def as_data(facts: Facts) -> dict[str, Any]:
    """The report as JSON data."""
    answers, task = facts.answers, facts.task
    data: dict[str, Any] = {
        "version": 1,
        "pipeline": task.pipeline,
        "run": task.run,
        "step": task.step,
        "model": {"name": facts.signature.model, "digest": task.inputs["model"].digest},
        "test": {"digest": task.inputs["test"].digest, "rows": answers.rows},
        "verdict": facts.judgement.verdict,
        "message": facts.judgement.message,
        "measuredBy": "penstock",
        "metrics": {
            name: {"value": value, "interval": facts.intervals.get(name)}
            for name, value in facts.figures.items()
        },
        "interval": {"level": LEVEL, "method": "percentile bootstrap over rows", "resamples": RESAMPLES},
        "thresholds": _thresholds_data(facts.judgement),
    }
    if isinstance(answers, Classified):
        data["labels"] = list(facts.signature.labels)
        data["confusion"] = confusion_matrix(answers)
    return data


def as_page(facts: Facts) -> str:
    """The report as a page. Everything that comes from users is escaped."""
    task, judgement = facts.task, facts.judgement
    title = f"{facts.signature.model}: {judgement.verdict}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style></head><body>
<h1>{escape(facts.signature.model)} <span class="verdict {judgement.verdict}">{judgement.verdict}</span></h1>
<p>{escape(judgement.message)}</p>
<h2>Thresholds</h2>
{_thresholds(facts)}
<h2>Figures on {facts.answers.rows:,} test rows</h2>
{_figures(facts)}
<div class="plots">{"".join(plots.draw(facts.answers, _labels(facts)))}</div>
<h2>What was judged</h2>
<table>
<tr><td>Pipeline, run, step</td><td>{escape(task.pipeline)}, {escape(task.run)}, {escape(task.step)}</td></tr>
<tr><td>Model</td><td><code>{escape(task.inputs["model"].digest)}</code></td></tr>
<tr><td>Test rows</td><td><code>{escape(task.inputs["test"].digest)}</code></td></tr>
<tr><td>Intervals</td><td>{LEVEL:.0%}, percentile bootstrap over rows, {RESAMPLES:,} resamples</td></tr>
</table>
</body></html>
"""


def _thresholds_data(judgement: Judgement) -> list[dict[str, Any]]:
    return [
        {"metric": one.metric, "minimum": one.minimum, "maximum": one.maximum, "met": one.met}
        for one in judgement.findings
    ]


def _labels(facts: Facts) -> list[str]:
    return [label_text(label) for label in facts.signature.labels]


def _thresholds(facts: Facts) -> str:
    rows = [
        f"<tr><td>{'met' if one.met else '<b>not met</b>'}</td><td>{escape(one.words(facts.answers.rows))}</td></tr>"
        for one in facts.judgement.findings
    ]
    return f"<table>{''.join(rows)}</table>"


def _figures(facts: Facts) -> str:
    rows = []
    for name, value in facts.figures.items():
        low, high = facts.intervals.get(name, (value, value))
        rows.append(
            f"<tr><td>{escape(name)}</td><td>{number(value, 4)}</td><td>{number(low, 4)} to {number(high, 4)}</td></tr>"
        )
    return (
        f"<table><tr><th>Metric</th><th>Value</th><th>{LEVEL:.0%} interval</th></tr>{''.join(rows)}</table>"
    )


def write_asserted(
    folder: Path, task: Task, figures: dict[str, float], judgement: Judgement, rows: int
) -> None:
    """The report on figures that the step's own program measured: no interval, no picture, and marked as
    such.
    """
    data = {
        "version": 1,
        "pipeline": task.pipeline,
        "run": task.run,
        "step": task.step,
        "model": {"digest": task.inputs["model"].digest},
        "test": {"digest": task.inputs["test"].digest, "rows": rows},
        "verdict": judgement.verdict,
        "message": judgement.message,
        "measuredBy": "program",
        "metrics": {name: {"value": value, "interval": None} for name, value in figures.items()},
        "thresholds": _thresholds_data(judgement),
    }
    write_json(folder / REPORT_JSON, data)
    rows_of_table = "".join(
        f"<tr><td>{escape(name)}</td><td>{number(value, 4)}</td></tr>"
        for name, value in sorted(figures.items())
    )
    (folder / REPORT_HTML).write_text(
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{judgement.verdict}</title><style>{_STYLE}</style></head><body>
<h1>{escape(task.step)} <span class="verdict {judgement.verdict}">{judgement.verdict}</span></h1>
<p>{escape(judgement.message)}</p>
<h2>Figures that the step's own program measured</h2>
<table>{rows_of_table}</table>
</body></html>
""",
        encoding="utf-8",
    )
