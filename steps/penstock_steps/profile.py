"""A table's shape in figures, stored beside it and, for a model, beside the model: the reference of later
comparisons.

Bins of numbers are the deciles of these rows, ties merged, and so frozen with the table; missing values are
counted apart. Of texts only those that occur at least FEWEST times are named: rarer ones could point at a
person.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

PROFILE_VERSION = 1
FEWEST = 5
_TOP = 50
_DECILES = np.arange(1, 10) / 10


def profile(frame: pl.DataFrame) -> dict[str, Any]:
    """The profile of all columns, ready for JSON.

    Numbers: count, nulls, minimum, maximum, mean, sd (of a sample, n - 1) and bins: `edges` e1 < e2 < ...
    and `counts` of (-inf, e1], (e1, e2], ..., (ek, inf). Booleans: counts of true and false. Texts:
    distinct, top, other.
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
    named = counts.filter(pl.col("count") >= FEWEST).head(_TOP)
    top = [{"value": value, "count": count} for value, count in named.iter_rows()]
    return {"distinct": counts.height, "top": top, "other": len(present) - int(named["count"].sum())}


def _numbers(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    if len(values) == 0:
        return {"bins": {"edges": [], "counts": [0]}}
    edges = np.unique(np.quantile(values, _DECILES, method="inverted_cdf"))
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    figures = {"minimum": float(np.min(values)), "maximum": float(np.max(values)), **_moments(values)}
    return {**figures, "bins": {"edges": edges.tolist(), "counts": counts.tolist()}}


def _moments(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    """Mean and sd. Sums are exact (fsum), so the figures do not depend on how a library splits a sum."""
    # Scaled by a power of two, which changes no digit, so that squares of huge values do not overflow.
    scale = math.ldexp(1.0, min(1023, math.frexp(float(np.abs(values).max()))[1]))
    scaled = values / scale
    mean = math.fsum(scaled) / len(values)
    found = {"mean": mean * scale}
    if len(values) > 1:
        found["sd"] = math.sqrt(math.fsum((scaled - mean) ** 2) / (len(values) - 1)) * scale
    return {name: value for name, value in found.items() if math.isfinite(value)}
