"""Figures that a user's own validation program measured, held against the step's thresholds."""

import json
from pathlib import Path

from penstock_spec.contract import METRICS_FILE, TABLE_PROFILE, Result, Task
from penstock_spec.kinds.validate import Validate
from penstock_steps import report, written
from penstock_steps.errors import invalid_result
from penstock_steps.validate import result
from penstock_steps.verdict import compare, doubts, judge
from penstock_steps.workspace import Workspace


def judge_figures(task: Task, workspace: Workspace, folder: Path) -> Result:
    """The verdict on metrics.json; adds report.json and report.html to `folder`, marked as the program's
    figures.
    """
    validate = Validate.model_validate(task.arguments)
    figures = written.read_metrics(workspace.metrics_file)
    missing = [one.metric.value for one in validate.thresholds if one.metric not in figures]
    if missing:
        raise invalid_result(
            f"{METRICS_FILE} has no {missing[0]}, which a threshold needs: write it as a number"
        )
    rows = int(json.loads((workspace.input("test") / TABLE_PROFILE).read_text(encoding="utf-8"))["rows"])
    findings = compare(validate.thresholds, figures, {})
    judgement = judge(findings, doubts(rows, validate.minimum_rows, None, validate.minimum_per_class), rows)
    report.write(folder, report.Facts(task, judgement, figures, rows, intervals={}))
    return result(judgement, figures, {}, rows)
