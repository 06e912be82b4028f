"""What is wrong with a window's data, apart from drift: missing values, and texts that training never saw."""

from dataclasses import dataclass

from penstock_steps.drift.exact import rise
from penstock_steps.drift.observed import Categories, Observed
from penstock_steps.drift.reference import CategoryReference, ColumnReference
from penstock_steps.profile import FEWEST


@dataclass(frozen=True)
class Nulls:
    """Shares of missing values among training rows and window, and whether they rose too far."""

    reference: float
    window: float
    burst: bool


@dataclass(frozen=True)
class Unseen:
    """Texts that the profile does not name. `ratio` is their share in the window, less the `expected` share
    of rare texts that training has seen but a profile does not name; `exact` where there are none of those.
    `often` are the values that at least FEWEST rows of the window hold, the most frequent first.
    """

    ratio: float
    expected: float
    exact: bool
    found: bool
    often: tuple[tuple[str, int], ...]
    seldom: int  # rows of all other such values


def nulls(reference: ColumnReference, observed: Observed, maximum: float, significance: float) -> Nulls:
    """A burst is a rise above `maximum` (a share) that chance would bring less often than `significance`,
    which is already corrected for many columns (Fisher's exact test).
    """
    n, m = reference.count + reference.nulls, observed.count + observed.nulls
    before, after = reference.nulls / n if n else 0.0, observed.nulls / m if m else 0.0
    burst = after - before > maximum and rise(reference.nulls, n, observed.nulls, m) < significance
    return Nulls(before, after, burst)


def unseen(
    reference: CategoryReference, observed: Categories, maximum: float, significance: float
) -> Unseen | None:
    """None where nothing can be said: truth values, no values on either side, more categories than a profile
    names.

    Where the profile names every category that training had, each other value is one that training never saw,
    and the share alone decides. Otherwise the share must also rise significantly above what is expected. Rare
    values come in groups of up to FEWEST rows, so the training rows count as a fifth in that test.
    """
    if reference.is_boolean or reference.is_cut or not reference.count or not observed.count:
        return None
    new = {value: count for value, count in observed.counts.items() if value not in reference.named}
    rows = sum(new.values())
    exact = not reference.other
    usual = 0 if exact else reference.expected_unnamed
    expected = usual / reference.count
    ratio = max(0.0, rows / observed.count - expected)
    found = ratio > maximum and (
        exact or rise(-(-usual // FEWEST), -(-reference.count // FEWEST), rows, observed.count) < significance
    )
    often = tuple((value, count) for value, count in new.items() if count >= FEWEST)
    return Unseen(ratio, expected, exact, found, often, rows - sum(count for _, count in often))
