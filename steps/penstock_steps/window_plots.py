"""Pictures of a window's report: each method's values against its limit, and columns then and now."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from penstock_spec.monitoring import DriftMethod
from penstock_steps.drift.judge import Finding
from penstock_steps.drift.observed import Categories, Numbers
from penstock_steps.drift.reference import CategoryReference, NumberReference
from penstock_steps.profile import Floats
from penstock_steps.svg import BLUE, RED, plain, svg
from penstock_steps.verdict import number

MOST_BARS = 15
MOST_COLUMNS = 12
_CATEGORIES = 8
_BINS = 24
_WIDE = 50.0  # from this ratio of the ends on, values of one sign are shown on a logarithmic axis
_TRAINING = "#c3ccd6"
# Room for what the axes need, and for each bar, in inches.
_EDGE, _BAR = 0.9, 0.25
_REST = "all others"
_LONGEST = 5.0  # limits


def statistics(findings: Sequence[Finding]) -> Iterator[str]:
    """One picture per method: the largest values, the limit as a line, drifted columns in red."""
    for method in DriftMethod:
        rows = [
            (test.value, one.name, one.drifted and test.drifted, test.maximum)
            for one in findings
            for test in one.tests
            if test.method is method and one.unit is None
        ]
        if rows:
            rows = sorted(rows, key=lambda row: (-row[0], row[1]))[:MOST_BARS]
            yield svg(f"bars-{method}", _bars, method, rows, size=(5.6, _EDGE + _BAR * len(rows)))


def distributions(findings: Sequence[Finding]) -> Iterator[str]:
    """Training rows and window, column by column, in the given order."""
    for place, one in enumerate(findings[:MOST_COLUMNS]):
        if isinstance(one.reference, CategoryReference):
            yield svg(f"column-{place}", _categories, one)
        elif _finite(one) is not None:
            yield svg(f"column-{place}", _numbers, one)


def cumulative(reference: NumberReference, points: Floats) -> Floats:
    """The reference's distribution function at `points`: exact at its steps, straight between them."""
    place = np.searchsorted(reference.values, points, side="right")
    values = np.concatenate([[-np.inf], reference.values, [np.inf]])
    low = np.concatenate([[0], reference.through])[place]
    high = np.concatenate([reference.below, [reference.count]])[place]
    left, right = values[place], values[place + 1]
    inside = np.isfinite(left) & np.isfinite(right)
    share = np.zeros(len(points))
    np.divide(points - left, right - left, out=share, where=inside)
    # Before the first step nothing is known but the count: it is drawn at the step.
    return np.asarray((low + share * (high - low) * inside) / reference.count)


def _bars(axes: Any, method: DriftMethod, rows: Sequence[tuple[float, str, bool, float]]) -> None:
    places = np.arange(len(rows))[::-1]
    colours = [RED if drifted else BLUE for _, _, drifted, _ in rows]
    maximum = rows[0][3]
    # One huge value would hide all others: bars are cut, the figures beside them tell the whole.
    lengths = [min(value, _LONGEST * maximum) for value, *_ in rows]
    axes.barh(places, lengths, color=colours, height=0.7)
    room = max(*lengths, maximum)
    for place, length, (value, *_) in zip(places, lengths, rows, strict=True):
        axes.text(length + room * 0.01, place, number(value, 2), va="center", fontsize=8)
    axes.axvline(maximum, color="#1c2733", linewidth=1, linestyle="--")
    axes.set_yticks(places, [plain(name, 26) for _, name, *_ in rows])
    axes.set_xlim(0, room * 1.1)
    axes.set(title=f"{method}, limit {maximum:g}")


def _numbers(axes: Any, finding: Finding) -> None:
    reference, ordered, edges = _drawn(finding)
    before = np.diff(cumulative(reference, edges)) if reference.count else np.zeros(_BINS)
    found = np.searchsorted(ordered, edges, side="left")
    after = np.diff(found) / max(1, len(ordered))
    axes.stairs(before, edges, fill=True, color=_TRAINING)
    axes.stairs(after, edges, color=BLUE, linewidth=1.6)
    if edges[0] > 0 and edges[-1] / edges[0] > _WIDE:
        axes.set_xscale("log")
    axes.set(title=plain(finding.name, 34), ylabel="share of values")
    _say_missing(axes, finding)


def _drawn(finding: Finding) -> tuple[NumberReference, Floats, Floats]:
    assert isinstance(finding.reference, NumberReference)  # noqa: S101 - chosen by the caller
    assert isinstance(finding.observed, Numbers)  # noqa: S101 - the same
    ends = _finite(finding)
    assert ends is not None  # noqa: S101 - the same
    low, high = ends
    if low > 0 and high / low > _WIDE:
        edges = np.geomspace(low, high, _BINS + 1)
    else:
        edges = np.linspace(low, high, _BINS + 1)
    return finding.reference, finding.observed.values, edges


def _finite(finding: Finding) -> tuple[float, float] | None:
    """The ends of the picture: 99 % of either side lie between them. None where there is nothing to draw."""
    assert isinstance(finding.reference, NumberReference)  # noqa: S101 - chosen by the caller
    assert isinstance(finding.observed, Numbers)  # noqa: S101 - the same
    ordered = finding.observed.values[np.isfinite(finding.observed.values)]
    reference = finding.reference
    last = np.searchsorted(reference.through, 0.99 * reference.count)
    ends = [*reference.values[:1], *reference.values[last : last + 1]]
    if len(ordered):
        ends += np.quantile(ordered, [0.005, 0.995], method="inverted_cdf").tolist()
    if not ends:
        return None
    low, high = float(min(ends)), float(max(ends))
    with np.errstate(over="ignore"):
        # A little room, so that the outermost values lie inside.
        room = (high / 2 - low / 2) * 0.04 or max(abs(low), 1.0) * 0.05
        positive = low > 0 and high / low > _WIDE
        ends = [low / 1.05 if positive else low - room, high * 1.05 if positive else high + room]
    return (ends[0], ends[1]) if np.isfinite(ends[1] - ends[0]) else None


def _categories(axes: Any, finding: Finding) -> None:
    assert isinstance(finding.reference, CategoryReference)  # noqa: S101 - chosen by the caller
    assert isinstance(finding.observed, Categories)  # noqa: S101 - the same
    reference, observed = finding.reference, finding.observed
    n, m = max(1, reference.count), max(1, observed.count)
    shares = {name: (count / n, observed.counts.get(name, 0) / m) for name, count in reference.named.items()}
    shown = sorted(shares, key=lambda name: (-max(shares[name]), name))[:_CATEGORIES]
    rows = [(plain(name, 18), *shares[name]) for name in shown]
    rest = [1.0 - sum(shares[name][side] for name in shown) for side in (0, 1)]
    if max(rest) > 1e-9 and not reference.is_boolean:
        rows.append((_REST, max(0.0, rest[0] if reference.count else 0), max(0.0, rest[1])))
    places = np.arange(len(rows))[::-1]
    axes.barh(places + 0.2, [row[1] for row in rows], height=0.38, color=_TRAINING)
    axes.barh(places - 0.2, [row[2] for row in rows], height=0.38, color=BLUE)
    axes.set_yticks(places, [row[0] for row in rows])
    axes.set(title=plain(finding.name, 34))
    _say_missing(axes, finding, "share of values")


def _say_missing(axes: Any, finding: Finding, words: str = "") -> None:
    missing = finding.nulls
    if missing.reference or missing.window:
        note = f"missing: {missing.reference:.1%}, now {missing.window:.1%}"
        words = f"{words} ({note})" if words else note
    axes.set_xlabel(words)
