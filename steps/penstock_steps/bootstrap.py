"""Intervals by the percentile bootstrap: how far a figure could lie off because these test rows are a sample.

Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), chapter 13. Rows are drawn one by
one; where several rows belong to one entity the true interval is wider.
"""

import numpy as np

from penstock_steps.metrics import Answers, Floats

RESAMPLES = 1000
LEVEL = 0.95
# Bounds the memory of a batch of resamples: 32 MiB of weights.
_CELLS = 1 << 22


def intervals(answers: Answers, seed: int) -> dict[str, tuple[float, float]]:
    """The 95 % interval of every figure. The same rows and seed always give the same.

    Resamples in which a figure is not defined (no row of some class) are left out of its interval.
    """
    generator = np.random.default_rng(seed)
    batch = max(1, min(RESAMPLES, _CELLS // max(1, answers.rows)))
    collected: dict[str, list[Floats]] = {}
    for start in range(0, RESAMPLES, batch):
        count = min(batch, RESAMPLES - start)
        weights = np.stack([_resample(generator, answers.rows) for _ in range(count)])
        for name, values in answers.figures(weights).items():
            collected.setdefault(name, []).append(values)
    tail = (1 - LEVEL) / 2
    result = {}
    for name, parts in collected.items():
        values = np.concatenate(parts)
        defined = values[np.isfinite(values)]
        if len(defined):
            low, high = np.quantile(defined, [tail, 1 - tail])
            result[name] = (float(low), float(high))
    return result


def _resample(generator: np.random.Generator, rows: int) -> Floats:
    """How often each row is drawn when as many rows are drawn with replacement as there are."""
    return np.bincount(generator.integers(0, rows, rows), minlength=rows).astype(np.float64)
