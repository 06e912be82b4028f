"""Columns as counts in cells, the same cells for training rows and window."""

import numpy as np

from penstock_steps.drift.observed import Categories, Numbers, Observed
from penstock_steps.drift.reference import CategoryReference, ColumnReference, Counts, NumberReference

# Below this many expected rows the chi-squared distribution says too little about a cell.
# Source: W. G. Cochran, Some methods for strengthening the common chi-squared tests, Biometrics 10 (1954).
FEWEST_EXPECTED = 5


def cells(reference: ColumnReference, observed: Observed) -> tuple[Counts, Counts]:
    """Counts of the present values. Numbers: the bins frozen in the profile. Categories: the settled ones,
    then all others and those never seen in one cell.
    """
    if isinstance(reference, NumberReference):
        assert isinstance(observed, Numbers)  # noqa: S101 - `observe` made it for this reference
        edges = np.searchsorted(observed.values, reference.edges, side="right")
        return reference.bins, np.diff(edges, prepend=0, append=observed.count)
    assert isinstance(observed, Categories)  # noqa: S101 - the same
    return _categories(reference, observed)


def with_nulls(
    both: tuple[Counts, Counts], reference: ColumnReference, observed: Observed
) -> tuple[Counts, Counts]:
    """The same cells and one more for missing values."""
    return np.append(both[0], reference.nulls), np.append(both[1], observed.nulls)


def pooled(reference: Counts, window: Counts) -> tuple[Counts, Counts]:
    """The cells that a test can stand on: those in which fewer than FEWEST_EXPECTED rows are expected of
    either side, were both of one distribution, become one; if that is still too small, it joins the smallest.
    """
    total = reference + window
    share = min(reference.sum(), window.sum()) / max(1, total.sum())
    small = total * share < FEWEST_EXPECTED
    rest = (int(reference[small].sum()), int(window[small].sum()))
    kept_reference, kept_window = reference[~small], window[~small]
    if sum(rest) * share >= FEWEST_EXPECTED:
        return np.append(kept_reference, rest[0]), np.append(kept_window, rest[1])
    if len(kept_reference) and sum(rest):
        smallest = int(np.argmin(kept_reference + kept_window))
        kept_reference[smallest] += rest[0]
        kept_window[smallest] += rest[1]
    return kept_reference, kept_window


def _categories(reference: CategoryReference, observed: Categories) -> tuple[Counts, Counts]:
    settled = reference.settled
    expected = [reference.named[name] for name in settled]
    found = [observed.counts.get(name, 0) for name in settled]
    if not reference.is_boolean:
        expected.append(reference.count - sum(expected))
        found.append(observed.count - sum(found))
    return np.array(expected, dtype=np.int64), np.array(found, dtype=np.int64)
