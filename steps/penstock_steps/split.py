"""split: cut a table into parts that share no row, the same way every time.

Rows that are equal, or of one entity, have one key (keys.py) and stay together. Without `stratifyBy` a key
lies in [0, 1) and its part is where it falls among the fractions: a row keeps its part whatever rows come or
go, and parts have about their shares. With `stratifyBy` the keys of each stratum are put in order and cut so
that the parts of the stratum have exactly their shares, up to rounding (largest remainder) and to rows that
stay together; when the table grows, rows next to a cut may change their part.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from itertools import accumulate, combinations
from pathlib import Path

import polars as pl

from penstock_artifacts.store import Store
from penstock_spec.contract import Result, Task
from penstock_spec.kinds.ingest import ColumnType
from penstock_spec.kinds.split import Split
from penstock_steps.errors import invalid_result, user_error
from penstock_steps.keys import fraction, row_keys
from penstock_steps.problems import did_you_mean, shown
from penstock_steps.tables import Table, read_table, write_table
from penstock_steps.workspace import Workspace

_INPUT = "table"


def run(task: Task, workspace: Workspace, store: Store) -> Result:  # noqa: ARG001 - each kind is called alike
    """Read the input `table` and write a table per fraction."""
    split = Split.model_validate(task.arguments)
    table = read_table(workspace.input(_INPUT))
    keys = _keys(table, split)
    parts = assign(keys, _strata(table, split), _ordered(split.fractions))
    frame = table.frame
    for name in split.fractions:
        rows = [index for index, part in enumerate(parts) if part == name]
        if not rows:
            raise user_error(
                f"part {name} would get no row of {frame.height:,}: give it a larger fraction, or "
                "bring more rows"
            )
        write_table(Table(frame[rows], table.columns), workspace.output(name))
    return measure({name: workspace.output(name) for name in split.fractions}, split)


def measure(folders: Mapping[str, Path], split: Split) -> Result:
    """Sizes of the stored parts, and the proof that no two share a row or an entity: they are read again for
    it.

    InvalidResult when a part is empty or two overlap.
    """
    found = {}
    for name, folder in folders.items():
        part = read_table(folder)
        if part.frame.height == 0:
            raise invalid_result(f"/penstock/out/{name} holds a table without rows")
        found[name] = _keys(part, split)
    overlap = sum(
        sum(key in other for key in found[second])
        for first, second in combinations(found, 2)
        if (other := set(found[first]))
    )
    if overlap:
        what = f"entities of {shown(split.entity)}" if split.entity else "rows"
        raise invalid_result(
            f"{overlap:,} rows of one part repeat {what} of another: a test on them would be too kind"
        )
    sizes = ", ".join(f"{name} {len(keys):,}" for name, keys in found.items())
    metrics = {f"{name}_rows": float(len(keys)) for name, keys in found.items()}
    return Result(metrics={**metrics, "overlap_rows": 0.0}, message=f"rows: {sizes}; 0 rows are in two parts")


def assign(
    keys: Sequence[bytes], strata: Sequence[Hashable] | None, fractions: Mapping[str, float]
) -> list[str]:
    """The part of each row. `strata` has the stratum of each row, or is None for no strata."""
    names, bounds = list(fractions), list(accumulate(fractions.values()))
    if strata is None:
        parts = {key: _at(fraction(key) * bounds[-1], bounds) for key in set(keys)}
        return [names[parts[key]] for key in keys]
    clusters: dict[Hashable, Counter[bytes]] = defaultdict(Counter)
    home = _homes(keys, strata)
    for key in keys:
        clusters[home[key]][key] += 1
    part_of: dict[bytes, int] = {}
    for stratum in clusters.values():
        part_of |= _cut(stratum, list(fractions.values()))
    return [names[part_of[key]] for key in keys]


def _ordered(fractions: Mapping[str, float]) -> dict[str, float]:
    """By name: the cut must not depend on the order in which somebody wrote the parts."""
    return dict(sorted(fractions.items()))


def _homes(keys: Sequence[bytes], strata: Sequence[Hashable]) -> dict[bytes, Hashable]:
    """The stratum of each key: the one value that its rows have, or the set of them where they differ."""
    seen: dict[bytes, set[Hashable]] = defaultdict(set)
    for key, stratum in zip(keys, strata, strict=True):
        seen[key].add(stratum)
    return {key: frozenset(values) for key, values in seen.items()}


def _cut(cluster_sizes: Mapping[bytes, int], shares: Sequence[float]) -> dict[bytes, int]:
    """Cut the clusters in the order of their keys so that the parts' rows come nearest to their quotas."""
    rows = sum(cluster_sizes.values())
    bounds = list(accumulate(quotas(rows, shares)))
    parts, before = {}, 0
    for key in sorted(cluster_sizes):
        parts[key] = _at(before, bounds)
        before += cluster_sizes[key]
    return parts


def quotas(rows: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers that add up to `rows`, nearest to the shares (largest remainder; ties to the earlier
    part).
    """
    exact = [rows * share / sum(shares) for share in shares]
    whole = [int(one) for one in exact]
    order = sorted(range(len(shares)), key=lambda index: (whole[index] - exact[index], index))
    for index in order[: rows - sum(whole)]:
        whole[index] += 1
    return whole


def _at(position: float, bounds: Sequence[float]) -> int:
    return next((index for index, bound in enumerate(bounds) if position < bound), len(bounds) - 1)


def _keys(table: Table, split: Split) -> list[bytes]:
    salt = split.salt or ""
    if split.entity is None:
        return row_keys(table.frame, salt)
    entities = table.frame[_known(table, split.entity, "entity")]
    if entities.null_count():
        raise user_error(
            f"entity {shown(split.entity)}: {entities.null_count():,} rows have none; every row "
            "needs its entity"
        )
    return row_keys(entities.to_frame(), salt)


def _strata(table: Table, split: Split) -> Sequence[Hashable] | None:
    if split.stratify_by is None:
        return None
    name = _known(table, split.stratify_by, "stratifyBy")
    if next(column for column in table.columns if column.name == name).type is ColumnType.NUMBER:
        raise user_error(
            f"stratifyBy {shown(name)} is a Number: only Boolean, Integer and String columns have strata"
        )
    return table.frame[name].cast(pl.String).to_list()


def _known(table: Table, name: str, field: str) -> str:
    if name not in table.frame.columns:
        raise user_error(f"{field} {shown(name)} is not a column{did_you_mean(name, table.frame.columns)}")
    return name
