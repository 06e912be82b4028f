"""The report's pictures as SVG text: the same answers always give the same bytes."""

import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from penstock_steps.metrics import Answers, Classified, Measured, confusion_matrix

_BLUE, _GREY, _RED = "#1f5fa8", "#8a97a6", "#b42318"
_SIZE = (4.2, 3.6)
_MOST_LABELS = 12
_MOST_POINTS = 2000
_BINS = 10


def draw(answers: Answers, labels: Sequence[str]) -> Iterator[str]:
    """Classification: ROC, confusion, calibration. Regression: predicted against true, residuals."""
    if isinstance(answers, Measured):
        yield _svg("predicted", _predicted, answers)
        yield _svg("residuals", _residuals, answers)
        return
    if answers.probabilities is not None:
        yield _svg("roc", _roc, answers, labels)
    if len(labels) <= _MOST_LABELS:
        yield _svg("confusion", _confusion, answers, labels)
    if answers.probabilities is not None:
        yield _svg("calibration", _calibration, answers, labels)


def _svg(name: str, plot: Any, *arguments: Any) -> str:
    # Fixed salt and no date: ids and text stay the same. Text as paths: no font is needed to look at it.
    with mpl.rc_context({"svg.hashsalt": f"penstock-{name}", "svg.fonttype": "path", "font.size": 10}):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        plot(axes, *arguments)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    # The XML head is not wanted inside a page; ids must differ between the pictures of one page.
    body = buffer.getvalue()
    body = body[body.index("<svg") :]
    return re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", body)


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
            axes.plot(np.r_[0, misses / misses[-1]], np.r_[0, hits / hits[-1]], label=_plain(label))
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8, linestyle="--")
    axes.set(title="ROC curve", xlabel="false positive rate", ylabel="true positive rate")
    _legend(axes)


def _calibration(axes: Any, answers: Classified, labels: Sequence[str]) -> None:
    for label, positive, scores in _scored(answers, labels):
        place = np.minimum((scores * _BINS).astype(int), _BINS - 1)
        used = [one for one in range(_BINS) if (place == one).any()]
        claimed = [float(scores[place == one].mean()) for one in used]
        seen = [float(positive[place == one].mean()) for one in used]
        axes.plot(claimed, seen, marker="o", markersize=4, label=_plain(label))
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8, linestyle="--")
    axes.set(title="Calibration", xlabel="predicted probability", ylabel="observed share")
    _legend(axes)


def _confusion(axes: Any, answers: Classified, labels: Sequence[str]) -> None:
    counts = np.array(confusion_matrix(answers))
    axes.imshow(counts, cmap="Blues")
    for (row, column), count in np.ndenumerate(counts):
        dark = count > counts.max() / 2
        axes.text(column, row, f"{count}", ha="center", va="center", color="white" if dark else "black")
    names = [_plain(label) for label in labels]
    axes.set_xticks(range(len(names)), names, rotation=45 if len(names) > 3 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set(title="Confusion matrix", xlabel="predicted", ylabel="actual")


def _predicted(axes: Any, answers: Measured) -> None:
    truth, predicted = _sample(answers.truth, answers.predicted)
    axes.scatter(truth, predicted, s=12, color=_BLUE, alpha=0.6, linewidths=0)
    ends = [float(min(truth.min(), predicted.min())), float(max(truth.max(), predicted.max()))]
    axes.plot(ends, ends, color=_GREY, linewidth=0.8, linestyle="--")
    axes.set(title="Predicted against true", xlabel="true", ylabel="predicted")


def _residuals(axes: Any, answers: Measured) -> None:
    predicted, residual = _sample(answers.predicted, answers.truth - answers.predicted)
    axes.scatter(predicted, residual, s=12, color=_BLUE, alpha=0.6, linewidths=0)
    axes.axhline(0, color=_RED, linewidth=0.8)
    axes.set(title="Residuals", xlabel="predicted", ylabel="true - predicted")


def _sample(first: Any, second: Any) -> tuple[Any, Any]:
    """At most _MOST_POINTS points, evenly taken, so that a page stays small."""
    chosen = np.linspace(0, len(first) - 1, min(len(first), _MOST_POINTS)).astype(int)
    return first[chosen], second[chosen]


def _legend(axes: Any) -> None:
    handles, _ = axes.get_legend_handles_labels()
    if len(handles) > 1:
        axes.legend(frameon=False, fontsize=8)


def _plain(label: str) -> str:
    """A label that matplotlib shows as it is: short, and never read as a formula."""
    return (label if len(label) <= 20 else label[:19] + "…").replace("$", r"\$").removeprefix("_") or " "
