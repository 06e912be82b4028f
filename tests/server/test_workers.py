"""Several workers behind one port: one server to everybody who asks, scrapes or ends it."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from penstock_server.board import Board
from tests.server.hostile import good_json, good_message
from tests.server.model_folders import StoredModel, store
from tests.server.server_process import SECONDS, ServerProcess, running, wait_for

pytestmark = pytest.mark.slow

Stored = Callable[[str], StoredModel]
TWO = {"PENSTOCK_SERVE_WORKERS": "2"}


def _children(process: int) -> list[int]:
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(one) for one in text.split()]


def _lives(process: int) -> bool:
    """Whether it runs: a zombie that nobody has buried yet does not."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


def _ask(server: ServerProcess, count: int) -> None:
    content = good_message(raw=True).SerializeToString()
    for _ in range(count):
        assert server.infer(good_json()).status_code == 200
        with grpc.insecure_channel(server.grpc_address) as channel:
            channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(content, timeout=SECONDS)


def _wait_until_counted(server: ServerProcess, count: int) -> None:
    """A worker counts a request right after its answer; by then another may have been asked for the sums."""

    def counted() -> bool:
        rest = server.figure("penstock_server_requests_total", protocol="rest")
        return rest == count and server.figure("penstock_server_in_flight") == 0

    server.wait_until(counted, f"{count} requests counted")


def test_workers_share_the_ports_and_every_scrape_sums_over_them(stored: Stored) -> None:
    with running(stored("visitors"), **TWO) as server:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: _ask(server, 20), range(4)))
        _wait_until_counted(server, 80)
        ready = [line["worker"] for line in server.lines if line["event"] == "ready"]
        assert sorted(ready) == [0, 1]
        for _ in range(6):  # whichever worker answers
            for protocol, code in (("rest", "200"), ("grpc", "OK")):
                asked = {"protocol": protocol, "code": code}
                assert server.figure("penstock_server_requests_total", **asked) == 80
            assert server.figure("penstock_server_rows_total") == 160
            assert server.figure("penstock_server_ready") == 1
            assert server.figure("penstock_server_workers") == 2
            assert server.figure("penstock_server_workers_replaced_total") == 0
            assert server.figure("penstock_server_in_flight") == 0
            assert server.figure("penstock_server_model_info") == 1
            assert server.figure("process_resident_memory_bytes") > 2 * 50_000_000
        assert len(_children(server.process.pid)) == 2


def test_one_worker_needs_no_other_process(stored: Stored) -> None:
    with running(stored("iris")) as server:
        assert _children(server.process.pid) == []
        assert server.figure("penstock_server_workers") == 1


def test_a_worker_that_dies_is_replaced_and_counted_and_nothing_counted_is_lost(stored: Stored) -> None:
    with running(stored("visitors"), **TWO) as server:
        _ask(server, 10)
        _wait_until_counted(server, 10)
        before = _children(server.process.pid)
        os.kill(before[0], signal.SIGKILL)
        died = server.wait_for("a worker died")
        assert (died["signal"], died["worker"]) == ("SIGKILL", 0)
        server.wait_until(lambda: server.figure("penstock_server_workers") == 2, "two again")
        assert server.figure("penstock_server_workers_replaced_total") == 1
        assert server.figure("penstock_server_requests_total", protocol="rest") == 10
        assert server.get("/v2/health/ready").status_code == 200
        after = _children(server.process.pid)
        assert len(after) == 2
        assert before[1] in after
        assert before[0] not in after
        _ask(server, 10)
        _wait_until_counted(server, 20)


def test_requests_go_on_while_a_worker_is_replaced(stored: Stored) -> None:
    """Only what the dead worker itself had in hand is lost: new connections are answered at every moment."""
    with running(stored("visitors"), **TWO) as server:
        os.kill(_children(server.process.pid)[1], signal.SIGKILL)
        server.wait_for("a worker died")
        while server.figure("penstock_server_workers") < 2:
            assert server.infer(good_json()).status_code == 200
            assert server.get("/v2/health/ready").status_code == 200


def test_told_to_stop_all_workers_drain_and_end(stored: Stored) -> None:
    with running(stored("visitors"), PENSTOCK_SERVE_DRAIN_SECONDS="1", **TWO) as server:
        workers = _children(server.process.pid)
        server.process.terminate()
        server.wait_for("draining")
        assert server.wait_for_exit() == 0
        stopped = [
            (line.get("worker"), line["exitCode"]) for line in server.lines if line["event"] == "stopped"
        ]
        assert sorted(stopped[:2]) == [(0, 0), (1, 0)]
        assert stopped[2:] == [(None, 0)]
        assert not any(_lives(one) for one in workers)


def test_workers_end_when_the_supervising_process_is_killed(stored: Stored) -> None:
    with running(stored("visitors"), **TWO) as server:
        workers = _children(server.process.pid)
        server.process.kill()
        wait_for(lambda: not any(_lives(one) for one in workers), "the workers' end")


def test_a_model_that_no_worker_can_serve_ends_the_server_with_the_reason(
    stored: Stored, tmp_path: Path
) -> None:
    server = ServerProcess(store(tmp_path, stored("iris").signature, b"no graph", {}), TWO)
    assert server.wait_for_exit() == 1
    assert "model.onnx is not an ONNX model that" in server.wait_for("refused to serve")["reason"]


@pytest.mark.parametrize("option", ["--port", "--grpc-port"])
def test_a_port_that_is_taken_is_said_so(stored: Stored, option: str) -> None:
    with running(stored("iris")) as other:
        taken = other.wait_for("listening")["port" if option == "--port" else "grpcPort"]
        for settings in ({}, TWO):
            server = ServerProcess(other.model, settings, [option, str(taken)])
            assert server.wait_for_exit() == 2
            assert "cannot listen" in server.wait_for("wrongly configured")["reason"]


def test_a_server_is_ready_when_its_last_worker_has_loaded_and_stays_so_while_one_is_replaced() -> None:
    board = Board(3)
    for worker in (0, 2):
        board.loaded(worker, 100 + worker)
        assert not board.started
    board.loaded(1, 101)
    assert board.started
    board.died(1)
    assert board.started
    assert board.processes == [100, 0, 102]
    assert board.replaced == 1
