"""A table's shape in figures, stored beside it and, for a model, beside the model: the reference of later
comparisons.

Bins of numbers are the deciles of these rows, ties merged, and so frozen with the table; missing values are
counted apart. Of texts only those that occur at least FEWEST times are named: rarer ones could point at a
person. For the same reason a step of the distribution of numbers spans at least FEWEST rows.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

PROFILE_VERSION = 2  # 1 had no steps, and bins of unrounded numbers
FEWEST = 5
# Numbers are compared at this precision, that of a 32-bit float: clients may send such, and 0.1 must stay the
# value that was 0.1 in training.
MANTISSA_BITS = 24
# More categories than these are not told apart: a profile stays small.
MOST_NAMED = 1000
_DECILES = np.arange(1, 10) / 10
_STEPS = 100

Floats = np.ndarray[Any, np.dtype[np.float64]]


def profile(frame: pl.DataFrame) -> dict[str, Any]:
    """The profile of all columns, ready for JSON.

    Numbers: count, nulls, minimum, maximum, mean, sd (of a sample, n - 1) and bins: `edges` e1 < e2 < ...
    and `counts` of (-inf, e1], (e1, e2], ..., (ek, inf); and steps: up to 100 quantiles `values`
    v1 < v2 < ... with how many rows lie `below` each (< v) and `through` it (<= v). Edges and steps are
    `rounded`. Booleans: counts of true and false. Texts: distinct, top, other.
    """
    columns = [{"name": name, **_column(frame[name])} for name in frame.columns]
    return {"version": PROFILE_VERSION, "rows": frame.height, "columns": columns}


def restrict(whole: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The profile of only these columns, in this order."""
    by_name = {one["name"]: one for one in whole["columns"]}
    return {**whole, "columns": [by_name[name] for name in names]}


def _column(series: pl.Series) -> dict[str, Any]:
    present = series.drop_nulls()
    common = {"count": len(present), "nulls": series.null_count()}
    if series.dtype == pl.Boolean:
        true = int(present.sum() or 0)
        return {**common, "kind": "Boolean", "true": true, "false": len(present) - true}
    if series.dtype == pl.String:
        return {**common, "kind": "Text", **_texts(present)}
    return {**common, "kind": "Number", **_numbers(present.cast(pl.Float64).to_numpy())}


def _texts(present: pl.Series) -> dict[str, Any]:
    counts = (
        present.rename("value").value_counts(name="count").sort(["count", "value"], descending=[True, False])
    )
    named = counts.filter(pl.col("count") >= FEWEST).head(MOST_NAMED)
    top = [{"value": value, "count": count} for value, count in named.iter_rows()]
    return {"distinct": counts.height, "top": top, "other": len(present) - int(named["count"].sum())}


def rounded(values: Floats) -> Floats:
    """`values` to MANTISSA_BITS significant bits: what a 32-bit float keeps, without its limits of size."""
    with np.errstate(over="ignore", invalid="ignore"):
        fractions, exponents = np.frexp(values)
        kept = np.ldexp(np.round(np.ldexp(fractions, MANTISSA_BITS)), exponents - MANTISSA_BITS)
    # The largest floats round to infinity, which they are not; + 0.0 makes the negative zero a plain one.
    limit = np.finfo(np.float64).max
    return np.where(np.isfinite(values), np.clip(kept, -limit, limit), values) + 0.0


def _numbers(values: Floats) -> dict[str, Any]:
    if len(values) == 0:
        return {
            "bins": {"edges": [], "counts": [0]},
            "steps": {"values": [], "below": [], "through": []},
        }
    ordered = np.sort(rounded(values))
    edges = _quantiles(ordered, _DECILES)
    counts = np.diff(np.searchsorted(ordered, edges, side="right"), prepend=0, append=len(ordered))
    number = min(_STEPS, max(1, len(ordered) // FEWEST))
    steps = _quantiles(ordered, np.arange(1, number + 1) / number)
    return {
        "minimum": float(np.min(values)),
        "maximum": float(np.max(values)),
        **_moments(values),
        "bins": {"edges": edges.tolist(), "counts": counts.tolist()},
        "steps": {
            "values": steps.tolist(),
            "below": np.searchsorted(ordered, steps, side="left").tolist(),
            "through": np.searchsorted(ordered, steps, side="right").tolist(),
        },
    }


def _quantiles(ordered: Floats, shares: Floats) -> Floats:
    """The different quantiles of ascending `ordered`, each of them one of its values."""
    # Of float error only the side matters: 0.3 * 10 must be place 3, not 4.
    places = np.ceil(shares * len(ordered) - 1e-9).astype(int) - 1
    return np.unique(ordered[np.clip(places, 0, len(ordered) - 1)])


def _moments(values: Floats) -> dict[str, float]:
    """Mean and sd. Sums are exact (fsum), so the figures do not depend on how a library splits a sum."""
    # Scaled by a power of two, which changes no digit, so that squares of huge values do not overflow.
    scale = math.ldexp(1.0, min(1023, math.frexp(float(np.abs(values).max()))[1]))
    scaled = values / scale
    mean = math.fsum(scaled) / len(values)
    found = {"mean": mean * scale}
    if len(values) > 1:
        found["sd"] = math.sqrt(math.fsum((scaled - mean) ** 2) / (len(values) - 1)) * scale
    return {name: value for name, value in found.items() if math.isfinite(value)}
