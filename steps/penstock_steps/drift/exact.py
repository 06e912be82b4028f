"""Fisher's exact test, one-sided: whether a share has risen."""

from typing import Any

import numpy as np
from scipy.special import gammaln, logsumexp


def rise(before: int, n: int, after: int, m: int) -> float:
    """The chance of at least `after` of m rows, given that `before` of n had it and that nothing has changed.

    Source: R. A. Fisher, Statistical Methods for Research Workers (1934) section 21.02.
    """
    if not n or not m:
        return 1.0
    total = before + after
    k = np.arange(after, min(m, total) + 1, dtype=np.float64)
    terms = _choose(m, k) + _choose(n, total - k)
    return min(1.0, float(np.exp(logsumexp(terms) - _choose(n + m, np.float64(total)))))


def _choose(n: int, k: Any) -> Any:
    return gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
