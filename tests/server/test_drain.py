"""A server is replaced under load: connections that are kept open see no failed request, REST nor gRPC."""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress

import grpc
import httpx
import pytest

from tests.server.hostile import good_json, good_message
from tests.server.model_folders import StoredModel
from tests.server.server_process import SECONDS, ServerProcess, running, wait_for
from tests.server.test_limits import slow_message

pytestmark = pytest.mark.slow

Stored = Callable[[str], StoredModel]
DRAIN = {"PENSTOCK_SERVE_DRAIN_SECONDS": "3"}
CLIENTS = 4  # of each protocol


class Switch:
    """As kube-proxy: a new connection goes to the server of the moment, an old one stays where it is."""

    def __init__(self, port: int) -> None:
        """Connections go to `port`."""
        self.target = port
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed: the test is over
            while True:
                here, _ = self._listening.accept()
                there = socket.create_connection(("127.0.0.1", self.target), SECONDS)
                for one, other in ((here, there), (there, here)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    one.settimeout(None)
                    threading.Thread(target=self._pipe, args=(one, other), daemon=True).start()

    def _pipe(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(65536):
                target.sendall(content)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """No more connections."""
        self._listening.close()


class Load:
    """Clients of both protocols that ask as fast as they are answered, each on a connection of its own."""

    def __init__(self, http: Switch, grpc_: Switch) -> None:
        """Nobody asks yet."""
        self._http, self._grpc = http, grpc_
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(2 * CLIENTS)
        self.answers = [0] * (2 * CLIENTS)
        self.failures: list[str] = []
        self._running: list[Future[None]] = []

    def start(self) -> None:
        """All begin."""
        for number in range(CLIENTS):
            self._running.append(self._pool.submit(self._rest, number))
            self._running.append(self._pool.submit(self._call, CLIENTS + number))

    def _rest(self, number: int) -> None:
        with httpx.Client(timeout=SECONDS) as client:
            url = f"http://127.0.0.1:{self._http.port}/v2/models/visitors/infer"
            while not self._over.is_set():
                try:
                    status = client.post(url, json=good_json()).status_code
                except httpx.HTTPError as error:
                    self.failures.append(f"REST: {error!r}")
                else:
                    if status != 200:
                        self.failures.append(f"REST: {status}")
                    self.answers[number] += 1

    def _call(self, number: int) -> None:
        content = good_message(raw=True).SerializeToString()
        with grpc.insecure_channel(
            f"127.0.0.1:{self._grpc.port}", [("grpc.use_local_subchannel_pool", 1)]
        ) as one:
            infer = one.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            while not self._over.is_set():
                try:
                    infer(content, timeout=SECONDS)
                except grpc.RpcError as error:
                    self.failures.append(f"gRPC: {error.code()} {error.details()}")
                else:
                    self.answers[number] += 1

    def each_has(self, more: int) -> None:
        """Wait until every client has got that many more answers."""
        wanted = [one + more for one in self.answers]
        wait_for(
            lambda: bool(self.failures) or all(a >= b for a, b in zip(self.answers, wanted, strict=True)),
            f"{more} more answers of each",
        )

    def end(self) -> None:
        """All stop."""
        self._over.set()
        for one in self._running:
            one.result(SECONDS)
        self._pool.shutdown()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_kept_connections_see_no_failed_request_when_a_server_is_replaced(
    stored: Stored, workers: str
) -> None:
    model = stored("visitors")
    settings = {**DRAIN, "PENSTOCK_SERVE_WORKERS": workers}
    with ExitStack() as stack:
        old: ServerProcess = stack.enter_context(running(model, **settings))
        new: ServerProcess = stack.enter_context(running(model, **settings))
        http, grpc_ = Switch(old.port), Switch(old.wait_for("listening")["grpcPort"])
        stack.callback(http.close)
        stack.callback(grpc_.close)
        load = Load(http, grpc_)
        load.start()
        stack.callback(load.end)
        load.each_has(20)
        http.target, grpc_.target = new.port, new.wait_for("listening")["grpcPort"]
        old.process.terminate()
        assert old.wait_for_exit() == 0
        load.each_has(20)
        assert load.failures == []
        for protocol in ("rest", "grpc"):
            assert new.figure("penstock_server_requests_total", protocol=protocol) > 0
    print(f"{sum(load.answers)} requests, {len(load.failures)} failed")
    assert load.failures == []


def test_a_call_in_flight_is_answered_although_the_server_was_told_to_stop(stored: Stored) -> None:
    with running(stored("slow"), PENSTOCK_SERVE_DRAIN_SECONDS="0") as server:
        with grpc.insecure_channel(server.grpc_address) as channel:
            infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            call = infer.future(slow_message(server.model, loops=20_000.0), timeout=SECONDS)
            server.wait_until(lambda: server.figure("penstock_server_in_flight") == 1, "in flight")
            server.process.terminate()
            server.wait_for("draining")
            assert call.result(SECONDS)
        assert server.wait_for_exit() == 0
