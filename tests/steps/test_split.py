"""Split: the same row always in the same part, exact strata, no row in two parts."""

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock_spec.contract import Failure
from penstock_spec.kinds.ingest import ColumnType
from penstock_spec.kinds.split import Split
from penstock_steps.errors import StepError
from penstock_steps.keys import row_keys
from penstock_steps.split import assign, measure, quotas
from penstock_steps.tables import Table, TableColumn, read_table, write_table
from tests.steps.local_chain import Chain, chain_of

PARTS = {"train": 0.6, "validation": 0.2, "test": 0.2}


def splitting(folder: Path, csv: str, **split: Any) -> Chain:
    source = {"object": {"connection": "lake", "key": "t.csv"}}
    steps = [
        {"name": "data", "ingest": {"source": source}},
        {"name": "cut", "split": {"table": "data.table", "fractions": PARTS, **split}},
    ]
    chain = chain_of({"steps": steps}, folder, {"t.csv": csv})
    chain.run("data")
    return chain


def rows(count: int) -> str:
    return "id,c,y\n" + "".join(f"{index},{index % 7},{index % 5 == 0}\n" for index in range(count))


def parts(chain: Chain) -> dict[str, pl.DataFrame]:
    return {name: read_table(chain.artifact("cut", name)).frame for name in PARTS}


def test_stratified_parts_have_exactly_their_shares(tmp_path: Path) -> None:
    chain = splitting(tmp_path, rows(500), stratifyBy="y")
    result = chain.run("cut")
    assert {name: int(frame["y"].sum()) for name, frame in parts(chain).items()} == {
        "train": 60,
        "validation": 20,
        "test": 20,
    }
    assert result.metrics == {
        "train_rows": 300,
        "validation_rows": 100,
        "test_rows": 100,
        "overlap_rows": 0,
    }
    assert "0 rows are in two parts" in result.message


def test_every_row_lands_in_exactly_one_part_and_in_the_same_one_each_time(tmp_path: Path) -> None:
    chain = splitting(tmp_path, rows(200), salt="a")
    first = chain.run("cut").outputs
    assert chain.run("cut").outputs == first
    ids = pl.concat(parts(chain).values())["id"].sort().to_list()
    assert ids == list(range(200))
    assert splitting(tmp_path / "other", rows(200), salt="b").run("cut").outputs != first


def test_without_strata_new_rows_move_no_old_row(tmp_path: Path) -> None:
    small, large = splitting(tmp_path / "s", rows(300)), splitting(tmp_path / "l", rows(400))
    small.run("cut")
    large.run("cut")
    later = parts(large)
    for name, frame in parts(small).items():
        assert set(frame["id"]) <= set(later[name]["id"])


def test_equal_rows_stay_together(tmp_path: Path) -> None:
    chain = splitting(tmp_path, "a,y\n" + "".join(f"{index % 40},{index % 2}\n" for index in range(400)))
    chain.run("cut")
    homes = Counter(value for frame in parts(chain).values() for value in set(frame["a"]))
    assert set(homes.values()) == {1}


@pytest.mark.parametrize("strata", [{}, {"stratifyBy": "y"}])
def test_rows_of_one_entity_stay_together(tmp_path: Path, strata: dict[str, str]) -> None:
    csv = "who,y\n" + "".join(f"p{index % 60},{index % 3 == 0}\n" for index in range(600))
    chain = splitting(tmp_path, csv, entity="who", **strata)
    chain.run("cut")
    homes = Counter(value for frame in parts(chain).values() for value in set(frame["who"]))
    assert set(homes.values()) == {1}


@pytest.mark.parametrize(
    ("csv", "split", "words"),
    [
        ("a,y\n1,0\n2,1\n", {}, "would get no row of 2"),
        (rows(50), {"entity": "idd"}, "entity 'idd' is not a column (did you mean 'id'?)"),
        (rows(50), {"stratifyBy": "z"}, "stratifyBy 'z' is not a column"),
        ("a,y\n1.5,0\n2.5,1\n", {"stratifyBy": "a"}, "is a Number"),
        ("who,y\nx,1\n,2\n", {"entity": "who"}, "1 rows have none"),
    ],
)
def test_what_cannot_be_cut_is_said(tmp_path: Path, csv: str, split: dict[str, str], words: str) -> None:
    outcome = splitting(tmp_path, csv, **split).attempt("cut")
    assert isinstance(outcome, Failure)
    assert words in outcome.message


def test_parts_that_share_a_row_are_refused_by_what_was_stored(tmp_path: Path) -> None:
    folders = {}
    for name, values in {"train": [1, 2, 3], "validation": [4], "test": [3, 3]}.items():
        folders[name] = tmp_path / name
        folders[name].mkdir()
        write_table(Table(pl.DataFrame({"a": values}), [TableColumn("a", ColumnType.INTEGER)]), folders[name])
    split = Split.model_validate({"table": "d.table", "fractions": PARTS})
    with pytest.raises(StepError, match="2 rows of one part repeat rows of another"):
        measure(folders, split)


def test_keys_do_not_depend_on_releases() -> None:
    frame = pl.DataFrame({"n": [1.5, None], "i": [7, -1], "b": [True, None], "s": ["x", ""]})
    assert [key.hex()[:16] for key in row_keys(frame, "7")] == ["2c936d62f7816554", "7f88aa1fdd787166"]


@given(st.integers(0, 500), st.lists(st.integers(1, 99), min_size=2, max_size=6))
def test_quotas_add_up_and_are_nearest(count: int, weights: list[int]) -> None:
    shares = [weight / sum(weights) for weight in weights]
    found = quotas(count, shares)
    assert sum(found) == count
    assert all(abs(one - count * share) < 1 for one, share in zip(found, shares, strict=True))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), min_size=1, max_size=120))
def test_a_key_never_lies_in_two_parts(pairs: list[tuple[int, int]]) -> None:
    frame = pl.DataFrame({"a": [first for first, _ in pairs]})
    keys = row_keys(frame, "")
    found = assign(keys, [second for _, second in pairs], PARTS)
    homes: dict[bytes, set[str]] = {}
    for key, part in zip(keys, found, strict=True):
        homes.setdefault(key, set()).add(part)
    assert all(len(home) == 1 for home in homes.values())
