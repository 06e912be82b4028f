"""The report's pictures as SVG text: the same answers always give the same bytes."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from penstock_steps.metrics import Answers, Classified, Measured, confusion_matrix
from penstock_steps.svg import BLUE, GREY, RED, plain, svg

_MOST_LABELS = 12
_MOST_POINTS = 2000
_BINS = 10


def draw(answers: Answers, labels: Sequence[str]) -> Iterator[str]:
    """Classification: ROC, confusion, calibration. Regression: predicted against true, residuals."""
    if isinstance(answers, Measured):
        yield svg("predicted", _predicted, answers)
        yield svg("residuals", _residuals, answers)
        return
    if answers.probabilities is not None:
        yield svg("roc", _roc, answers, labels)
    if len(labels) <= _MOST_LABELS:
        yield svg("confusion", _confusion, answers, labels)
    if answers.probabilities is not None:
        yield svg("calibration", _calibration, answers, labels)


def _scored(answers: Classified, labels: Sequence[str]) -> Iterator[tuple[str, Any, Any]]:
    """(label, whether each row has it, its probability): the positive one of two, else each."""
    assert answers.probabilities is not None  # noqa: S101 - both callers have checked
    wanted = [answers.positive] if answers.classes == 2 else range(min(answers.classes, _MOST_LABELS))
    for position in wanted:
        yield labels[position], answers.truth == position, answers.probabilities[:, position]


def _roc(axes: Any, answers: Classified, labels: Sequence[str]) -> None:
    for label, positive, scores in _scored(answers, labels):
        order = np.argsort(-scores, kind="stable")
        ends = np.flatnonzero(np.concatenate([scores[order][1:] != scores[order][:-1], [True]]))
        hits, misses = np.cumsum(positive[order])[ends], np.cumsum(~positive[order])[ends]
        if hits[-1] and misses[-1]:
            axes.plot(np.r_[0, misses / misses[-1]], np.r_[0, hits / hits[-1]], label=plain(label))
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle="--")
    axes.set(title="ROC curve", xlabel="false positive rate", ylabel="true positive rate")
    _legend(axes)


def _calibration(axes: Any, answers: Classified, labels: Sequence[str]) -> None:
    for label, positive, scores in _scored(answers, labels):
        place = np.minimum((scores * _BINS).astype(int), _BINS - 1)
        used = [one for one in range(_BINS) if (place == one).any()]
        claimed = [float(scores[place == one].mean()) for one in used]
        seen = [float(positive[place == one].mean()) for one in used]
        axes.plot(claimed, seen, marker="o", markersize=4, label=plain(label))
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle="--")
    axes.set(title="Calibration", xlabel="predicted probability", ylabel="observed share")
    _legend(axes)


def _confusion(axes: Any, answers: Classified, labels: Sequence[str]) -> None:
    counts = np.array(confusion_matrix(answers))
    axes.imshow(counts, cmap="Blues")
    for (row, column), count in np.ndenumerate(counts):
        dark = count > counts.max() / 2
        axes.text(column, row, f"{count}", ha="center", va="center", color="white" if dark else "black")
    names = [plain(label) for label in labels]
    axes.set_xticks(range(len(names)), names, rotation=45 if len(names) > 3 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set(title="Confusion matrix", xlabel="predicted", ylabel="actual")


def _predicted(axes: Any, answers: Measured) -> None:
    truth, predicted = _sample(answers.truth, answers.predicted)
    axes.scatter(truth, predicted, s=12, color=BLUE, alpha=0.6, linewidths=0)
    ends = [float(min(truth.min(), predicted.min())), float(max(truth.max(), predicted.max()))]
    axes.plot(ends, ends, color=GREY, linewidth=0.8, linestyle="--")
    axes.set(title="Predicted against true", xlabel="true", ylabel="predicted")


def _residuals(axes: Any, answers: Measured) -> None:
    predicted, residual = _sample(answers.predicted, answers.truth - answers.predicted)
    axes.scatter(predicted, residual, s=12, color=BLUE, alpha=0.6, linewidths=0)
    axes.axhline(0, color=RED, linewidth=0.8)
    axes.set(title="Residuals", xlabel="predicted", ylabel="true - predicted")


def _sample(first: Any, second: Any) -> tuple[Any, Any]:
    """At most _MOST_POINTS points, evenly taken, so that a page stays small."""
    chosen = np.linspace(0, len(first) - 1, min(len(first), _MOST_POINTS)).astype(int)
    return first[chosen], second[chosen]


def _legend(axes: Any) -> None:
    handles, _ = axes.get_legend_handles_labels()
    if len(handles) > 1:
        axes.legend(frameon=False, fontsize=8)
