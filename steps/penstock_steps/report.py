"""The gate's report: report.json for programs, and one page without scripts, report.html, for people."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from penstock_artifacts.signature import Signature
from penstock_spec.contract import REPORT_HTML, REPORT_JSON, Task
from penstock_steps.bootstrap import LEVEL, RESAMPLES
from penstock_steps.metrics import Answers, Classified, confusion_matrix
from penstock_steps.page import STYLE, table
from penstock_steps.scoring import label_text
from penstock_steps.verdict import Judgement, number
from penstock_steps.workspace import write_json

Intervals = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Facts:
    """All that the report tells. `answers` is None where the step's own program measured the figures."""

    task: Task
    judgement: Judgement
    figures: Mapping[str, float]
    rows: int
    intervals: Intervals
    answers: Answers | None = None
    signature: Signature | None = None


def write(folder: Path, facts: Facts) -> None:
    """Write both files to `folder`. The same facts always give the same bytes."""
    write_json(folder / REPORT_JSON, as_data(facts))
    (folder / REPORT_HTML).write_text(as_page(facts), encoding="utf-8")


def as_data(facts: Facts) -> dict[str, Any]:
    """The report as JSON data."""
    task = facts.task
    data: dict[str, Any] = {
        "version": 1,
        "pipeline": task.pipeline,
        "run": task.run,
        "step": task.step,
        "model": {"digest": task.inputs["model"].digest},
        "test": {"digest": task.inputs["test"].digest, "rows": facts.rows},
        "verdict": facts.judgement.verdict,
        "message": facts.judgement.message,
        "measuredBy": "program" if facts.answers is None else "penstock",
        "metrics": {
            name: {"value": value, "interval": facts.intervals.get(name)}
            for name, value in facts.figures.items()
        },
        "interval": {"level": LEVEL, "method": "percentile bootstrap over rows", "resamples": RESAMPLES},
        "thresholds": [
            {"metric": one.metric, "minimum": one.minimum, "maximum": one.maximum, "met": one.met}
            for one in facts.judgement.findings
        ],
    }
    if facts.signature is not None:
        data["model"]["name"] = facts.signature.model
    if isinstance(facts.answers, Classified) and facts.signature is not None:
        data["labels"] = list(facts.signature.labels)
        data["confusion"] = confusion_matrix(facts.answers)
    return data


def as_page(facts: Facts) -> str:
    """The report as a page. Everything that comes from users is escaped."""
    task, verdict = facts.task, facts.judgement.verdict
    name = escape(task.step if facts.signature is None else facts.signature.model)
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{name}: {verdict}</title><style>{STYLE}</style></head>
<body>
<h1>{name} <span class="verdict {verdict}">{verdict}</span></h1>
<p>{escape(facts.judgement.message)}</p>
<h2>Thresholds</h2>
{_thresholds(facts)}
<h2>Figures on {facts.rows:,} test rows</h2>
{_figures(facts)}
<div class="plots">{"".join(_plots(facts))}</div>
<h2>What was judged</h2>
{
        table(
            [
                ("Pipeline, run, step", escape(f"{task.pipeline}, {task.run}, {task.step}")),
                ("Model", f"<code>{escape(task.inputs['model'].digest)}</code>"),
                ("Test rows", f"<code>{escape(task.inputs['test'].digest)}</code>"),
                ("Figures", _origin(facts)),
            ]
        )
    }
</body>
</html>
"""


def _origin(facts: Facts) -> str:
    if facts.answers is None:
        return "measured by the step's own program, not by Penstock"
    return f"measured by Penstock; {LEVEL:.0%} intervals by percentile bootstrap, {RESAMPLES:,} resamples"


def _plots(facts: Facts) -> Iterable[str]:
    if facts.answers is None or facts.signature is None:
        return ()
    from penstock_steps import plots  # noqa: PLC0415 - a report without pictures needs no drawing library

    return plots.draw(facts.answers, [label_text(label) for label in facts.signature.labels])


def _thresholds(facts: Facts) -> str:
    return table(
        ("met" if one.met else "<b>not met</b>", escape(one.words(facts.rows)))
        for one in facts.judgement.findings
    )


def _figures(facts: Facts) -> str:
    rows = [("<b>Metric</b>", "<b>Value</b>", f"<b>{LEVEL:.0%} interval</b>")]
    for name, value in facts.figures.items():
        interval = facts.intervals.get(name)
        spread = f"{number(interval[0], 4)} to {number(interval[1], 4)}" if interval else "not measured"
        rows.append((escape(name), number(value, 4), spread))
    return table(rows)
