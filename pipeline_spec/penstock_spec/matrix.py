"""matrix and forEach: one step done once for each of many cells.

The cells of a matrix are the product of its axes, the axes taken by the order of their names and the last of
them changing fastest, less every cell that an entry of `exclude` matches in all that it names, followed by
the entries of `include`. They are numbered from 1 in that order.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock_spec.plain import canonical

MOST_CELLS = 1000  # of a step, and of all steps and cells of a run together
MOST_AXES = 8
LABEL_LENGTH = 120

CellValues = Mapping[str, Any]  # axis -> value


def axes_of(matrix: Mapping[str, Any]) -> Mapping[str, Sequence[Any]]:
    """The axes in their order: by name, since maps of JSON have no order of their own."""
    return dict(sorted(matrix["axes"].items()))


def product_size(axes: Mapping[str, Sequence[Any]], cap: int) -> int:
    """How many cells the axes make; `cap` + 1 where they are more than that. Nothing is expanded."""
    size = 1
    for values in axes.values():
        size = min(size * len(values), cap + 1)
    return size


def expand(matrix: Mapping[str, Any]) -> Iterator[CellValues]:
    """The cells of a well-formed matrix in their order. Whoever asks has counted before."""
    axes, exclude = axes_of(matrix), matrix.get("exclude", ())
    for values in itertools.product(*axes.values()):
        cell = dict(zip(axes, values, strict=True))
        if not any(matches(one, cell) for one in exclude):
            yield cell
    for one in matrix.get("include", ()):
        yield {axis: one[axis] for axis in axes}


def matches(entry: Mapping[str, Any], cell: CellValues) -> bool:
    """Whether the cell has every value that the entry names; true is not 1."""
    return all(axis in cell and canonical(cell[axis]) == canonical(value) for axis, value in entry.items())


def label(cell: CellValues) -> str:
    """The cell in words: `model=b, month=2`."""
    said = ", ".join(
        f"{axis}={value if isinstance(value, str) else canonical(value)}" for axis, value in cell.items()
    )
    return said if len(said) <= LABEL_LENGTH else said[: LABEL_LENGTH - 1] + "…"
