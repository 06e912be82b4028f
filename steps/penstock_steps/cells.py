"""Cells of one column read as a wanted type; what cannot be read becomes null."""

import polars as pl

from penstock_spec.kinds.ingest import ColumnType

TRUE = frozenset({"true", "1", "yes"})
FALSE = frozenset({"false", "0", "no"})
# Whole numbers up to here are exact in a 64-bit float: 3.0 is the Integer 3.
_EXACT = float(1 << 53)


def read(series: pl.Series, wanted: ColumnType) -> pl.Series:
    """The column as Float64, Int64, Boolean or String; null where a cell is missing or cannot be read so.

    Booleans are true, false, 1, 0, yes, no in any case; numbers must be finite; 3.0 is an Integer.
    """
    if wanted is ColumnType.STRING:
        return series.cast(pl.String)
    if wanted is ColumnType.BOOLEAN:
        return _boolean(series)
    if wanted is ColumnType.INTEGER:
        return _integer(series)
    return _number(series)


def _number(series: pl.Series) -> pl.Series:
    text = pl.col(series.name)
    number = (text.str.strip_chars() if series.dtype == pl.String else text).cast(pl.Float64, strict=False)
    return _evaluated(series, pl.when(number.is_finite()).then(number).otherwise(None))


def _integer(series: pl.Series) -> pl.Series:
    cell = pl.col(series.name)
    plain = cell.str.strip_chars() if series.dtype == pl.String else cell
    number = plain.cast(pl.Float64, strict=False)
    whole = number.is_finite() & (number == number.floor()) & (number.abs() <= _EXACT)
    from_float = pl.when(whole).then(number).otherwise(None).cast(pl.Int64)
    if series.dtype == pl.Float64:
        return _evaluated(series, from_float)
    # Texts are tried as integers first: above 2**53 the way over a float would change them.
    return _evaluated(series, pl.coalesce(plain.cast(pl.Int64, strict=False), from_float))


def _boolean(series: pl.Series) -> pl.Series:
    if series.dtype == pl.Boolean:
        return series
    cell = pl.col(series.name)
    if series.dtype == pl.String:
        text = cell.str.strip_chars().str.to_lowercase()
        true, false = text.is_in(TRUE), text.is_in(FALSE)
    else:
        true, false = cell == 1, cell == 0
    return _evaluated(series, pl.when(true | false).then(true).otherwise(None))


def _evaluated(series: pl.Series, expression: pl.Expr) -> pl.Series:
    return series.to_frame().select(expression.alias(series.name)).to_series()
