"""Missing cells where a tensor cannot hold null: the parameter `nulls` names their rows.

On an input: `"parameters": {"nulls": [1, 3]}`. On the request: `"parameters": {"nulls": {"city": [1, 3]}}`.
A transport whose parameters are plain values (gRPC, tritonclient) sends the same as a text of JSON.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from penstock_artifacts.columns import did_you_mean, quoted
from penstock_server.refusals import RequestError

_NAME = "nulls"


def of_request(parameters: Any, names: tuple[str, ...]) -> Mapping[str, Any]:
    """The request's null rows by column, rows unchecked. RequestError for an unknown column."""
    value = _parameter(parameters, "the request's parameters")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RequestError('the request\'s parameter "nulls" must be an object: column to list of rows')
    for name in value:
        if name not in names:
            raise RequestError(f'parameter "nulls": unknown column {quoted(name)}{did_you_mean(name, names)}')
    return value


def of_input(parameters: Any, where: str) -> Any:
    """An input's own null rows, unchecked; None when it names none."""
    return _parameter(parameters, where)


def _parameter(parameters: Any, where: str) -> Any:
    if parameters is None:
        return None
    if not isinstance(parameters, dict):
        raise RequestError(f'{where}: "parameters" must be an object')
    value = parameters.get(_NAME)
    if isinstance(value, str):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise RequestError(f'{where}: the text of "nulls" is not JSON') from error
    return value


def put_in(cells: list[Any] | NDArray[Any], rows: Any, where: str) -> list[Any] | NDArray[Any]:
    """`cells` with those rows missing; whatever stood there is ignored. RequestError."""
    if not isinstance(rows, list) or any(type(row) is not int for row in rows):
        raise RequestError(f'{where}: "nulls" must be a list of row numbers')
    if rows and not (min(rows) >= 0 and max(rows) < len(cells)):
        raise RequestError(f'{where}: "nulls" names a row outside of 0 to {len(cells) - 1}')
    if isinstance(cells, list):
        result = cells.copy()
        for row in rows:
            result[row] = None
        return result
    numbers = cells.astype(np.float64)
    numbers[rows] = np.nan
    return numbers
