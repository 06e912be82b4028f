"""signature.json: what is written is read back; what contradicts itself is refused in words."""

import json
from pathlib import Path
from typing import Any

import pytest

from penstock_artifacts.signature import (
    ColumnSignature,
    Layout,
    Signature,
    SignatureError,
    Task,
    ValueType,
)
from penstock_spec.kinds.ingest import ColumnType

GOOD: dict[str, Any] = {
    "version": 1,
    "model": "tumour",
    "task": "Classification",
    "layout": "Columns",
    "inputs": [{"name": "mean radius", "type": "Number"}, {"name": "städte", "type": "String"}],
    "target": {"name": "malignant", "type": "Boolean"},
    "labels": [False, True],
    "nullToken": "<null>",
}


def test_a_signature_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    signature = Signature(
        "tumour",
        Task.CLASSIFICATION,
        Layout.COLUMNS,
        (ColumnSignature("mean radius", ValueType.NUMBER), ColumnSignature("städte", ValueType.STRING)),
        ColumnSignature("malignant", ValueType.BOOLEAN),
        (False, True),
        "<null>",
    )
    signature.save(tmp_path / "signature.json")
    assert Signature.load(tmp_path / "signature.json") == signature
    assert json.loads(signature.to_json()) == GOOD


def test_types_are_those_of_a_tables_schema() -> None:
    assert {str(kind) for kind in ValueType} == {str(kind) for kind in ColumnType}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "version 2, but this release reads 1"),
        ({"model": ...}, "model must be of type str, but it is missing"),
        ({"task": "Clustering"}, "task is 'Clustering'; it must be one of Classification, Regression"),
        ({"layout": 3}, "layout must be of type str, but it is of type int"),
        ({"inputs": []}, "a model takes at least one column"),
        ({"inputs": [{"name": "a", "type": "Float"}]}, r"inputs\[0\].type is 'Float'"),
        ({"inputs": ["a"]}, r"inputs\[0\] must be an object"),
        ({"inputs": [{"name": "a", "type": "Number"}] * 2}, "inputs names 'a' twice"),
        ({"labels": [True]}, "at least 2 labels, found 1"),
        ({"labels": [0, 1]}, "labels must all be of the target's type Boolean"),
        ({"labels": [True, True]}, "labels must differ"),
        ({"labels": [True, None]}, "labels must be a list of texts, numbers or booleans"),
        ({"task": "Regression"}, "labels belong to task Classification"),
        ({"layout": "Matrix"}, "layout Matrix takes numbers only, but column 'städte' is a String"),
        ({"nullToken": None}, "nullToken must be of type str"),
    ],
)
def test_a_signature_that_contradicts_itself_is_refused(change: dict[str, Any], words: str) -> None:
    data = {key: value for key, value in {**GOOD, **change}.items() if value is not ...}
    with pytest.raises(SignatureError, match=words):
        Signature.from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"version": 1}'])
def test_what_is_no_signature_is_said_so(text: str) -> None:
    with pytest.raises(SignatureError, match=r"^signature: "):
        Signature.from_json(text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match=r"cannot read signature\.json: No such file"):
        Signature.load(tmp_path / "signature.json")
