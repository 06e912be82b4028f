"""Requests that cannot be answered: the right status and one line of JSON that says what is wrong."""

import json
import re
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.server_process import SECONDS, ServerProcess, running

Served = Callable[[str], ServerProcess]
Stored = Callable[[str], Any]

SECRET = "c0nfidential"  # stands for personal data in cells: no answer and no log line may repeat it


def _row(**changes: Any) -> list[dict[str, Any]]:
    """One good row of `visitors`; `changes` replace a column's tensor, or remove it where they are None."""
    tensors: dict[str, Any] = {
        "age": {"name": "age", "shape": [1], "datatype": "FP64", "data": [31.5]},
        "visits": {"name": "visits", "shape": [1], "datatype": "INT64", "data": [3]},
        "member": {"name": "member", "shape": [1], "datatype": "BOOL", "data": [True]},
        "city": {"name": "city", "shape": [1], "datatype": "BYTES", "data": ["Oslo"]},
    }
    return [one for one in {**tensors, **changes}.values() if one is not None]


def _age(**changes: Any) -> bytes:
    """A request whose column `age` differs from a good one."""
    tensor = {"name": "age", "shape": [1], "datatype": "FP64", "data": [31.5], **changes}
    kept = {key: value for key, value in tensor.items() if value is not ...}
    return json.dumps({"inputs": _row(age=kept)}).encode()


def _ages(data: list[Any]) -> bytes:
    """A request of as many good rows, but with these ages."""
    columns = {one["name"]: {**one, "shape": [len(data)], "data": one["data"] * len(data)} for one in _row()}
    return json.dumps(
        {"inputs": list({**columns, "age": {**columns["age"], "data": data}}.values())}
    ).encode()


def _request(inputs: Any = None, **others: Any) -> bytes:
    return json.dumps({"inputs": _row() if inputs is None else inputs, **others}).encode()


def _tensor(name: str, shape: Any, datatype: Any, data: Any) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


# what was sent, its status, and words that the answer must have
HOSTILE: dict[str, tuple[bytes, int, str]] = {
    # not JSON
    "nothing": (b"", 400, "not JSON"),
    "blanks": (b"  \n", 400, "not JSON"),
    "half an object": (b'{"inputs": [', 400, "not JSON: unexpected end"),
    "a pickle": (b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94.", 400, "not JSON"),
    "not UTF-8": (b'{"inputs": "\xff\xfe"}', 400, "not JSON"),
    "a lone surrogate": (b'{"inputs": "\\ud800"}', 400, "not JSON"),
    "NaN for an input": (b'{"inputs": [NaN]}', 400, r"inputs\[0\] must be an object"),
    "Infinity": (b'{"inputs": [Infinity]}', 400, "not JSON"),
    "NaN and no JSON": (b'{"inputs": [NaN, }', 400, "not JSON"),
    "a number beyond 64 bits": (b'{"inputs": [1e999]}', 400, "not JSON: number is infinity"),
    "YAML": (b"inputs:\n- name: age\n", 400, "not JSON"),
    "XML": (b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", 400, "not JSON"),
    "a thousand brackets": (b"[" * 100_000, 400, "not JSON"),
    "two objects": (_request() + _request(), 400, "not JSON"),
    "a trailing comma": (b'{"inputs": [],}', 400, "not JSON"),
    "NUL bytes": (b"\x00" * 64, 400, "not JSON"),
    "UTF-16": ('{"inputs": []}'.encode("utf-16"), 400, "not JSON"),
    # JSON of another shape
    "null": (b"null", 400, "must be a JSON object"),
    "a list": (b"[1, 2, 3]", 400, "must be a JSON object"),
    "a text": (b'"inputs"', 400, "must be a JSON object"),
    "an empty object": (b"{}", 400, '"inputs" is missing'),
    "another protocol": (b'{"instances": [[1, 2, 3]]}', 400, '"inputs" is missing'),
    "inputs null": (b'{"inputs": null}', 400, "must be a list"),
    "inputs an object": (b'{"inputs": {"age": [1]}}', 400, "must be a list"),
    "no inputs": (b'{"inputs": []}', 400, "at least one tensor"),
    "an input that is a number": (b'{"inputs": [1]}', 400, r"inputs\[0\] must be an object"),
    "an input without a name": (_request([{"shape": [1]}]), 400, r'inputs\[0\]: "name"'),
    "a name that is a number": (_request([_tensor(7, [1], "FP64", [1])]), 400, r'inputs\[0\]: "name"'),  # type: ignore[arg-type]  # what is tested
    # names
    "an unknown column": (
        _request([*_row(), _tensor("agee", [1], "FP64", [1])]),
        400,
        "unknown column 'agee'; did you mean 'age'",
    ),
    "an unlike column": (
        _request([_tensor("zzzz", [1], "FP64", [1])]),
        400,
        "unknown column 'zzzz'; known: 'age'",
    ),
    "a huge name": (_request([_tensor("x" * 100_000, [1], "FP64", [1])]), 400, "unknown column 'x{79}…'"),
    "a name with a line break": (
        _request([_tensor("a\nb", [1], "FP64", [1])]),
        400,
        r"unknown column 'a\\nb'",
    ),
    "a name with markup": (
        _request([_tensor("<script>", [1], "FP64", [1])]),
        400,
        "unknown column '<script>'",
    ),
    "an attribute of Python": (_request([_tensor("__class__", [1], "FP64", [1])]), 400, "unknown column"),
    "a missing column": (_request(_row(city=None)), 400, "1 of 4 columns missing: 'city'"),
    "three missing columns": (
        _request(_row(city=None, age=None, member=None)),
        400,
        "3 of 4 columns missing: 'age', 'member', 'city'",
    ),
    "a column twice": (
        _request([*_row(), _tensor("age", [1], "FP64", [1])]),
        400,
        "column 'age' is given twice",
    ),
    # shapes
    "no shape": (_age(shape=...), 400, "column 'age': \"shape\" must be a list"),
    "shape a number": (_age(shape=1), 400, "column 'age': \"shape\""),
    "shape of nothing": (_age(shape=[]), 400, "column 'age': \"shape\""),
    "shape of three": (_age(shape=[1, 1, 1]), 400, "column 'age': \"shape\""),
    "a negative shape": (_age(shape=[-1]), 400, "column 'age': \"shape\""),
    "a fraction as shape": (_age(shape=[1.0]), 400, "column 'age': \"shape\""),
    "true as shape": (_age(shape=[True]), 400, "column 'age': \"shape\""),
    "a wide column": (_age(shape=[1, 2], data=[1, 2]), 400, r"column 'age': shape must be \[rows\]"),
    "no rows": (_age(shape=[0], data=[]), 400, "column 'age': no rows"),
    "shape says more": (_age(shape=[2]), 400, "column 'age': shape says 2 values, data has 1"),
    "shape says fewer": (_age(data=[1, 2]), 400, "column 'age': shape says 1 values, data has 2"),
    "a shape that would take all memory": (_age(shape=[10**15]), 413, "rows are more than 50000"),
    "columns of unequal length": (
        _request(_row(city=_tensor("city", [2], "BYTES", ["a", "b"]))),
        400,
        "column 'city' has 2 rows, but column 'age' has 1",
    ),
    "50,001 rows": (_age(shape=[50_001], data=[1] * 50_001), 413, "50001 rows are more than 50000"),
    # datatypes
    "no datatype": (_age(datatype=...), 400, "column 'age': \"datatype\" must be one of BOOL"),
    "an unknown datatype": (_age(datatype="DOUBLE"), 400, "column 'age': \"datatype\""),
    "datatype a list": (_age(datatype=["FP64"]), 400, "column 'age': \"datatype\""),
    "texts for a number": (
        _age(datatype="BYTES"),
        400,
        "'age' is a Number: expected datatype FP64, got BYTES",
    ),
    "numbers for a text": (
        _request(_row(city=_tensor("city", [1], "FP64", [1]))),
        400,
        "'city' is a String: expected datatype BYTES, got FP64",
    ),
    "numbers for a boolean": (
        _request(_row(member=_tensor("member", [1], "INT64", [1]))),
        400,
        "'member' is a Boolean: expected datatype BOOL, got INT64",
    ),
    # data
    "no data": (_age(data=...), 400, "column 'age': \"data\" must be a list"),
    "data null": (_age(data=None), 400, "column 'age': \"data\" must be a list"),
    "data a text": (_age(data=SECRET), 400, "column 'age': \"data\" must be a list"),
    "data an object": (_age(data={"0": 1}), 400, "column 'age': \"data\" must be a list"),
    "binary data": (
        _age(data=..., parameters={"binary_data_size": 8}),
        400,
        "column 'age': binary_data_size needs the header Inference-Header-Content-Length",
    ),
    "a text among numbers": (
        _ages([1, None, SECRET]),
        400,
        "column 'age', row 2: expected a number or null, got a text",
    ),
    "a number as text": (
        _age(data=["31.5"]),
        400,
        "column 'age', row 0: expected a number or null, got a text",
    ),
    "a boolean among numbers": (_age(data=[True]), 400, "row 0: expected a number or null, got a boolean"),
    "an object among numbers": (_ages([1, {"a": SECRET}]), 400, "row 1: .*, got an object"),
    "a list among numbers": (
        _ages([1, [2]]),
        400,
        "row 1: expected a number or null, got a list",
    ),
    "a number among lists": (
        _age(shape=[2], data=[[1], 2]),
        400,
        "column 'age', row 1: expected a list of 1",
    ),
    "too deep": (_age(data=[[[1]]]), 400, "row 0: expected a number or null, got a list"),
    "too wide": (_age(data=[[1, 2]]), 400, "column 'age', row 0: expected a list of 1"),
    "a text for a boolean": (
        _request(_row(member=_tensor("member", [1], "BOOL", ["true"]))),
        400,
        "column 'member', row 0: expected true or false or null, got a text",
    ),
    "a number for a text": (
        _request(_row(city=_tensor("city", [1], "BYTES", [90210]))),
        400,
        "column 'city', row 0: expected a text or null, got an integer",
    ),
    "a text for an integer": (
        _request(_row(visits=_tensor("visits", [1], "INT64", [SECRET]))),
        400,
        "column 'visits', row 0: expected an integer or null, got a text",
    ),
    # the whole row as one tensor
    "a matrix for mixed columns": (
        _request([_tensor("x", [1, 4], "FP64", [1, 2, 3, 4])]),
        400,
        "tensor 'x' is not a column, .*'member' is a Boolean",
    ),
    # id and outputs
    "a number as id": (_request(id=7), 400, '"id" must be a text'),
    "a huge id": (_request(id="x" * 257), 400, '"id" must be a text of at most 256'),
    "outputs an object": (_request(outputs={"name": "label"}), 400, '"outputs" must be a list'),
    "an output without a name": (_request(outputs=["label"]), 400, r'outputs\[0\]: "name"'),
    "an unknown output": (
        _request(outputs=[{"name": "label"}, {"name": "probabilty"}]),
        400,
        r"outputs\[1\]: unknown output 'probabilty'; did you mean 'probabilities'",
    ),
    "an output twice": (_request(outputs=[{"name": "label"}] * 2), 400, r"outputs\[1\]: .*asked for twice"),
    # size
    "ten mebibytes of empty lists": (
        b'{"inputs": [' + b"[]," * 3_400_000 + b"1]}",
        413,
        "more than 200000 lists and objects; send data as flat lists",
    ),
    "ten mebibytes and one byte": (b" " * (10 * 1024 * 1024 + 1), 413, "larger than 10485760 bytes"),
}


def _refused(answer: httpx.Response, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.text.splitlines()) == 1
    body = answer.json()
    assert list(body) == ["error"]
    assert re.search(words, body["error"]), body["error"]
    assert "Traceback" not in answer.text
    assert SECRET not in answer.text


def test_there_are_at_least_sixty_hostile_bodies() -> None:
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_body_is_refused_in_words(served: Served, what: str) -> None:
    body, status, words = HOSTILE[what]
    _refused(served("visitors").infer(body), status, words)


def test_after_all_that_the_server_still_answers_and_has_logged_no_value(served: Served) -> None:
    server = served("visitors")
    for body, _status, _words in HOSTILE.values():
        server.infer(body)
    assert server.infer(_request()).status_code == 200
    written = "".join(server.raw)
    assert SECRET not in written
    assert "Traceback" not in written
    assert "internal error" not in written


def test_a_matrix_must_be_as_wide_as_the_model(served: Served) -> None:
    server = served("iris")
    narrow = _tensor("x", [2, 3], "FP64", [1] * 6)
    _refused(server.infer({"inputs": [narrow]}), 400, r"tensor 'x': shape must be \[rows, 4\]")
    ragged = _tensor("x", [2, 4], "FP64", [[1, 2, 3, 4], [1, 2, 3]])
    _refused(server.infer({"inputs": [ragged]}), 400, "tensor 'x', row 1: expected a list of 4")
    texts = _tensor("x", [1, 4], "FP64", [1, 2, SECRET, 4])
    _refused(server.infer({"inputs": [texts]}), 400, "column 'petal_length', row 0: expected a number")


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/", 404, "see /v2"),
        ("GET", "/v2/", 404, "see /v2"),
        ("GET", "/v1/models/visitors", 404, "see /v2"),
        ("GET", "/v2/models", 404, "see /v2"),
        ("GET", "/v2/models/../../etc/passwd", 404, "see /v2"),
        ("GET", "/v2/models/visitor", 404, "no model 'visitor' here; this server has 'visitors'"),
        ("GET", "/v2/models/%0aevil", 404, r"no model '\\nevil' here"),
        ("GET", "/v2/models/visitors/versions/1", 404, "no version '1' here; this server has 'visitors-3'"),
        ("GET", "/v2/models/visitors/versions/1/ready", 404, "no version '1' here"),
        ("POST", "/v2/models/other/infer", 404, "no model 'other' here"),
        ("POST", "/v2/models/visitors/versions/2/infer", 404, "no version '2' here"),
        ("POST", "/v2/repository/models/visitors/load", 404, "see /v2"),
        ("GET", "/v2/models/visitors/infer", 405, "takes POST, not GET"),
        ("DELETE", "/v2/models/visitors", 405, "takes GET, HEAD, not DELETE"),
        ("PUT", "/v2/health/ready", 405, "not PUT"),
        ("POST", "/metrics", 405, "not POST"),
    ],
)
def test_a_wrong_path_or_method_says_what_there_is(
    served: Served, method: str, path: str, status: int, words: str
) -> None:
    server = served("visitors")
    request = httpx.Request(method, server.url)
    request.url = request.url.copy_with(raw_path=path.encode())
    with httpx.Client(timeout=SECONDS) as client:
        _refused(client.send(request), status, words)


def test_a_compressed_body_is_refused(served: Served) -> None:
    server = served("visitors")
    url = f"{server.url}{server.model_path}/infer"
    answer = httpx.post(url, content=_request(), headers={"content-encoding": "gzip"}, timeout=SECONDS)
    _refused(answer, 415, "compressed bodies are not supported")


def test_a_body_without_a_declared_length_is_counted_as_it_comes(served: Served) -> None:
    server = served("visitors")
    url = f"{server.url}{server.model_path}/infer"
    good = iter([_request()[:20], _request()[20:]])
    assert httpx.post(url, content=good, timeout=SECONDS).status_code == 200
    endless = (b" " * 65536 for _ in range(1024))
    _refused(httpx.post(url, content=endless, timeout=SECONDS), 413, "larger than 10485760 bytes")


def test_a_body_that_never_comes_is_given_up(stored: Stored) -> None:
    with running(stored("visitors"), PENSTOCK_SERVE_BODY_SECONDS="1") as server:
        with socket.create_connection(("127.0.0.1", server.port), SECONDS) as client:
            head = f"POST {server.model_path}/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
            client.sendall(head.encode() + b'{"inputs"')
            answer = b""
            while chunk := client.recv(65536):
                answer += chunk
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'{"error":"the body did not arrive within 1 s"}' in answer


def test_a_client_that_goes_away_is_no_error_of_ours(stored: Stored) -> None:
    with running(stored("visitors")) as server:
        with socket.create_connection(("127.0.0.1", server.port), SECONDS) as client:
            head = f"POST {server.model_path}/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
            client.sendall(head.encode() + b'{"inputs"')
        assert server.wait_for("request")["code"] == 499
        assert "internal error" not in "".join(server.raw)
        assert server.infer(_request()).status_code == 200


def test_bodies_that_together_take_too_much_memory_are_put_off(stored: Stored) -> None:
    with running(stored("visitors"), PENSTOCK_SERVE_WAITING_BYTES="1000") as server:
        answer = server.infer(_request() + b" " * 2000)
        _refused(answer, 503, "too many large requests at once; try again")
        assert answer.headers["retry-after"] == "1"
        assert server.infer(_request()).status_code == 200


def test_any_number_of_the_largest_bodies_fits_into_a_pod_of_the_default_size(stored: Stored) -> None:
    body = b'{"inputs": [' + b'"ab",' * 2_090_000 + b"1]}"
    with running(stored("visitors")) as server:
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(server.infer, [body] * 12))
        assert {answer.status_code for answer in answers} <= {400, 503}
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
        assert int(peak) < 480 * 1024
        assert server.infer(_request()).status_code == 200


def test_what_is_not_http_is_refused_and_logged_as_json(served: Served) -> None:
    server = served("visitors")
    with socket.create_connection(("127.0.0.1", server.port), SECONDS) as client:
        client.sendall(b"\x16\x03\x01\x02\x00 this is TLS\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert server.wait_for("Invalid HTTP request received.")["level"] == "warning"


def test_the_limits_can_be_set(stored: Stored) -> None:
    limits = {"PENSTOCK_SERVE_ROWS": "2", "PENSTOCK_SERVE_BODY_BYTES": "700"}
    with running(stored("visitors"), **limits) as server:
        assert server.infer(_request()).status_code == 200
        _refused(server.infer(_age(shape=[3], data=[1, 2, 3])), 413, "3 rows are more than 2")
        _refused(server.infer(_request() + b" " * 700), 413, "larger than 700 bytes")
