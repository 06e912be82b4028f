"""Files as they come from outside, read into a frame before any rule is applied to them."""

import csv
from pathlib import Path

import polars as pl

from penstock_spec.kinds.ingest import Csv
from penstock_steps.errors import user_error
from penstock_steps.problems import shown

_HEADER_BYTES = 1 << 20
_NAME_LENGTH = 128
# What people upload in place of a table, by its first bytes.
_OTHERS = {
    b"\x1f\x8b": "compressed with gzip",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"PAR1": "a Parquet file",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}


def read_csv(path: Path, details: Csv) -> pl.DataFrame:
    """Every cell as text, a missing one as null. UserError where this is not a table of named columns."""
    names = _header(path, details)
    if path.stat().st_size == 0:
        raise user_error("the file is empty: it needs at least a line with the names of the columns")
    try:
        frame = pl.read_csv(
            path,
            separator=details.delimiter,
            has_header=False,
            schema={name: pl.String() for name in names},
            empty_string_is_null=False,
            encoding="utf8",
            quote_char='"',
        ).slice(1)
    except pl.exceptions.ComputeError:
        # The library's words quote the line that it could not read.
        raise user_error(f"the file is not a CSV table: {_fault(path, details, len(names))}") from None
    missing = list(details.null_values)
    return frame.with_columns(pl.when(pl.all().is_in(missing)).then(None).otherwise(pl.all()).name.keep())


def read_parquet(path: Path) -> pl.DataFrame:
    """A Parquet file with its numbers, booleans and texts widened to the four types. UserError for other
    types.
    """
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError):
        raise user_error(f"{path.name} is not a Parquet file that can be read") from None
    check_names(frame.columns)
    return frame.with_columns(_widen(frame[name]) for name in frame.columns)


def check_names(names: list[str]) -> None:
    """UserError for columns without a usable name, or with the same one."""
    for position, name in enumerate(names, 1):
        if not name or len(name) > _NAME_LENGTH or not name.isprintable():
            raise user_error(
                f"column {position} has no usable name: 1 to {_NAME_LENGTH} printable characters"
            )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise user_error(
            f"the file has more than one column named {', '.join(map(shown, repeated[:3]))}"
            + (", ..." if len(repeated) > 3 else "")
        )


def _header(path: Path, details: Csv) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.read(_HEADER_BYTES)
        names = next(csv.reader(head.splitlines(keepends=True), delimiter=details.delimiter), [])
    except UnicodeDecodeError:
        raise user_error(_not_text(path)) from None
    if not names:
        raise user_error("the file is empty: it needs at least a line with the names of the columns")
    check_names(names)
    return names


def _not_text(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4)
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            return f"the file is {what}, not a CSV table: bring it as plain CSV"
    return "the file is not UTF-8 text: convert it, e.g. iconv -f latin1 -t utf-8"


def _fault(path: Path, details: Csv, fields: int) -> str:
    """What is wrong with the lines below the names: the first that is too long, else what else it can be."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=details.delimiter)
        try:
            line = next((reader.line_num for row in reader if len(row) > fields), None)
        except csv.Error:
            line = None
    if line is None:
        return "a quote is not closed, or it is not UTF-8; check source and csv.delimiter"
    return (
        f"line {line:,} has more fields than the {fields} of the first line; check csv.delimiter, and quote "
        "texts that hold it"
    )


def _widen(series: pl.Series) -> pl.Series:
    if series.dtype.is_integer():
        return series.cast(pl.Int64)
    if series.dtype.is_float() or series.dtype.is_decimal():
        return series.cast(pl.Float64)
    if series.dtype in (pl.String, pl.Categorical) or isinstance(series.dtype, pl.Enum):
        return series.cast(pl.String)
    if series.dtype == pl.Boolean:
        return series
    raise user_error(
        f"column {shown(series.name)} is of type {series.dtype}; tables hold numbers, integers, "
        "booleans and texts"
    )
