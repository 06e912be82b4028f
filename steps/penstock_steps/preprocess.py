"""Fitted operations on columns: from the pipeline's `preprocess` list to scikit-learn's ColumnTransformer.

Each column gets the operations that apply to it, in the order of the list; columns with equal operations are
treated together. Null is NaN in a number and NULL_TOKEN in a text, here and in the model server.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from penstock_artifacts.signature import NULL_TOKEN
from penstock_spec.kinds.ingest import ColumnType
from penstock_spec.kinds.train import Encode, EncodeMethod, FillNulls, FillStrategy, Preprocess, Scale
from penstock_steps.errors import user_error
from penstock_steps.problems import did_you_mean, shown
from penstock_steps.tables import NUMERIC, Table, TableColumn

_FIT = {FillStrategy.MEAN: "mean", FillStrategy.MEDIAN: "median", FillStrategy.MOST_FREQUENT: "most_frequent"}
_WORDS = {"true": 1.0, "false": 0.0}
_NUMBERS_ONLY = frozenset({FillStrategy.MEAN, FillStrategy.MEDIAN})


@dataclass(frozen=True)
class Operation:
    """One operation on one column: fill, scale or encode, with its setting."""

    kind: str
    setting: Hashable = None


def matrix(table: Table, columns: Sequence[TableColumn]) -> NDArray[Any]:
    """The cells [rows, columns] as scikit-learn takes them: floats, or objects where a column is text."""
    if all(column.type is not ColumnType.STRING for column in columns):
        return np.stack([_floats(table, column) for column in columns], axis=1)
    cells = np.empty((table.frame.height, len(columns)), dtype=object)
    for index, column in enumerate(columns):
        if column.type is ColumnType.STRING:
            cells[:, index] = table.frame[column.name].fill_null(NULL_TOKEN).to_list()
        else:
            cells[:, index] = _floats(table, column)
    return cells


def _floats(table: Table, column: TableColumn) -> NDArray[np.float64]:
    series = table.frame[column.name].cast(float)
    return series.fill_null(float("nan")).to_numpy()


def transformer(
    table: Table, columns: Sequence[TableColumn], operations: Sequence[Preprocess]
) -> ColumnTransformer:
    """The unfitted transformer for `matrix(table, columns)`. UserError where operations do not fit the
    columns.
    """
    chains = _planned(columns, operations) if operations else _default(columns)
    problems = [words for column in columns for words in _problems(table, column, chains[column.name])]
    if problems:
        more = f"; and {len(problems) - 5} more columns" if len(problems) > 5 else ""
        raise user_error("; ".join(problems[:5]) + more)
    groups: dict[tuple[bool, tuple[Operation, ...]], list[int]] = {}
    for index, column in enumerate(columns):
        key = (column.type is ColumnType.STRING, tuple(chains[column.name]))
        groups.setdefault(key, []).append(index)
    parts = [
        (f"columns{number}", _pipeline(chain, text), indices)
        for number, ((text, chain), indices) in enumerate(groups.items())
    ]
    return ColumnTransformer(parts, remainder="drop")


def _default(columns: Sequence[TableColumn]) -> dict[str, list[Operation]]:
    """Numbers filled by Median, booleans and texts by MostFrequent; texts encoded OneHot."""
    median, frequent = Operation("fill", "median"), Operation("fill", "most_frequent")
    one_hot = Operation("encode", EncodeMethod.ONE_HOT)
    by_type = {ColumnType.BOOLEAN: [frequent], ColumnType.STRING: [frequent, one_hot]}
    return {column.name: by_type.get(column.type, [median]) for column in columns}


def _planned(columns: Sequence[TableColumn], operations: Sequence[Preprocess]) -> dict[str, list[Operation]]:
    chains: dict[str, list[Operation]] = {column.name: [] for column in columns}
    for number, one in enumerate(operations):
        where = f"preprocess[{number}]"
        if one.fill_nulls is not None:
            _plan_fill(chains, columns, one.fill_nulls, where)
        elif one.scale is not None:
            _plan_scale(chains, columns, one.scale, where)
        elif one.encode is not None:
            _plan_encode(chains, columns, one.encode, where)
    return chains


def _plan_fill(
    chains: dict[str, list[Operation]], columns: Sequence[TableColumn], fill: FillNulls, where: str
) -> None:
    numbers_only = fill.strategy in _NUMBERS_ONLY
    fitting = [one for one in columns if not numbers_only or one.type in NUMERIC]
    for column in _chosen(columns, fill.columns, fitting, f"{where}.fillNulls {fill.strategy}"):
        if any(one.kind == "encode" for one in chains[column.name]):
            raise user_error(f"{where}: fillNulls of {shown(column.name)} must stand before its encode")
        chains[column.name].append(Operation("fill", _fill_setting(fill, column, where)))


def _fill_setting(fill: FillNulls, column: TableColumn, where: str) -> Hashable:
    if fill.strategy is not FillStrategy.CONSTANT:
        return _FIT[fill.strategy]
    value = fill.value or ""
    if column.type is ColumnType.STRING:
        return ("constant", value)
    number = _constant(value)
    if number is None:
        raise user_error(
            f"{where}: the constant for {shown(column.name)} is no number, the column is a {column.type}"
        )
    return ("constant", number)


def _constant(text: str) -> float | None:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _plan_scale(
    chains: dict[str, list[Operation]], columns: Sequence[TableColumn], scale: Scale, where: str
) -> None:
    fitting = [one for one in columns if one.type in NUMERIC]
    for column in _chosen(columns, scale.columns, fitting, f"{where}.scale"):
        chains[column.name].append(Operation("scale"))


def _plan_encode(
    chains: dict[str, list[Operation]], columns: Sequence[TableColumn], encode: Encode, where: str
) -> None:
    fitting = [one for one in columns if one.type is ColumnType.STRING]
    for column in _chosen(columns, encode.columns, fitting, f"{where}.encode"):
        if any(one.kind == "encode" for one in chains[column.name]):
            raise user_error(f"{where}: column {shown(column.name)} is encoded already")
        chains[column.name].append(Operation("encode", encode.method))


def _chosen(
    columns: Sequence[TableColumn], names: Sequence[str], fitting: Sequence[TableColumn], where: str
) -> Sequence[TableColumn]:
    """The columns that an operation is for: those named, or all that it fits."""
    if not names:
        return fitting
    by_name = {column.name: column for column in columns}
    for name in names:
        if name not in by_name:
            raise user_error(
                f"{where}: {shown(name)} is not a feature column{did_you_mean(name, list(by_name))}"
            )
        if by_name[name] not in fitting:
            raise user_error(f"{where}: it does not fit {shown(name)}, which is a {by_name[name].type}")
    return [by_name[name] for name in names]


def _problems(table: Table, column: TableColumn, chain: Sequence[Operation]) -> list[str]:
    """Why the estimator could not take what the operations leave of this column."""
    kinds = [one.kind for one in chain]
    name = shown(column.name)
    nulls = table.frame[column.name].null_count()
    if nulls == table.frame.height:
        return [f"column {name} has no value in any training row: give it the role Ignore at ingest"]
    if column.type is ColumnType.STRING and "encode" not in kinds:
        hint = "add {encode: {method: OneHot}} to preprocess, or give it the role Ignore at ingest"
        return [f"column {name} is a String, and estimators take numbers: {hint}"]
    if nulls and column.type is not ColumnType.STRING and "fill" not in kinds:
        fitting = "MostFrequent" if column.type is ColumnType.BOOLEAN else "Median"
        hint = f"add {{fillNulls: {{strategy: {fitting}}}}} to preprocess"
        return [f"column {name} misses {nulls:,} values in the training rows: {hint}"]
    return []


def _pipeline(chain: Sequence[Operation], text: bool) -> Any:  # noqa: FBT001 - private, one caller
    if not chain:
        return "passthrough"
    return Pipeline([(f"{one.kind}{index}", _step(one, text)) for index, one in enumerate(chain)])


def _step(operation: Operation, text: bool) -> Any:  # noqa: FBT001 - private, one caller
    if operation.kind == "scale":
        return StandardScaler()
    if operation.kind == "encode":
        if operation.setting is EncodeMethod.ONE_HOT:
            return OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    missing = NULL_TOKEN if text else np.nan
    if isinstance(operation.setting, tuple):
        return SimpleImputer(missing_values=missing, strategy="constant", fill_value=operation.setting[1])
    return SimpleImputer(missing_values=missing, strategy=operation.setting)
