"""Time and number of requests are limited, and the answer says so in words."""

import re
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import tritonclient.grpc as triton_grpc
from tritonclient.grpc import service_pb2

from tests.server.hostile import good_message
from tests.server.model_folders import StoredModel
from tests.server.server_process import SECONDS, ServerProcess, rows, running, tensors
from tests.server.triton import arrays

Stored = Callable[[str], StoredModel]
ENDLESS = 1e15  # rounds of work: longer than anybody waits


def _request(model: StoredModel, loops: float) -> Any:
    return {"inputs": tensors(model, {"which": [1.0], "loops": [loops]})}


@pytest.mark.parametrize("batched", [False, True])
def test_a_request_that_takes_too_long_is_told_so_and_its_thread_is_free_again(
    stored: Stored, batched: bool
) -> None:
    model = stored("slow")
    settings = {"PENSTOCK_SERVE_REQUEST_SECONDS": "1", "PENSTOCK_SERVE_THREADS": "2"}
    if batched:
        settings["PENSTOCK_SERVE_BATCH_ROWS"] = "1"
    with running(model, **settings) as server:
        with ThreadPoolExecutor(3) as pool:
            late = list(pool.map(lambda _: server.infer(_request(model, ENDLESS)), range(3)))
        for answer in late:
            assert answer.status_code == 504
            assert answer.json() == {"error": "no answer within 1 s; send fewer rows at a time"}
        inputs = arrays(model, {"which": [1.0], "loops": [ENDLESS]})
        code, words = _over_grpc(server, inputs)
        assert (code, words) == (
            "StatusCode.DEADLINE_EXCEEDED",
            "no answer within 1 s; send fewer rows at a time",
        )
        # This one, too, needs a thread.
        assert server.infer(_request(model, 10.0)).json()["outputs"][0]["data"] == [10.0]
        assert server.figure("penstock_server_requests_total", code="504", protocol="rest") == 3
        assert server.figure("penstock_server_in_flight") == 0
        server.process.terminate()
        assert server.wait_for_exit() == 0
        assert "internal error" not in "".join(server.raw)


def _over_grpc(server: ServerProcess, inputs: dict[str, tuple[str, Any]]) -> tuple[str, str]:
    made = []
    for name, (datatype, array) in inputs.items():
        one = triton_grpc.InferInput(name, list(array.shape), datatype)
        one.set_data_from_numpy(array)
        made.append(one)
    with (
        closing(triton_grpc.InferenceServerClient(server.grpc_address)) as client,
        pytest.raises(triton_grpc.InferenceServerException) as caught,
    ):
        client.infer(server.model.name, made)
    return str(caught.value.status()), str(caught.value.message())


def test_requests_beyond_those_that_may_wait_are_put_off(stored: Stored) -> None:
    model = stored("slow")
    settings = {
        "PENSTOCK_SERVE_WAITING_REQUESTS": "2",
        "PENSTOCK_SERVE_THREADS": "1",
        "PENSTOCK_SERVE_REQUEST_SECONDS": "4",
    }
    with running(model, **settings) as server, ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(server.infer, _request(model, ENDLESS)) for _ in range(2)]
        server.wait_until(lambda: server.figure("penstock_server_in_flight") == 2, "two in flight")
        answer = server.infer(_request(model, 1.0))
        assert answer.status_code == 503
        assert answer.json() == {"error": "too many requests are waiting; try again"}
        assert answer.headers["retry-after"] == "1"
        code, words = _over_grpc(server, arrays(model, {"which": [1.0], "loops": [1.0]}))
        assert (code, words) == (
            "StatusCode.RESOURCE_EXHAUSTED",
            "too many requests are waiting; try again",
        )
        assert server.get("/v2/health/ready").status_code == 200
        assert [one.result().status_code for one in waiting] == [504, 504]


def test_messages_that_together_take_too_much_memory_are_put_off(stored: Stored) -> None:
    with running(stored("visitors"), PENSTOCK_SERVE_WAITING_BYTES="500") as server:
        message = good_message(raw=True)
        message.id = "x" * 250
        for _ in range(4):
            message.outputs.add(name="label" * 20)
        with grpc.insecure_channel(server.grpc_address) as channel:
            infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            with pytest.raises(grpc.RpcError) as caught:
                infer(message.SerializeToString(), timeout=SECONDS)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert caught.value.details() == "too many large requests at once; try again"
            infer(good_message(raw=True).SerializeToString(), timeout=SECONDS)


def test_any_number_of_the_largest_messages_fits_into_a_pod_of_the_default_size(stored: Stored) -> None:
    message = service_pb2.ModelInferRequest(model_name="visitors")
    tensor = message.inputs.add(name="city", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.extend([b"ab"] * 2_600_000)
    content = message.SerializeToString()
    assert 10_000_000 < len(content) < 10 * 1024 * 1024
    with running(stored("visitors")) as server:

        def ask(_: int) -> str:
            with grpc.insecure_channel(server.grpc_address, [("grpc.use_local_subchannel_pool", 1)]) as one:
                with pytest.raises(grpc.RpcError) as caught:
                    one.unary_unary("/inference.GRPCInferenceService/ModelInfer")(content, timeout=SECONDS)
                return str(caught.value.code().name)

        with ThreadPoolExecutor(12) as pool:
            codes = set(pool.map(ask, range(12)))
        assert codes <= {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
        print(f"{codes}, at most {int(peak) / 1024:.0f} MiB")
        assert int(peak) < 480 * 1024


def test_a_grpc_client_that_goes_away_is_counted_and_no_error_of_ours(stored: Stored) -> None:
    model = stored("slow")
    with running(model, PENSTOCK_SERVE_REQUEST_SECONDS="5") as server:
        with grpc.insecure_channel(server.grpc_address) as channel:
            call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer").future(
                slow_message(model, ENDLESS), timeout=SECONDS
            )
            server.wait_until(lambda: server.figure("penstock_server_in_flight") == 1, "in flight")
            call.cancel()
            cancelled = {"protocol": "grpc", "code": "CANCELLED"}
            server.wait_until(
                lambda: server.figure("penstock_server_requests_total", **cancelled) == 1, "cancelled"
            )
        # The model itself was stopped: both threads are free at once.
        assert server.infer(_request(model, 1.0)).status_code == 200
        assert "internal error" not in "".join(server.raw)


def slow_message(model: StoredModel, loops: float) -> bytes:
    """A request to `slow` for that many rounds of work."""
    message = service_pb2.ModelInferRequest(model_name=model.name)
    for name, value in (("which", 1.0), ("loops", loops)):
        message.inputs.add(name=name, datatype="FP64", shape=[1]).contents.fp64_contents.append(value)
    content: bytes = message.SerializeToString()
    return content


def test_a_request_id_in_a_header_comes_back_and_one_is_made_where_none_came(stored: Stored) -> None:
    model = stored("visitors")
    with running(model) as server:
        url = f"{server.url}{server.model_path}/infer"
        request = {"inputs": tensors(model, rows(model, 0, 1))}

        def ask(headers: dict[str, str], body: Any = request) -> httpx.Response:
            return httpx.post(url, json=body, headers=headers, timeout=SECONDS)

        assert ask({"X-Request-Id": "r-17"}).headers["x-request-id"] == "r-17"
        assert ask({"X-Request-Id": "r-18"}, {}).headers["x-request-id"] == "r-18"
        made = [ask({}).headers["x-request-id"] for _ in range(3)]
        assert len(set(made)) == 3
        assert "id" not in ask({"X-Request-Id": "r-17"}).json()
        for odd in ("two words", "x" * 257):
            assert ask({"X-Request-Id": odd}).headers["x-request-id"] not in (odd, "")
        assert "r-17" not in "".join(server.raw)
        with grpc.insecure_channel(server.grpc_address) as channel:
            infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            content = good_message(raw=True).SerializeToString()
            _, call = infer.with_call(content, metadata=(("x-request-id", "g-1"),), timeout=SECONDS)
            assert ("x-request-id", "g-1") in [(key, value) for key, value in call.trailing_metadata()]
            _, call = infer.with_call(content, timeout=SECONDS)
            assert dict(call.trailing_metadata())["x-request-id"]


def test_a_worker_that_hangs_up_half_way_holds_no_bytes(stored: Stored) -> None:
    """What is held is given back however a request ends: else the server would refuse everybody some day."""
    with running(stored("visitors"), PENSTOCK_SERVE_WAITING_BYTES="3000") as server:
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", server.port), SECONDS) as client:
                head = f"POST {server.model_path}/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n"
                client.sendall(head.encode() + b" " * 900)
                server.wait_until(lambda: server.figure("penstock_server_in_flight") == 1, "in flight")
            server.wait_until(lambda: server.figure("penstock_server_in_flight") == 0, "given up")
        request = {"inputs": tensors(server.model, rows(server.model, 0, 1))}
        assert server.infer(request).status_code == 200
