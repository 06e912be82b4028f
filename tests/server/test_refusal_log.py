"""The log says why requests are refused: once a minute for each reason, no word that a request brought."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_artifacts.columns import quoted
from penstock_server.refusal_log import RefusalLog, masked
from penstock_server.refusals import Blame, Refusal
from tests.server.server_process import running
from tests.server.test_life import Stored

KNOWN = {"age", "visits", "visitors", "it's"}
CASES = {
    "a column of the model": (
        "column 'age', row 1: expected a number or null, got a text",
        "column 'age', row 1: expected a number or null, got a text",
    ),
    "a column that the model has not": (
        "unknown column 'ssn 078-05-1120'; did you mean 'age'?",
        "unknown column '…'; did you mean 'age'?",
    ),
    "a name with an apostrophe": ('unknown column "o\'hara"', "unknown column '…'"),
    "a column of the model with an apostrophe": ('column "it\'s", row 3: no', 'column "it\'s", row 3: no'),
    "a name with both quotes": (
        "unknown column '\\'a\" b'; known: 'age'",
        "unknown column '…'; known: 'age'",
    ),
    "a field of the protocol": ('inputs[0]: "name" must be a text', 'inputs[0]: "name" must be a text'),
    "an apostrophe in a word": ("bytes at the body's end, 'x'", "bytes at the body's end, '…'"),
    "a quote that nothing closes": ("odd 'name of mine", "odd …"),
}


@pytest.mark.parametrize("name", CASES)
def test_only_names_that_the_model_has_too_are_shown(name: str) -> None:
    message, shown = CASES[name]
    assert masked(message, KNOWN) == shown


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=100))
def test_no_name_gets_into_the_log_however_it_is_written(name: str) -> None:
    told = masked(f"column 'age': unknown column {quoted(name)}; did you mean 'age'?", {"age"})
    assert told in {
        "column 'age': unknown column '…'; did you mean 'age'?",
        "column 'age': unknown column 'age'; did you mean 'age'?",
    }
    assert ("'age'; did" in told) == (name == "age")


def test_a_reason_is_told_once_a_minute_with_how_often_it_held(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    log = RefusalLog(KNOWN, clock=lambda: now[0])
    with caplog.at_level("INFO", logger="penstock.server"):
        for second in range(100):
            now[0] = float(second)
            log.tell("rest", Refusal(Blame.REQUEST, f"column 'age', row {second}: expected a number"))
        log.tell("grpc", Refusal(Blame.SIZE, "9 rows are more than 5; send them in parts"))
    told = [(one.fields["reason"], one.fields["more"], one.fields["code"]) for one in caplog.records]  # type: ignore[attr-defined]  # set by `extra`
    assert told == [
        ("column 'age', row 0: expected a number", 0, 400),
        ("column 'age', row 60: expected a number", 59, 400),
        ("9 rows are more than 5; send them in parts", 0, 413),
    ]


def test_who_sends_ever_new_mistakes_fills_neither_the_log_nor_the_memory(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = RefusalLog(clock=lambda: 0.0)
    with caplog.at_level("INFO", logger="penstock.server"):
        for number in range(1000):
            log.tell("rest", Refusal(Blame.REQUEST, f"the mistake {'x' * number}"))
    assert len(caplog.records) == 65
    assert caplog.records[-1].fields["reason"] == "further reasons"  # type: ignore[attr-defined]  # the same


def test_a_server_says_why_it_refuses(stored: Stored) -> None:
    body = b'{"inputs": [{"name": "agee of Ada", "datatype": "FP64", "shape": [1], "data": [31.5]}]}'
    with running(stored("visitors")) as server:
        assert [server.infer(body).status_code for _ in range(3)] == [400, 400, 400]
        server.wait_for("refused")
        told = [one for one in server.lines if one["event"] == "refused"]
    assert [(one["protocol"], one["code"]) for one in told] == [("rest", 400)]
    assert told[0]["reason"].startswith("unknown column '…'")
    assert "Ada" not in json.dumps(server.lines)
