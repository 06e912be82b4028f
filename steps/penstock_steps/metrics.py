"""Figures of merit, computed for many weightings of the same rows at once. Definitions and sources:
docs/metrics.md.

`weights` is [samples, rows]: ones for the figure itself, counts of a bootstrap resample for its interval.
One formula serves both, so that estimate and interval can never mean different things. Every function gives
[samples]; NaN where a figure is not defined for that sample (one class only, no spread).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Figures = Mapping[str, Floats]
_DIGITS = 6
_TINY = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Classified:
    """Answers to a classification: positions among the labels, and probabilities [rows, labels] where there
    are any.
    """

    truth: Ints
    predicted: Ints
    probabilities: Floats | None
    classes: int
    positive: int  # position of the positive label; used with two classes

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.truth)

    def figures(self, weights: Floats) -> Figures:
        """All metrics of a classification by name."""
        figures = _confusion_figures(self, weights)
        if self.probabilities is None:
            return figures
        return {**figures, **_probability_figures(self, self.probabilities, weights)}


@dataclass(frozen=True)
class Measured:
    """Answers to a regression, in the units of the target."""

    truth: Floats
    predicted: Floats

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.truth)

    def figures(self, weights: Floats) -> Figures:
        """All metrics of a regression by name."""
        total = weights.sum(axis=1)
        error = self.truth - self.predicted
        squared = weights @ error**2
        mean = (weights @ self.truth) / total
        # Around the overall mean first: the plain sum of squares loses digits when the mean is large.
        centred = self.truth - self.truth.mean()
        spread = weights @ centred**2 - total * (mean - self.truth.mean()) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            r2 = np.where(spread > 0, 1 - squared / spread, np.nan)
        return {
            "r2": r2,
            "rmse": np.sqrt(squared / total),
            "mae": (weights @ np.abs(error)) / total,
            "median_absolute_error": weighted_median(np.abs(error), weights),
        }


Answers = Classified | Measured


def estimate(answers: Answers) -> dict[str, float]:
    """Every figure on the rows themselves; those that are not defined are left out."""
    figures = answers.figures(np.ones((1, answers.rows)))
    return {name: float(value[0]) for name, value in figures.items() if np.isfinite(value[0])}


def shortened(value: float) -> float:
    """A figure with six significant digits, so that all of them fit into a termination message."""
    return float(f"{value:.{_DIGITS}g}")


def _confusion_figures(answers: Classified, weights: Floats) -> Figures:
    classes = answers.classes
    cell = answers.truth * classes + answers.predicted
    counts = np.stack([weights @ (cell == one) for one in range(classes**2)], axis=1)
    confusion = counts.reshape(-1, classes, classes)  # [samples, truth, predicted]
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    actual, claimed = confusion.sum(axis=2), confusion.sum(axis=1)
    recall = _ratio(hits, actual, np.nan)
    # A class that is never predicted has precision 0; one that does not occur takes no part in any mean.
    precision = np.where(actual > 0, _ratio(hits, claimed, 0.0), np.nan)
    f1 = np.where(actual > 0, _ratio(2 * hits, actual + claimed, 0.0), np.nan)
    return {
        "accuracy": hits.sum(axis=1) / weights.sum(axis=1),
        "balanced_accuracy": _mean(recall),
        "precision": precision[:, answers.positive] if classes == 2 else _mean(precision),
        "recall": recall[:, answers.positive] if classes == 2 else _mean(recall),
        "f1": f1[:, answers.positive] if classes == 2 else _mean(f1),
    }


def _probability_figures(answers: Classified, probabilities: Floats, weights: Floats) -> Figures:
    total = weights.sum(axis=1)
    truth = np.eye(answers.classes)[answers.truth]
    of_truth = probabilities[np.arange(answers.rows), answers.truth]
    loss = -np.log(np.clip(of_truth, _TINY, 1.0))
    if answers.classes == 2:
        squared = (truth[:, answers.positive] - probabilities[:, answers.positive]) ** 2
        auc = roc_auc(answers.truth == answers.positive, probabilities[:, answers.positive], weights)
    else:
        squared = ((truth - probabilities) ** 2).sum(axis=1)
        each = [
            roc_auc(answers.truth == one, probabilities[:, one], weights) for one in range(answers.classes)
        ]
        auc = np.mean(each, axis=0)
    return {"roc_auc": auc, "log_loss": (weights @ loss) / total, "brier": (weights @ squared) / total}


def roc_auc(positive: NDArray[np.bool_], scores: Floats, weights: Floats) -> Floats:
    """Share of pairs of a positive and a negative row that the scores put in order; a tie counts one half."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    positives = np.add.reduceat(weights[:, order] * positive[order], starts, axis=1)
    negatives = np.add.reduceat(weights[:, order] * ~positive[order], starts, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    won = (positives * (below + negatives / 2)).sum(axis=1)
    return _ratio(won, pairs, np.nan)


def weighted_median(values: Floats, weights: Floats) -> Floats:
    """The median of the values, each repeated as often as its whole weight says; the mean of the middle two
    if even.
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)
    half = reached[:, -1:] / 2
    lower = np.argmax(reached >= half, axis=1)
    upper = np.argmax(reached > half, axis=1)
    ordered = values[order]
    middle: Floats = (ordered[lower] + ordered[upper]) / 2
    return middle


def confusion_matrix(answers: Classified) -> list[list[int]]:
    """Counts [truth][predicted] in the order of the labels."""
    counts = np.zeros((answers.classes, answers.classes), dtype=np.int64)
    np.add.at(counts, (answers.truth, answers.predicted), 1)
    return [[int(count) for count in row] for row in counts]


def positions(values: Sequence[object], labels: Sequence[object]) -> Ints:
    """Where each value stands among the labels. KeyError for a value that is no label."""
    index = {label: position for position, label in enumerate(labels)}
    return np.array([index[value] for value in values], dtype=np.int64)


def _ratio(numerator: Floats, denominator: Floats, otherwise: float) -> Floats:
    result: Floats = np.full(np.broadcast(numerator, denominator).shape, otherwise)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def _mean(values: Floats) -> Floats:
    """Mean over the classes that occur; NaN where none does."""
    present = ~np.isnan(values)
    return _ratio(np.where(present, values, 0.0).sum(axis=1), present.sum(axis=1).astype(np.float64), np.nan)
