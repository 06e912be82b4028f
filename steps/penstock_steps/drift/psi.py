"""Population stability index, less what small samples add to it."""

import numpy as np
from scipy.special import chdtrc

from penstock_steps.drift.counts import pooled
from penstock_steps.drift.measured import NOTHING, Measured
from penstock_steps.drift.reference import Counts
from penstock_steps.profile import Floats

# Added to every cell, so that an empty one has a finite logarithm.
SMOOTHING = 0.5


def psi(reference: Counts, window: Counts) -> Measured:
    """Sum of (q - p) ln(q / p) over the cells, p and q their smoothed shares among training rows and window.

    Of two samples of one distribution the sum is about (1/n + 1/m) times a chi-squared variable with B - 1
    degrees of freedom. Its mean is subtracted (never below 0), its tail is p.
    Source: B. Yurdakul, J. Naranjo, Statistical properties of the population stability index, Journal of Risk
    Model Validation 14 (2020) 4; the symmetric sum is H. Jeffreys' divergence (1946).
    """
    counted, found = pooled(reference, window)
    if len(counted) < 2 or not counted.sum() or not found.sum():
        return NOTHING
    spread = 1 / int(counted.sum()) + 1 / int(found.sum())
    freedom = len(counted) - 1
    p, q = _shares(counted), _shares(found)
    whole = float(np.sum((q - p) * np.log(q / p)))
    return Measured(max(0.0, whole - freedom * spread), float(chdtrc(freedom, whole / spread)))


def _shares(counts: Counts) -> Floats:
    return np.asarray((counts + SMOOTHING) / (counts.sum() + SMOOTHING * len(counts)))
