"""validate: the gate. Scores the bytes that would serve on rows that training never saw, and compares with
thresholds.

A bad verdict is a result, not a failure of this program: it ends well and says what it found.
"""

import numpy as np

from penstock_artifacts.model import ModelError, Predictor, SignatureError
from penstock_artifacts.store import Store
from penstock_spec.contract import Result, Task
from penstock_spec.kinds.validate import CLASSIFICATION_METRICS, REGRESSION_METRICS, Metric, Validate
from penstock_steps import report
from penstock_steps.bootstrap import intervals
from penstock_steps.errors import invalid_result
from penstock_steps.metrics import Answers, Classified, estimate, shortened
from penstock_steps.scoring import score
from penstock_steps.tables import read_table
from penstock_steps.verdict import Judgement, compare, doubts, judge, undefined
from penstock_steps.workspace import Workspace, say

PROBABILITY_METRICS = frozenset({Metric.ROC_AUC, Metric.LOG_LOSS, Metric.BRIER})


def run(task: Task, workspace: Workspace, store: Store) -> Result:  # noqa: ARG001 - each kind is called alike
    """Read the inputs `model` and `test`, and write the output `report`."""
    validate = Validate.model_validate(task.arguments)
    try:
        predictor = Predictor(workspace.input("model"))
    except (ModelError, SignatureError) as error:
        raise invalid_result(f"the model cannot be loaded: {error}") from error
    answers = score(predictor, read_table(workspace.input("test")), validate.positive)
    figures = estimate(answers)
    # Seeded by the rows: the same test table always gives the same interval.
    spreads = intervals(answers, int(task.inputs["test"].digest.removeprefix("sha256:")[:16], 16))
    findings = compare(validate.thresholds, figures, spreads)
    doubtful = [
        *doubts(answers.rows, validate.minimum_rows, _per_class(answers), validate.minimum_per_class),
        *undefined(validate.thresholds, figures, _possible(answers)),
    ]
    judgement = judge(findings, doubtful, answers.rows)
    report.write(
        workspace.output("report"),
        report.Facts(task, judgement, figures, answers.rows, spreads, answers, predictor.signature),
    )
    say(f"verdict {judgement.verdict}")
    return result(judgement, figures, spreads, answers.rows)


def result(
    judgement: Judgement, figures: dict[str, float], spreads: dict[str, tuple[float, float]], rows: int | None
) -> Result:
    """What the gate says in its termination message: all figures, and the intervals of those that were
    compared.
    """
    metrics = {name: shortened(value) for name, value in figures.items()}
    for finding in judgement.findings:
        if finding.metric.value in spreads:
            low, high = spreads[finding.metric.value]
            metrics |= {f"{finding.metric}_low": shortened(low), f"{finding.metric}_high": shortened(high)}
    if rows is not None:
        metrics["rows"] = float(rows)
    return Result(
        metrics=metrics, verdict=judgement.verdict, reason=judgement.reason, message=judgement.message[:900]
    )


def _per_class(answers: Answers) -> list[int] | None:
    if not isinstance(answers, Classified):
        return None
    return [int(count) for count in np.bincount(answers.truth, minlength=answers.classes)]


def _possible(answers: Answers) -> frozenset[Metric]:
    if not isinstance(answers, Classified):
        return REGRESSION_METRICS
    return (
        CLASSIFICATION_METRICS
        if answers.probabilities is not None
        else CLASSIFICATION_METRICS - PROBABILITY_METRICS
    )
