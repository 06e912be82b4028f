"""The life of the process: refused, ready, draining, gone."""

import concurrent.futures
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from penstock_artifacts.manifest import scan
from penstock_spec import contract, serving_contract
from tests.server.model_folders import StoredModel, store
from tests.server.server_process import (
    SECONDS,
    ServerProcess,
    copy_of,
    environment,
    rows,
    running,
    tensors,
)

Stored = Callable[[str], StoredModel]
Served = Callable[[str], ServerProcess]


def _flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _tamper(what: str, folder: Path) -> None:
    if what == "model.onnx changed":
        _flip_a_byte(folder / contract.MODEL_ONNX)
    elif what == "signature.json changed":
        _flip_a_byte(folder / contract.MODEL_SIGNATURE)
    elif what == "profile.json missing":
        (folder / contract.MODEL_PROFILE).unlink()
    elif what == "another file":
        (folder / "model.pkl").write_bytes(b"\x80\x04.")
    elif what == "a link":
        (folder / contract.MODEL_PROFILE).unlink()
        (folder / contract.MODEL_PROFILE).symlink_to("/etc/hostname")
    elif what == "manifest changed too":
        _flip_a_byte(folder / contract.MODEL_ONNX)
        (folder.parent / serving_contract.MODEL_MANIFEST).write_bytes(scan(folder, "Model").to_bytes())
    else:
        (folder.parent / serving_contract.MODEL_MANIFEST).unlink()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("model.onnx changed", "model.onnx of the model is not what was stored"),
        ("signature.json changed", "signature.json of the model is not what was stored"),
        ("profile.json missing", "profile.json of the model is missing"),
        ("another file", "model.pkl lies in the model's folder, but does not belong to the model"),
        ("a link", "model/profile.json is a symbolic link"),
        ("manifest changed too", "model-manifest.json is not the manifest with the digest sha256:"),
        ("no manifest", "model-manifest.json, which fetch leaves beside the model, cannot be read"),
    ],
)
def test_a_tampered_model_is_never_ready_and_the_reason_names_the_file(
    stored: Stored, tmp_path: Path, what: str, words: str
) -> None:
    model = copy_of(stored("iris"), tmp_path)
    _tamper(what, model.folder)
    server = ServerProcess(model, {})
    assert server.wait_for_exit() == 1
    assert words in server.wait_for("refused to serve")["reason"]
    assert not [line for line in server.lines if line["event"] == "ready"]
    assert "Traceback" not in "".join(server.raw)


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}\x94.", "model.onnx is not an ONNX model that"),
        (b"PK\x03\x04 a zip", "model.onnx is not an ONNX model that"),
        (b"", "model.onnx is not an ONNX model that"),
    ],
)
def test_nothing_but_onnx_is_served(stored: Stored, tmp_path: Path, graph: bytes, words: str) -> None:
    server = ServerProcess(store(tmp_path, stored("iris").signature, graph, {}), {})
    assert server.wait_for_exit() == 1
    assert words in server.wait_for("refused to serve")["reason"]


def test_a_model_that_does_not_fit_its_signature_is_refused(stored: Stored, tmp_path: Path) -> None:
    server = ServerProcess(store(tmp_path, stored("iris").signature, stored("diabetes").onnx, {}), {})
    assert server.wait_for_exit() == 1
    reason = server.wait_for("refused to serve")["reason"]
    assert reason == "model.onnx: input 'age' is not a column of the signature"


def test_a_model_that_loads_but_cannot_answer_is_never_ready(stored: Stored, tmp_path: Path) -> None:
    signature = replace(stored("iris").signature, labels=("a", "b", "c"))
    server = ServerProcess(store(tmp_path, signature, stored("iris").onnx, {}), {})
    assert server.wait_for_exit() == 1
    assert "a label that its signature lacks" in server.wait_for("refused to serve")["reason"]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        (serving_contract.MODEL_NAME_VARIABLE, "", "PENSTOCK_MODEL_NAME is not set"),
        (serving_contract.MODEL_DIGEST_VARIABLE, "sha256:12", "PENSTOCK_MODEL_DIGEST must be sha256: and 64"),
        ("PENSTOCK_SERVE_ROWS", "many", "PENSTOCK_SERVE_ROWS must be a whole number of at least 1"),
        ("PENSTOCK_SERVE_ROWS", "0", "PENSTOCK_SERVE_ROWS must be a whole number of at least 1"),
    ],
)
def test_wrong_settings_end_the_process_at_once(
    stored: Stored, variable: str, value: str, words: str
) -> None:
    server = ServerProcess(stored("iris"), {variable: value})
    assert server.wait_for_exit() == 2
    assert words in server.wait_for("wrongly configured")["reason"]


def test_a_port_that_is_taken_is_said_so(served: Served) -> None:
    other = served("iris")
    server = ServerProcess(other.model, {}, ["--port", str(other.port)])
    assert server.wait_for_exit() == 2
    reason = server.wait_for("wrongly configured")["reason"]
    assert reason == f"cannot listen on port {other.port}: Address already in use"


def test_health_and_metadata_are_answered(served: Served) -> None:
    server = served("visitors")
    assert server.get("/v2").json()["name"] == "penstock"
    assert server.get("/v2/health/live").json() == {"live": True}
    assert server.get("/v2/health/ready").json() == {"ready": True}
    path = server.model_path
    assert server.get(f"{path}/ready").json() == {"ready": True}
    assert server.get(f"{path}/versions/visitors-3/ready").json() == {"ready": True}
    described = server.get(path).json()
    assert described == server.get(f"{path}/versions/visitors-3").json()
    assert described == {
        "name": "visitors",
        "versions": ["visitors-3"],
        "platform": "onnx_onnxv1",
        "inputs": [
            {"name": "age", "datatype": "FP64", "shape": [-1]},
            {"name": "visits", "datatype": "INT64", "shape": [-1]},
            {"name": "member", "datatype": "BOOL", "shape": [-1]},
            {"name": "city", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]},
        ],
        "parameters": {
            "task": "Classification",
            "version": "visitors-3",
            "digest": server.model.digest,
            "target": "plan",
            "labels": [1, 2],
        },
    }


def test_a_version_answers_below_its_own_path(served: Served) -> None:
    server = served("diabetes")
    request = {"inputs": tensors(server.model, rows(server.model, 0, 4))}
    below = server.infer(request, f"{server.model_path}/versions/diabetes-3/infer")
    assert below.status_code == 200
    assert below.json() == server.infer(request).json()
    assert below.json()["model_version"] == "diabetes-3"


def test_a_half_sent_request_is_answered_although_the_server_was_told_to_stop(stored: Stored) -> None:
    model = stored("visitors")
    body = json.dumps({"inputs": tensors(model, rows(model, 0, 50))}).encode()
    head = (
        f"POST /v2/models/{model.name}/infer HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with running(model) as server:
        with socket.create_connection(("127.0.0.1", server.port), SECONDS) as client:
            client.sendall(head + body[:100])
            wait_until_in_flight(server, 1)
            server.process.terminate()
            server.wait_for("draining")
            client.sendall(body[100:])
            answer = b""
            while chunk := client.recv(65536):
                answer += chunk
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer
        assert server.wait_for_exit() == 0
        assert server.wait_for("stopped")["exitCode"] == 0


def wait_until_in_flight(server: ServerProcess, count: int) -> None:
    """Wait until the server itself counts that many requests as begun."""
    labels = f'model="{server.model.name}",protocol="rest",version="{server.model.name}-3"'
    line = f"penstock_server_in_flight{{{labels}}} "

    for _ in range(1000):
        if f"{line}{count}.0" in server.get("/metrics").text:
            return
    raise AssertionError(f"never {count} requests in flight")


def test_no_request_is_lost_when_the_server_is_told_to_stop_under_load(stored: Stored) -> None:
    """Clients behave as kube-proxy makes them: they go elsewhere once the server is not ready."""
    model = stored("visitors")
    requests = [json.dumps({"inputs": tensors(model, rows(model, 0, size))}).encode() for size in (1, 200)]
    begun = threading.Barrier(9)
    gone = threading.Event()

    def client(number: int) -> list[int]:
        codes = []
        url = f"{server.url}{server.model_path}/infer"
        with httpx.Client(timeout=SECONDS) as session:
            begun.wait(SECONDS)
            while not gone.is_set():
                codes.append(session.post(url, content=requests[number % 2]).status_code)
        return codes

    log_all = {"PENSTOCK_SERVE_REQUEST_LOG": "all"}
    with running(model, PENSTOCK_SERVE_DRAIN_SECONDS="60", **log_all) as server:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            clients = [pool.submit(client, number) for number in range(8)]
            begun.wait(SECONDS)
            server.wait_for("request")
            before = server.lines.copy()
            server.process.terminate()
            server.wait_for("draining")
            assert server.get("/v2/health/ready").status_code == 503
            assert server.get(f"{server.model_path}/ready").status_code == 503
            assert server.get("/v2/health/live").status_code == 200
            assert server.infer(requests[0]).status_code == 200
            gone.set()
            codes = [code for one in clients for code in one.result(SECONDS)]
        assert set(codes) == {200}
        assert len(codes) > sum(line["event"] == "request" for line in before) - 1
        server.process.terminate()  # a second signal ends the drain
        assert server.wait_for_exit() == 0


def test_a_second_signal_ends_the_drain(stored: Stored) -> None:
    with running(stored("iris"), PENSTOCK_SERVE_DRAIN_SECONDS="600") as server:
        server.process.terminate()
        server.wait_for("draining")
        server.process.terminate()
        assert server.wait_for_exit() == 0


def test_the_server_never_loads_what_its_image_must_not_hold(stored: Stored) -> None:
    program = (
        "import sys, penstock_server.server, penstock_server.fetch, penstock_artifacts.model, onnxruntime\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment({}), capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout.replace("'", '"')))
    assert loaded.isdisjoint(
        {"polars", "sklearn", "skl2onnx", "scipy", "onnx", "kubernetes", "kopf", "pickle5"}
    )
