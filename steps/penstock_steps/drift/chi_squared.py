"""Pearson's chi-squared test on two rows of counts, with Cramer's V as the size of the difference."""

import math

import numpy as np
from scipy.special import chdtrc

from penstock_steps.drift.counts import pooled
from penstock_steps.drift.measured import NOTHING, Measured
from penstock_steps.drift.reference import Counts


def chi_squared(reference: Counts, window: Counts) -> Measured:
    """The p of Pearson's test on pooled cells, and V of a table in which both rows weigh the same.

    V of the table as counted would shrink towards 0 when a window has many more rows than training had, so
    that no difference could exceed a limit. With equal weights V^2 = 1/2 sum (p - q)^2 / (p + q): 0 where the
    shares agree, 1 where they have no cell in common. What small samples add, (K - 1)(1/n + 1/m) / 4, is
    subtracted, never below 0.
    Sources: K. Pearson, Philosophical Magazine 50 (1900) 157; H. Cramer, Mathematical Methods of Statistics
    (1946) section 21.9; for the subtraction W. Bergsma, Journal of the Korean Statistical Society 42 (2013)
    323.
    """
    counted, found = pooled(reference, window)
    n, m = int(counted.sum()), int(found.sum())
    if len(counted) < 2 or not n or not m:
        return NOTHING
    p, q = counted / n, found / m
    freedom = len(counted) - 1
    # Both expected counts in one term: n m / (n + m) (p - q)^2 / (pooled share).
    statistic = float(np.sum((p - q) ** 2 / ((counted + found) / (n + m)))) * n * m / (n + m)
    square = float(np.sum((p - q) ** 2 / (p + q))) / 2 - freedom * (1 / n + 1 / m) / 4
    return Measured(math.sqrt(max(0.0, square)), float(chdtrc(freedom, statistic)))
