"""What a window holds of one column, in the form in which it is compared with the training rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from penstock_steps.drift.reference import FALSE, TRUE, CategoryReference, ColumnReference
from penstock_steps.profile import Floats, rounded


@dataclass(frozen=True)
class Numbers:
    """The present values in ascending order, `rounded`, infinities among them, and how many are missing."""

    values: Floats
    nulls: int

    @property
    def count(self) -> int:
        """How many values are there."""
        return len(self.values)


@dataclass(frozen=True)
class Categories:
    """How often each category occurs, and how many values are missing."""

    counts: Mapping[str, int]
    nulls: int

    @property
    def count(self) -> int:
        """How many values are there."""
        return sum(self.counts.values())


Observed = Numbers | Categories


def type_in_log(reference: ColumnReference) -> pl.DataType:
    """How the prediction log holds such a column."""
    if isinstance(reference, CategoryReference):
        return pl.Boolean() if reference.is_boolean else pl.String()
    return pl.Float64()


def observe(series: pl.Series, reference: ColumnReference) -> Observed:
    """`series` summed up as a column of the reference's kind. NaN, which is no number, counts as missing."""
    if isinstance(reference, CategoryReference):
        return _categories(series, reference)
    values = series.cast(pl.Float64, strict=False).drop_nulls().to_numpy()
    present = rounded(values[~np.isnan(values)])
    return Numbers(np.sort(present), len(series) - len(present))


def _categories(series: pl.Series, reference: CategoryReference) -> Categories:
    nulls = series.null_count()
    if reference.is_boolean:
        true = int(series.cast(pl.Boolean, strict=False).sum() or 0)
        return Categories({TRUE: true, FALSE: len(series) - nulls - true}, nulls)
    texts = series.cast(pl.String).rename("value").drop_nulls()
    counted = texts.value_counts(name="count").sort(["count", "value"], descending=[True, False])
    return Categories(dict(counted.iter_rows()), nulls)
