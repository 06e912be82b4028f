"""The real server, the real `ship`, a real S3 server: outages, kills, ends. Nothing fails, all is counted."""

import functools
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from penstock_artifacts.errors import ArtifactCorrupt
from penstock_artifacts.prediction_log import missing
from penstock_server.prediction_log import counts
from tests.artifacts.versitygw import S3Server, versitygw
from tests.server.model_folders import StoredModel
from tests.server.server_process import SECONDS, ServerProcess, environment, rows, tensors
from tests.server.ship_process import batches_of, figures, logging_server, outcomes, shipping
from tests.server.spools import START, answer, log
from tests.server.spools import rows as made_rows
from tests.support import wait_for

pytestmark = pytest.mark.slow

Stored = Callable[[str], StoredModel]


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    with versitygw(tmp_path / "s3") as server:
        yield server


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "log"


class Load:
    """Clients that ask one row after the other on connections that they keep."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._bodies = [
            {"inputs": tensors(server.model, rows(server.model, index, index + 1))} for index in range(100)
        ]
        self._numbers = itertools.count()
        self.answered: list[str] = []  # ids of the requests that got their answer
        self.failed: list[str] = []

    def run(self, requests: int, threads: int = 4) -> None:
        """Ask so many times."""
        with ThreadPoolExecutor(threads) as pool:
            for _ in range(threads):
                pool.submit(self.client, lambda: next(self._numbers) >= requests)
        self._numbers = itertools.count()

    def client(self, enough: Callable[[], bool]) -> None:
        """One client, until it is enough or the server is gone."""
        with httpx.Client(timeout=SECONDS) as session:
            url = f"{self._server.url}{self._server.model_path}/infer"
            while not enough():
                name = f"{threading.get_ident()}-{len(self.answered)}-{os.urandom(4).hex()}"
                body = {**self._bodies[len(self.answered) % 100], "id": name}
                try:
                    code = session.post(url, content=json.dumps(body).encode()).status_code
                except httpx.TransportError:
                    self.failed.append(name)
                    return
                (self.answered if code == 200 else self.failed).append(name)


def _has_answered(load: Load, requests: int) -> bool:
    return len(load.answered) >= requests


def _all_have_an_outcome(server: ServerProcess, accepted: int) -> bool:
    return outcomes(server) == (accepted, accepted)


def test_five_thousand_requests_pass_while_the_store_hangs_and_while_it_is_down(
    stored: Stored, s3: S3Server, spool: Path
) -> None:
    with (
        logging_server(stored("visitors"), spool) as server,
        shipping(spool, s3.environment) as ship,
    ):
        load = Load(server)
        load.run(500)
        wait_for("the first rows", lambda: figures(server)["stored"] > 0)
        s3.hang()
        before = figures(server)["stored"]
        load.run(2000)  # all answered while the store answers nothing at all
        s3.stop()
        load.run(2000)
        assert ship.wait_for("predictions cannot be stored for now")["level"] == "error"
        during = figures(server)
        assert during["accepted_rows_total"] == 4500
        assert during["stored"] <= before + 500  # nothing of what was asked meanwhile
        assert during["spool_bytes"] > 0
        s3.start()
        load.run(500)
        wait_for("every row's outcome", lambda: outcomes(server) == (5000, 5000))
        ship.wait_for("predictions are stored again")
        after = figures(server)
    assert not load.failed
    assert len(load.answered) == 5000
    assert (after["stored"], after["dropped"], after["lost"]) == (5000, 0, 0)
    batches, table = batches_of(s3, "visitors-live")
    assert missing(batches) == 0
    assert sorted(table["request_id"].to_list()) == sorted(load.answered)


def test_a_small_spool_drops_during_an_outage_and_the_batches_say_so(
    stored: Stored, s3: S3Server, spool: Path
) -> None:
    s3.stop()
    with (
        logging_server(stored("visitors"), spool, PENSTOCK_SERVE_LOG_BYTES="20000") as server,
        shipping(spool, s3.environment),
    ):
        load = Load(server)
        load.run(600)
        wait_for("rows to be dropped", lambda: figures(server)["dropped"] > 0)
        s3.start()
        wait_for("every row's outcome", lambda: outcomes(server) == (600, 600))
        load.run(10)  # batches tell of rows that were dropped before them
        wait_for("every row's outcome", lambda: outcomes(server) == (610, 610))
        after = figures(server)
    assert not load.failed
    batches, table = batches_of(s3, "visitors-live")
    assert after["lost"] == 0
    assert missing(batches) == after["dropped"] == 610 - table.height
    assert set(table["request_id"]) <= set(load.answered)


def test_what_a_killed_server_takes_with_it_is_counted_and_little(
    stored: Stored, s3: S3Server, spool: Path
) -> None:
    model = stored("visitors")
    with ExitStack() as stack:
        ship = stack.enter_context(shipping(spool, s3.environment))
        answered: list[str] = []
        cut = 0
        for _ in range(3):
            with logging_server(model, spool) as server:
                load = Load(server)
                with ThreadPoolExecutor(4) as pool:
                    for _ in range(4):
                        pool.submit(load.client, lambda: False)
                    wait_for("some load", functools.partial(_has_answered, load, 300), every=0.001)
                    server.process.kill()
                answered += load.answered
                cut += len(load.failed)
        with logging_server(model, spool) as server:
            wait_for("every row's outcome", lambda: len(set(outcomes(server))) == 1)
            found = figures(server)
        wait_for("ship to see the end", lambda: len(list(spool.glob("*/counters"))) == 0)
        assert not [line for line in ship.lines if line["level"] == "error"]
    batches, table = batches_of(s3, "visitors-live")
    logged = table["request_id"].to_list()
    assert len(logged) == len(set(logged)) == found["stored"]
    assert found["dropped"] == 0
    assert missing(batches) == found["lost"]
    assert len(answered) <= found["accepted_rows_total"] <= len(answered) + cut
    assert found["stored"] + found["lost"] == found["accepted_rows_total"]
    assert len(set(answered) - set(logged)) <= found["lost"]
    assert len({batch.instance for batch in batches}) == 3


STEPS = ("plan", "build", "put", "note", "delete", "fold")


@pytest.mark.parametrize("step", [*STEPS, "stored"])
def test_a_ship_that_is_killed_at_each_step_misses_no_row_and_stores_none_twice(
    step: str, s3: S3Server, spool: Path
) -> None:
    program = Path(__file__).with_name("killed_ship.py")
    roots = os.pathsep.join(path for path in sys.path if path)
    given = {**environment(s3.environment), "PYTHONPATH": roots}
    noted = log(spool, spool_bytes=4 << 20)  # so segments are small, and some end while it is written to
    kills = 0
    for burst in range(4):
        noted.add(made_rows(12_000, burst * 12_000), answer(12_000), f"burst-{burst}", 12_000)
        wait_for("the spool", lambda: noted._queued == 0, every=0.001)
        if burst == 3:
            noted.close()
        words = [sys.executable, str(program), str(spool), step]
        done = subprocess.run(words, env=given, check=False, timeout=SECONDS)
        kills += done.returncode == -signal.SIGKILL
    assert kills >= 1
    last = subprocess.run(
        [sys.executable, str(program), str(spool), ""], env=given, check=True, timeout=SECONDS
    )
    assert last.returncode == 0
    found = counts.read(spool)
    assert (found.accepted, found.stored, found.dropped, found.lost) == (48_000, 48_000, 0, 0)
    batches, table = batches_of(s3, "live", START)
    assert missing(batches) == 0
    assert sorted(table["input.age"].to_list()) == [float(number) for number in range(48_000)]


def test_at_the_end_the_server_closes_its_spool_and_ship_stores_the_rest(
    stored: Stored, s3: S3Server, spool: Path
) -> None:
    slow = '{"flushSeconds": 3600}'
    with (
        logging_server(stored("visitors"), spool, PENSTOCK_PREDICTION_LOG=slow) as server,
        shipping(spool, s3.environment, PENSTOCK_PREDICTION_LOG=slow) as ship,
    ):
        load = Load(server)
        load.run(50)
        ship.process.terminate()  # too early: the server still answers
        load.run(50)
        assert ship.process.poll() is None
        server.process.terminate()
        assert server.wait_for_exit() == 0
        assert ship.ended() == 0
        assert ship.wait_for("stopped")["rowsLeft"] == 0
    batches, table = batches_of(s3, "visitors-live")
    assert sorted(table["request_id"].to_list()) == sorted(load.answered)
    assert missing(batches) == 0
    assert counts.read(spool).stored == 100


def test_a_ship_that_cannot_store_ends_in_time_and_says_how_much_it_left(
    stored: Stored, s3: S3Server, spool: Path
) -> None:
    with (
        logging_server(stored("visitors"), spool) as server,
        shipping(spool, s3.environment, PENSTOCK_SERVE_LOG_STOP_SECONDS="1") as ship,
    ):
        s3.hang()
        Load(server).run(20)
        server.process.terminate()
        server.wait_for_exit()
        ship.process.terminate()
        assert ship.ended() == 0
        assert ship.wait_for("stopped")["rowsLeft"] == 20
    s3.go_on()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"PENSTOCK_STORE_URL": ""}, "has no key url"),
        ({"PENSTOCK_STORE_URL": "s3://elsewhere"}, "the bucket does not exist"),
        ({"PENSTOCK_STORE_SECRET_ACCESS_KEY": "CANARY-wrong"}, "refused the credentials"),
    ],
)
def test_a_store_that_is_wrongly_configured_is_told_in_words_and_tried_again(
    changed: dict[str, str], words: str, s3: S3Server, spool: Path
) -> None:
    noted = log(spool)
    noted.add(made_rows(3), answer(3), "a", 3)
    noted.close()
    with shipping(spool, {**s3.environment, **changed}) as ship:
        line = ship.wait_for("predictions cannot be stored for now")
        assert words in line["reason"]
        assert line["rowsWaiting"] == 3
        assert "CANARY" not in str(ship.lines)
    with shipping(spool, s3.environment):
        wait_for("the rows", lambda: counts.read(spool).stored == 3)


def test_several_workers_and_pods_never_clash_and_any_worker_tells_the_sums(
    stored: Stored, s3: S3Server, tmp_path: Path
) -> None:
    model = stored("visitors")
    with ExitStack() as stack:
        loads = []
        for pod in ("a", "b"):
            spool = tmp_path / pod
            server = stack.enter_context(logging_server(model, spool, PENSTOCK_SERVE_WORKERS="2"))
            stack.enter_context(shipping(spool, s3.environment, PENSTOCK_POD=f"visitors-{pod}"))
            loads.append(Load(server))
        for load in loads:
            load.run(400, threads=8)
            server = load._server
            wait_for("every row's outcome", functools.partial(_all_have_an_outcome, server, 400))
            # Each scrape comes from whichever worker takes the connection.
            assert {figures(server)["stored"] for _ in range(12)} == {400}
        for load in loads:
            load._server.process.terminate()
            load._server.wait_for_exit()
    batches, table = batches_of(s3, "visitors-live")
    assert missing(batches) == 0
    assert sorted(table["request_id"].to_list()) == sorted(loads[0].answered + loads[1].answered)
    by_pod = {batch.instance[:8] for batch in batches}
    assert len(by_pod) == 2


def test_a_byte_that_is_flipped_in_the_store_is_noticed(s3: S3Server, spool: Path) -> None:
    noted = log(spool)
    noted.add(made_rows(3), answer(3), "a", 3)
    noted.close()
    with shipping(spool, s3.environment):
        wait_for("the rows", lambda: counts.read(spool).stored == 3)
    (path,) = s3.objects.rglob("*.parquet")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactCorrupt, match=path.name):
        batches_of(s3, "live", START)


def test_redacted_columns_reach_neither_spool_nor_store(stored: Stored, s3: S3Server, spool: Path) -> None:
    model = stored("visitors")
    private = '{"flushSeconds": 0.5, "redact": ["city", "age"]}'
    with (
        logging_server(model, spool, PENSTOCK_PREDICTION_LOG=private) as server,
        shipping(spool, s3.environment),
    ):
        body = {"inputs": tensors(model, {**rows(model, 1, 2), "city": ["CANARY"], "age": [12345.25]})}
        assert server.infer(body).status_code == 200
        wait_for("the row", lambda: figures(server)["stored"] == 1)
        spooled = b"".join(path.read_bytes() for path in spool.rglob("*") if path.is_file())
    kept = b"".join(path.read_bytes() for path in s3.objects.rglob("*") if path.is_file())
    for content in (spooled, kept):
        assert b"CANARY" not in content
        assert b"12345.25" not in content
    _, table = batches_of(s3, "visitors-live")
    assert [name for name in table.columns if name.startswith("input.")] == ["input.visits", "input.member"]


def test_a_server_without_a_log_has_no_figures_of_one(stored: Stored, spool: Path) -> None:
    with logging_server(stored("iris"), spool, PENSTOCK_PREDICTION_LOG="") as server:
        assert "penstock_server_log_" not in server.get("/metrics").text
    assert not spool.exists()
