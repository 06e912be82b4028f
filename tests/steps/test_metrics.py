"""Figures, intervals and verdicts against scikit-learn and against what can be reckoned by hand."""

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock_spec.kinds.validate import Metric, Threshold
from penstock_steps.bootstrap import intervals
from penstock_steps.errors import StepError
from penstock_steps.metrics import Classified, Measured, confusion_matrix, estimate, weighted_median
from penstock_steps.verdict import Finding, compare, doubts, judge, undefined


def answered(seed: int, classes: int, rows: int, ties: bool = False) -> Classified:
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, rows)
    scores = random.random((rows, classes)) + 0.7 * np.eye(classes)[truth]
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    if ties:
        probabilities = np.round(probabilities, 1) + 0.0
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Classified(truth, probabilities.argmax(axis=1), probabilities, classes, classes - 1)


@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
@pytest.mark.parametrize("classes", [2, 4])
def test_classification_figures_equal_those_of_scikit_learn(classes: int, ties: bool) -> None:
    one = answered(1, classes, 300, ties)
    assert one.probabilities is not None
    average = "binary" if classes == 2 else "macro"
    scores = one.probabilities[:, 1] if classes == 2 else one.probabilities
    expected = {
        "accuracy": reference.accuracy_score(one.truth, one.predicted),
        "balanced_accuracy": reference.balanced_accuracy_score(one.truth, one.predicted),
        "precision": reference.precision_score(one.truth, one.predicted, average=average),
        "recall": reference.recall_score(one.truth, one.predicted, average=average),
        "f1": reference.f1_score(one.truth, one.predicted, average=average),
        "roc_auc": reference.roc_auc_score(one.truth, scores, multi_class="ovr"),
        "log_loss": reference.log_loss(one.truth, one.probabilities),
        "brier": reference.brier_score_loss(
            one.truth, scores, **({} if classes == 2 else {"labels": range(4)})
        ),
    }
    assert estimate(one) == pytest.approx(expected, abs=1e-12)


def test_regression_figures_equal_those_of_scikit_learn() -> None:
    random = np.random.default_rng(2)
    truth = 1e6 + random.normal(size=201)
    one = Measured(truth, truth + random.normal(size=201) / 2)
    assert estimate(one) == pytest.approx(
        {
            "r2": reference.r2_score(one.truth, one.predicted),
            "rmse": reference.root_mean_squared_error(one.truth, one.predicted),
            "mae": reference.mean_absolute_error(one.truth, one.predicted),
            "median_absolute_error": reference.median_absolute_error(one.truth, one.predicted),
        },
        rel=1e-9,
    )


def test_a_resample_counted_by_weights_is_the_resample_itself() -> None:
    one, other = answered(3, 3, 80), Measured(np.arange(80.0), np.arange(80.0) ** 1.1)
    drawn = np.random.default_rng(4).integers(0, 80, 80)
    weights = np.bincount(drawn, minlength=80).astype(float).reshape(1, -1)
    assert one.probabilities is not None
    repeated = Classified(one.truth[drawn], one.predicted[drawn], one.probabilities[drawn], 3, 2)
    for weighted, plain in (
        (one.figures(weights), estimate(repeated)),
        (other.figures(weights), estimate(Measured(other.truth[drawn], other.predicted[drawn]))),
    ):
        assert {name: value[0] for name, value in weighted.items()} == pytest.approx(plain)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 4)), min_size=1, max_size=30))
def test_the_weighted_median_is_the_median_of_the_repeated_values(pairs: list[tuple[float, int]]) -> None:
    pairs = [*pairs, (0.5, 1)]
    values, counts = np.array([value for value, _ in pairs]), np.array([count for _, count in pairs])
    found = weighted_median(values, counts.astype(float).reshape(1, -1))
    assert found[0] == pytest.approx(np.median(np.repeat(values, counts)))


def test_one_class_only_leaves_the_undefined_figures_out() -> None:
    one = Classified(np.zeros(9, int), np.zeros(9, int), np.tile([0.9, 0.1], (9, 1)), 2, 1)
    assert "roc_auc" not in estimate(one)
    assert confusion_matrix(one) == [[9, 0], [0, 0]]


def test_intervals_are_repeatable_and_hold_the_estimate() -> None:
    one = answered(5, 2, 114)
    found = intervals(one, seed=7)
    assert found == intervals(one, seed=7)
    assert found != intervals(one, seed=8)
    for name, value in estimate(one).items():
        low, high = found[name]
        assert low <= value <= high


def test_the_interval_of_an_accuracy_covers_the_truth_about_as_often_as_it_says() -> None:
    covered, rounds = 0, 120
    for seed in range(rounds):
        random = np.random.default_rng(seed)
        truth = random.integers(0, 2, 150)
        predicted = np.where(random.random(150) < 0.85, truth, 1 - truth)
        low, high = intervals(Classified(truth, predicted, None, 2, 1), seed)["accuracy"]
        covered += low <= 0.85 <= high
    assert covered / rounds > 0.88


def threshold(metric: str, **bounds: float) -> Threshold:
    return Threshold(metric=Metric(metric), **bounds)


def test_a_missed_threshold_fails_with_the_figures_in_words() -> None:
    findings = compare(
        [threshold("roc_auc", minimum=0.999)], {"roc_auc": 0.9912}, {"roc_auc": (0.981, 0.998)}
    )
    judgement = judge(findings, [], 114)
    assert (judgement.verdict, judgement.reason) == ("Fail", "ThresholdNotMet")
    assert judgement.message == "roc_auc 0.9912 [0.981, 0.998] on 114 rows, needs at least 0.999"


def test_all_thresholds_must_be_met_and_bounds_are_inclusive() -> None:
    figures = {"rmse": 2.0, "r2": 0.5}
    met = compare([threshold("rmse", maximum=2.0), threshold("r2", minimum=0.5)], figures, {})
    assert judge(met, [], 50).verdict == "Pass"
    missed = compare([threshold("rmse", maximum=1.9), threshold("r2", minimum=0.5)], figures, {})
    assert judge(missed, [], 50).message == "rmse 2.0000 on 50 rows, needs at most 1.9"


@pytest.mark.parametrize(
    ("rows", "per_class", "words"),
    [
        (20, None, "20 test rows, needs at least 30 (minimumRows)"),
        (40, [40, 0], "the test rows are all of one class"),
        (40, [37, 3], "1 of 2 classes have too few test rows: the smallest has 3"),
    ],
)
def test_too_little_evidence_is_inconclusive_whatever_the_figures(rows: int, per_class, words: str) -> None:
    found = doubts(rows, 30, per_class, 5)
    assert any(words in one for one in found)
    passing = [Finding(Metric.R2, 1.0, None, 0.0, None)]
    judgement = judge(passing, found, rows)
    assert (judgement.verdict, judgement.reason) == ("Inconclusive", "Inconclusive")


def test_a_metric_of_the_other_task_is_the_users_mistake() -> None:
    with pytest.raises(StepError, match="metric rmse of a threshold does not fit this model"):
        undefined([threshold("rmse", maximum=1)], {"accuracy": 1.0}, [Metric.ACCURACY])
    assert undefined([threshold("roc_auc", minimum=0)], {}, [Metric.ROC_AUC]) == [
        "roc_auc is not defined on these rows"
    ]
