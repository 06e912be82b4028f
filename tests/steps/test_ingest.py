"""Ingest: every problem at once with counts, no values in messages, the same bytes for the same input."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from penstock_spec.contract import Failure, Known, Result
from penstock_spec.names import FailureClass
from penstock_steps.tables import read_table
from tests.steps.local_chain import Chain, chain_of

CSV = "a,b,c,y\n1,x,true,0\n2,z,no,1\n3.5,,YES,0\n,x,0,1\n"


def ingesting(folder: Path, text: str | bytes, **ingest: Any) -> Chain:
    body = {"source": {"object": {"connection": "lake", "key": "t.csv"}}, **ingest}
    chain = chain_of({"steps": [{"name": "data", "ingest": body}]}, folder, {})
    (chain.lake / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return chain


def columns(*given: dict[str, Any], **schema: Any) -> dict[str, Any]:
    return {"schema": {"columns": list(given), **schema}}


def refused(chain: Chain) -> str:
    outcome = chain.attempt("data")
    assert isinstance(outcome, Failure)
    assert outcome.failure_class is FailureClass.USER_ERROR
    return outcome.message


def test_types_are_inferred_from_all_rows(tmp_path: Path) -> None:
    chain = ingesting(tmp_path, CSV + "4,y,1,2\n")
    assert chain.run("data").message == "5 rows, 4 columns"
    table = read_table(chain.artifact("data", "table"))
    assert [str(one.type) for one in table.columns] == ["Number", "String", "String", "Integer"]
    assert table.frame["b"].to_list() == ["x", "z", None, "x", "y"]


def test_declared_types_roles_and_booleans_of_every_spelling_are_read(tmp_path: Path) -> None:
    schema = columns({"name": "c", "type": "Boolean"}, {"name": "y", "type": "Boolean", "role": "Target"})
    chain = ingesting(tmp_path, CSV, **schema)
    chain.run("data")
    table = read_table(chain.artifact("data", "table"))
    assert table.frame["c"].to_list() == [True, False, True, False]
    assert table.target is not None
    assert table.target.name == "y"


def test_all_problems_are_reported_at_once_with_counts_and_the_worst_first(tmp_path: Path) -> None:
    schema = columns(
        {"name": "aa", "type": "Number"},
        {"name": "a", "type": "Integer", "minimum": 2, "nulls": "Refuse"},
        {"name": "b", "type": "String", "values": ["x"], "unique": True},
        {"name": "c", "type": "Number"},
        otherColumns="Refuse",
    )
    checks = [
        {"rows": {"minimum": 10}},
        {"nulls": {"maximumRatio": 0.1}},
        {"duplicates": {"maximumRatio": 0}},
    ]
    message = refused(ingesting(tmp_path, CSV + "2,z,no,1\n", checks=checks, **schema))
    assert message.startswith(
        "5 rows read: 11 problems: column 'aa' is missing; column 'y' is not in the schema"
    )
    for words in (
        "5 rows, needs at least 10",
        "column 'a': 1 of 5 values are missing (20.0%), needs at most 10.0%",
        "1 of 5 rows repeat an earlier row (20.0%), needs at most 0.0%",
        "column 'a': 1 value is not an Integer of 64 bits (row 3)",
        "column 'a': 1 value is missing",
        "column 'a': 1 value is below the minimum 2",
        "column 'b': 2 values are not one of the allowed texts",
        "column 'b': 2 values are the same as an earlier one (the first in row 4)",
        "column 'c': 4 values are not a finite Number (the first in row 1)",
    ):
        assert words in message


def test_another_delimiter_is_guessed_where_a_file_has_one_column(tmp_path: Path) -> None:
    message = refused(ingesting(tmp_path, "a;b\n1;2\n", **columns({"name": "a", "type": "Number"})))
    assert "the file has only one column and ';' in its name: is that csv.delimiter?" in message


def test_a_name_in_other_letters_is_the_nearest(tmp_path: Path) -> None:
    message = refused(ingesting(tmp_path, "A,c\n1,2\n", **columns({"name": "a", "type": "Number"})))
    assert "column 'a' is missing (did you mean 'A'?)" in message


def test_a_missing_column_names_the_nearest_of_the_file(tmp_path: Path) -> None:
    schema = columns({"name": "mean_radius", "type": "Number"})
    assert "column 'mean_radius' is missing (did you mean 'mean_radus'?)" in refused(
        ingesting(tmp_path, "mean_radus,y\n1,2\n", **schema)
    )


def test_a_message_fits_a_status_however_many_problems_there_are(tmp_path: Path) -> None:
    names = [f"column_with_a_rather_long_name_{index}" for index in range(300)]
    schema = columns(*({"name": name, "type": "Number"} for name in names))
    message = refused(ingesting(tmp_path, "a\n1\n", **schema))
    assert len(message) < 1024
    assert message.startswith("1 rows read: 300 problems")
    assert message.endswith("more (see the log)")


def test_no_value_of_a_row_reaches_message_or_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    canary = "CANARY-4711"
    schema = columns(
        {"name": "a", "type": "Number"},
        {"name": "b", "type": "String", "values": ["x"], "unique": True},
        {"name": "c", "type": "Boolean"},
    )
    text = f"a,b,c\n{canary},{canary},{canary}\n1,{canary},1\n"
    message = refused(ingesting(tmp_path / "1", text, **schema))
    torn = refused(ingesting(tmp_path / "2", f"a,b\n1,2,{canary}\n"))
    quoted = refused(ingesting(tmp_path / "3", f'a,b\n1,"{canary}\n'))
    broken = refused(ingesting(tmp_path / "4", f"a,b\n1,{canary}".encode() + b"\xff\n"))
    output = capfd.readouterr()
    assert canary not in message + torn + quoted + broken + output.out + output.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "the file is empty"),
        ("a,a\n1,2\n", "more than one column named 'a'"),
        ("a,\n1,2\n", "column 2 has no usable name"),
        ("a,b\n1,2\n1,2,3\n", "line 3 has more fields than the 2 of the first line"),
        ('a,b\n"1,2\n', "a quote is not closed"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "compressed with gzip"),
        ("a,b\n1,2\n".encode("utf-16"), "text in UTF-16"),
        ("é,b\n1,2\n".encode("latin1"), "not UTF-8"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, text: str | bytes, words: str) -> None:
    assert words in refused(ingesting(tmp_path, text))


def test_numbers_are_finite_and_integers_exact(tmp_path: Path) -> None:
    schema = columns({"name": "i", "type": "Integer"}, {"name": "n", "type": "Number"})
    text = "i,n\n9223372036854775807,1e3\n3.0, 2.5 \n-7,-0\n"
    chain = ingesting(tmp_path / "1", text, **schema)
    chain.run("data")
    frame = read_table(chain.artifact("data", "table")).frame
    assert frame["i"].to_list() == [9223372036854775807, 3, -7]
    assert frame["n"].to_list() == [1000.0, 2.5, 0.0]
    message = refused(ingesting(tmp_path / "2", "i,n\n3.5,inf\nx,nan\n", **schema))
    assert "column 'i': 2 values are not an Integer" in message
    assert "column 'n': 2 values are not a finite Number" in message


def test_other_columns_can_be_dropped(tmp_path: Path) -> None:
    chain = ingesting(tmp_path, CSV, **columns({"name": "a", "type": "Number"}, otherColumns="Drop"))
    chain.run("data")
    assert read_table(chain.artifact("data", "table")).frame.columns == ["a"]


def test_a_column_without_any_value_is_kept_but_is_no_feature(tmp_path: Path) -> None:
    chain = ingesting(tmp_path, "a,b\n1,\n2,\n")
    chain.run("data")
    assert [str(one.role) for one in read_table(chain.artifact("data", "table")).columns] == [
        "Feature",
        "Ignore",
    ]


def test_delimiter_and_null_texts_are_the_users(tmp_path: Path) -> None:
    chain = ingesting(tmp_path, "a;b\n-;x\n1;\n", csv={"delimiter": ";", "nullValues": ["-"]})
    chain.run("data")
    frame = read_table(chain.artifact("data", "table")).frame
    assert frame["a"].to_list() == [None, 1]
    assert frame["b"].to_list() == ["x", ""]


def test_the_same_input_always_gives_the_same_digest(tmp_path: Path) -> None:
    digests = set()
    for number in range(2):
        chain = ingesting(tmp_path / str(number), CSV * 1)
        digests.add(chain.run("data").outputs["table"])
        digests.add(chain.run("data").outputs["table"])  # twice over the same volume
    assert len(digests) == 1


def test_an_unchanged_source_is_not_read_again(tmp_path: Path) -> None:
    chain = ingesting(tmp_path, CSV)
    first = chain.run("data")
    known = Known("example-g0", first.source_revision, first.outputs)
    again = chain.attempt("data", known=known)
    assert isinstance(again, Result)
    assert again.unchanged
    assert again.outputs == first.outputs
    assert "has not changed since example-g0" in again.message


def test_a_changed_source_or_a_lost_table_is_read_again(tmp_path: Path) -> None:
    chain = ingesting(tmp_path, CSV)
    first = chain.run("data")
    known = Known("example-g0", first.source_revision, first.outputs)
    (chain.lake / "t.csv").write_text(CSV + "9,x,1,1\n")
    changed = chain.attempt("data", known=known)
    assert isinstance(changed, Result)
    assert not changed.unchanged
    assert changed.source_revision != first.source_revision
    (chain.lake / "t.csv").write_text(CSV)
    back = chain.run("data")
    for blob in (tmp_path / "store/ml/blobs/sha256").iterdir():
        blob.unlink()
    lost = chain.attempt("data", known=Known("example-g0", back.source_revision, back.outputs))
    assert isinstance(lost, Result)
    assert not lost.unchanged


def test_a_config_map_is_read_from_its_mount_and_known_by_its_bytes(tmp_path: Path) -> None:
    body = {"source": {"configMap": {"name": "rows", "key": "t.csv"}}}
    chain = chain_of({"steps": [{"name": "data", "ingest": body}]}, tmp_path, {})
    assert "ConfigMap rows has no key t.csv" in refused(chain)
    mount = tmp_path / "data/source"
    mount.mkdir()
    (mount / "t.csv").write_text(CSV)
    result = chain.run("data")
    assert result.source_revision.startswith("sha256=")


def test_a_missing_object_is_the_users_and_names_connection_and_key(tmp_path: Path) -> None:
    chain = ingesting(tmp_path, CSV)
    (chain.lake / "t.csv").unlink()
    message = refused(chain)
    assert "no object t.csv in folder" in message
    assert "connection lake" in message


def test_the_profile_counts_and_names_no_rare_text(tmp_path: Path) -> None:
    rows = "".join(f"{index},{'often' if index % 2 else f'rare{index}'}\n" for index in range(40))
    chain = ingesting(tmp_path, "n,t\n" + rows + ",\n")
    chain.run("data")
    profile = json.loads((chain.artifact("data", "table") / "profile.json").read_text())
    numbers, texts = profile["columns"]
    assert (numbers["count"], numbers["nulls"], numbers["minimum"], numbers["maximum"]) == (40, 1, 0, 39)
    assert numbers["mean"] == 19.5
    assert sum(numbers["bins"]["counts"]) == 40
    assert len(numbers["bins"]["counts"]) == len(numbers["bins"]["edges"]) + 1
    assert texts["top"] == [{"count": 20, "value": "often"}]
    assert (texts["distinct"], texts["other"]) == (21, 20)
