"""What a container says of lost inputs: always short enough, and what is not certain is not said."""

import json
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_spec.cell_numbers import LENGTH, numbers_of, text_of
from penstock_spec.contract import CONTRACT_VERSION, TERMINATION_BYTES, Failure, decode, encode
from penstock_spec.names import FailureClass

NUMBERS = st.sets(st.integers(1, 1000), min_size=1)


@pytest.mark.parametrize(
    ("numbers", "text"), [([7], "7"), ([3, 1, 2, 9], "1-3,9"), ([1, 2, 5, 6, 1000], "1-2,5-6,1000"), ([], "")]
)
def test_numbers_are_written_as_spans(numbers: Collection[int], text: str) -> None:
    assert text_of(numbers) == text


@given(NUMBERS)
def test_a_text_gives_its_numbers_back_or_is_too_long(numbers: set[int]) -> None:
    text = text_of(numbers)
    assert numbers_of(text) == (numbers if len(text) <= LENGTH else set())


@pytest.mark.parametrize(
    "text",
    ["", "0", "3-2", "1,,2", "1001", "1-1001", "a", "1 ", "-1", "1-", None, 3, ["1"], "1," * 128 + "1"],
)
def test_anything_else_says_nothing(text: object) -> None:
    assert numbers_of(text) == set()


@given(
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True), NUMBERS, max_size=24), st.text()
)
def test_a_failure_fits_with_its_inputs_and_those_cells_that_it_tells_are_right(
    cells: dict[str, set[int]], message: str
) -> None:
    text = encode(Failure(FailureClass.INPUT_MISSING, message * 40, tuple(cells), cells))
    assert len(text.encode()) <= TERMINATION_BYTES
    found = decode(text)
    assert isinstance(found, Failure)
    assert found.inputs == tuple(cells)
    assert dict(found.cells).items() <= cells.items()


def test_the_cells_of_an_ordinary_loss_are_told_beside_long_words() -> None:
    lost = set(range(1, 1000, 20))
    text = encode(Failure(FailureClass.INPUT_MISSING, "word " * 1000, ("a", "b"), {"a": lost, "b": {7}}))
    found = decode(text)
    assert isinstance(found, Failure)
    assert found.cells == {"a": lost, "b": {7}}


@pytest.mark.parametrize("cells", [None, 3, ["1"], {"a": 3}, {"a": "x"}, {"a": ""}])
def test_what_is_not_well_said_is_as_if_it_were_not_said(cells: object) -> None:
    said = {"version": CONTRACT_VERSION, "class": "InputMissing", "message": "gone", "inputs": ["a"]}
    for one in (said, {**said, "cells": cells}):
        assert decode(json.dumps(one)) == Failure(FailureClass.INPUT_MISSING, "gone", ("a",))
