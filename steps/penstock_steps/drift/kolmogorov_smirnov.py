"""Two-sample Kolmogorov-Smirnov test against quantiles that were frozen at training."""

import math

import numpy as np

from penstock_steps.drift.measured import NOTHING, Measured
from penstock_steps.drift.reference import NumberReference
from penstock_steps.profile import Floats

# For equal sizes below this the factor 2 of the bound is a little too small.
_EQUAL = 458
_TINY = 3
_SQUARE_BY_CHANCE = math.pi**2 / 12


def kolmogorov_smirnov(reference: NumberReference, ordered: Floats) -> Measured:
    """D, the largest distance between the distribution functions, less what small samples add to it.

    D is looked for at the frozen quantiles, each from the left and from the right. There both functions are
    exact, so D is at most that of all rows, and its p at least theirs. Ties make p larger still. Of two
    samples of one distribution the mean of D^2 is pi^2 / 12 (1/n + 1/m), the second moment of Kolmogorov's
    distribution; the value is the root of D^2 less that, never below 0.
    Source of the moment: G. Marsaglia, W. W. Tsang, J. Wang, Journal of Statistical Software 8 (2003) 18.
    """
    if not reference.count or not len(ordered):
        return NOTHING
    n, m = reference.count, len(ordered)
    found = distance(reference, ordered)
    value = math.sqrt(max(0.0, found**2 - _SQUARE_BY_CHANCE * (1 / n + 1 / m)))
    return Measured(value, p_value(found, n, m))


def distance(reference: NumberReference, ordered: Floats) -> float:
    """D of the ascending values `ordered`."""
    n, m = reference.count, len(ordered)
    left = np.searchsorted(ordered, reference.values, side="left") / m - reference.below / n
    right = np.searchsorted(ordered, reference.values, side="right") / m - reference.through / n
    return float(max(np.abs(left).max(), np.abs(right).max()))


def p_value(distance: float, n: int, m: int) -> float:
    """An upper bound of the chance that D of samples of n and m rows of one distribution is so large.

    C exp(-2 D^2 nm / (n + m)) with C = 2, or e for the pairs of sizes where 2 is known to be too small.
    Source: F. Wei, R. M. Dudley, Two-sample Dvoretzky-Kiefer-Wolfowitz inequalities, Statistics and
    Probability Letters 82 (2012) 636.
    """
    small = max(n, m) <= _TINY or (n == m and n < _EQUAL)
    return min(1.0, (math.e if small else 2.0) * math.exp(-2 * distance**2 * n * m / (n + m)))
