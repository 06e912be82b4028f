"""Three hundred hostile requests over JSON, raw bytes and gRPC (S1): refused in words, nothing stays."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server import hostile
from tests.server.model_folders import StoredModel
from tests.server.server_process import SECONDS, ServerProcess, running

JSON = dict(hostile.json_bodies())
BINARY = {name: (length, body) for name, length, body in hostile.binary_bodies()}
GRPC = dict(hostile.grpc_messages())
METHOD = "/inference.GRPCInferenceService/ModelInfer"


@pytest.fixture(scope="module")
def server(stored: Callable[[str], StoredModel]) -> Iterator[ServerProcess]:
    """A server of this module's own, so that its memory is nobody else's doing."""
    with running(stored("visitors")) as one:
        yield one


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """Connections that stay open."""
    with httpx.Client(timeout=SECONDS) as client:
        yield client


@pytest.fixture(scope="module")
def channel(server: ServerProcess) -> Iterator[Any]:
    """One gRPC connection."""
    with grpc.insecure_channel(server.grpc_address) as one:
        yield one


def _post(
    server: ServerProcess, http: httpx.Client, body: bytes, length: str | None = None
) -> httpx.Response:
    headers = {} if length is None else {"inference-header-content-length": length}
    return http.post(f"{server.url}{server.model_path}/infer", content=body, headers=headers)


def _call(channel: Any, message: bytes) -> tuple[str, str]:
    """Code and words."""
    try:
        channel.unary_unary(METHOD)(message, timeout=SECONDS)
    except grpc.RpcError as error:
        return error.code().name, error.details() or ""
    return "OK", ""


def _in_words(text: str) -> None:
    assert text
    assert len(text.splitlines()) == 1
    assert "Traceback" not in text
    assert 'File "' not in text
    assert len(text) < 600


def _refused(answer: httpx.Response, status: int = 400) -> None:
    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    assert len(answer.content.splitlines()) == 1
    _in_words(answer.json()["error"])
    assert "internal" not in answer.text


def test_there_are_at_least_three_hundred() -> None:
    counts = {"JSON": len(JSON), "raw bytes": len(BINARY), "gRPC": len(GRPC)}
    print(counts)
    assert sum(counts.values()) >= 300
    assert min(counts.values()) >= 80
    assert JSON.keys() >= hostile.FINE


def test_the_requests_are_good_where_they_are_not_spoilt(
    server: ServerProcess, http: httpx.Client, channel: Any
) -> None:
    head, tail = hostile.good_binary()
    assert _post(server, http, json.dumps(hostile.good_json()).encode()).status_code == 200
    assert _post(server, http, head + tail, str(len(head))).status_code == 200
    assert _call(channel, hostile.good_message(raw=True).SerializeToString()) == ("OK", "")
    assert _call(channel, hostile.good_message(raw=False).SerializeToString()) == ("OK", "")


@pytest.mark.parametrize("name", JSON)
def test_hostile_json_is_refused_in_words(server: ServerProcess, http: httpx.Client, name: str) -> None:
    answer = _post(server, http, JSON[name])
    if name in hostile.FINE:
        assert answer.status_code == 200
    else:
        _refused(answer)


@pytest.mark.parametrize("name", BINARY)
def test_hostile_raw_bytes_are_refused_in_words(server: ServerProcess, http: httpx.Client, name: str) -> None:
    length, body = BINARY[name]
    _refused(_post(server, http, body, length))


@pytest.mark.parametrize("name", GRPC)
def test_hostile_messages_are_refused_in_words(channel: Any, name: str) -> None:
    code, words = _call(channel, GRPC[name])
    assert code == "INVALID_ARGUMENT", words
    _in_words(words)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"model_name": "visitor"}, "NOT_FOUND", "no model 'visitor' here; this server has 'visitors'"),
        ({"model_name": ""}, "NOT_FOUND", "no model '' here"),
        ({"model_version": "2"}, "NOT_FOUND", "no version '2' here"),
    ],
)
def test_another_model_is_not_found(channel: Any, change: dict[str, str], code: str, words: str) -> None:
    message = hostile.good_message(raw=True)
    for field, value in change.items():
        setattr(message, field, value)
    found = _call(channel, message.SerializeToString())
    assert found[0] == code
    assert words in found[1]


def test_too_many_rows_and_too_many_bytes_are_refused_over_grpc(channel: Any) -> None:
    message = hostile.good_message(raw=True)
    message.inputs[0].shape[:] = [50_001]
    message.raw_input_contents[0] = b"\x00" * 8 * 50_001
    code, words = _call(channel, message.SerializeToString())
    assert (code, "50001 rows are more than 50000" in words) == ("INVALID_ARGUMENT", True)
    code, words = _call(channel, b"\x00" * (11 * 1024 * 1024))
    assert code == "RESOURCE_EXHAUSTED"
    assert "larger" in words


def test_an_unknown_method_is_unimplemented(channel: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/inference.GRPCInferenceService/RepositoryModelLoad")(b"", timeout=SECONDS)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


_FUZZ = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@st.composite
def _spoilt(draw: st.DrawFn, whole: bytes) -> bytes:
    """A good message with some of its bytes changed, cut out or put in."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        what = draw(st.sampled_from(["change", "cut", "insert"]))
        if what == "change" and content:
            content[place] = draw(st.integers(0, 255))
        elif what == "cut":
            del content[place : place + draw(st.integers(1, 8))]
        else:
            content[place:place] = draw(st.binary(max_size=8))
    return bytes(content)


@_FUZZ
@given(body=_spoilt(json.dumps(hostile.good_json()).encode()))
def test_any_json_is_answered_or_refused(server: ServerProcess, http: httpx.Client, body: bytes) -> None:
    answer = _post(server, http, body)
    if answer.status_code != 200:
        _refused(answer)


@_FUZZ
@given(body=_spoilt(b"".join(hostile.good_binary())))
def test_any_raw_bytes_are_answered_or_refused(
    server: ServerProcess, http: httpx.Client, body: bytes
) -> None:
    answer = _post(server, http, body, str(len(hostile.good_binary()[0])))
    if answer.status_code != 200:
        _refused(answer)


@_FUZZ
@given(
    message=st.one_of([_spoilt(hostile.good_message(raw=raw).SerializeToString()) for raw in (True, False)])
)
def test_any_message_is_answered_or_refused(channel: Any, message: bytes) -> None:
    code, words = _call(channel, message)
    assert code in {"OK", "INVALID_ARGUMENT", "NOT_FOUND"}
    if code != "OK":
        _in_words(words)


def _resident(server: ServerProcess) -> int:
    """Bytes of memory that the process has now."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (size,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(size) * 1024


def test_nothing_stays_behind_of_all_that(server: ServerProcess, http: httpx.Client, channel: Any) -> None:
    def all_of_them() -> None:
        for body in JSON.values():
            _post(server, http, body)
        for length, body in BINARY.values():
            _post(server, http, body, length)
        for message in GRPC.values():
            _call(channel, message)

    all_of_them()
    before = _resident(server)
    for _ in range(5):
        all_of_them()
    grown = _resident(server) - before
    print(f"{grown / 1024:.0f} KiB after five more rounds")
    assert grown < 8 * 1024 * 1024
    assert server.process.poll() is None
    written = "".join(server.raw)
    assert "internal error" not in written
    assert hostile.SECRET not in written
    assert "Traceback" not in written
