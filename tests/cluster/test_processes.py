"""Only the very process that was started is ever signalled."""

import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster.errors import ClusterError
from hack.cluster.processes import Process, Record, boot_id


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Process]:
    config = tmp_path / "config"
    config.write_text("a")
    argv = (sys.executable, "-c", "import time; time.sleep(600)")
    process = Process("sleeper", argv, tmp_path / "log", tmp_path / "record.json", (config,))
    process.start([])
    yield process
    process.stop(grace=1)


def own_namespace() -> int:
    return Path("/proc/self/ns/net").stat().st_ino


def test_a_started_process_is_found_again_and_stopped(sleeper: Process) -> None:
    assert sleeper.running()
    sleeper.stop()
    assert not sleeper.running()
    assert sleeper.record() is None


def test_a_recycled_pid_is_not_ours(sleeper: Process) -> None:
    record = sleeper.record()
    assert record is not None
    # This test's own process: were the record believed, stop() would end the test run.
    foreign = dataclasses.replace(record, pid=os.getpid())
    sleeper.record_file.write_text(json.dumps(dataclasses.asdict(foreign)))
    assert not sleeper.running()
    sleeper.stop()
    assert not sleeper.record_file.exists()
    sleeper.record_file.write_text(json.dumps(dataclasses.asdict(record)))
    assert sleeper.running()


def test_a_record_of_an_earlier_boot_is_not_ours(sleeper: Process) -> None:
    record = sleeper.record()
    assert record is not None
    assert record.boot == boot_id()
    assert not dataclasses.replace(record, boot="earlier").alive()


def test_a_zombie_does_not_run() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has buried it
    started = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    try:
        assert not Record(pid, started, boot_id(), "").alive()
    finally:
        os.waitpid(pid, 0)


def test_changed_words_configuration_or_namespace_ask_for_a_restart(sleeper: Process) -> None:
    assert sleeper.current(own_namespace())
    assert not sleeper.current(own_namespace() + 1)
    assert not dataclasses.replace(sleeper, argv=(*sleeper.argv, "--more")).current(own_namespace())
    sleeper.config[0].write_text("b")
    assert not sleeper.current(own_namespace())


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    deaf = f"import signal, time; {ignore}; print(1, flush=True); time.sleep(600)"
    process = Process("deaf", (sys.executable, "-c", deaf), tmp_path / "log", tmp_path / "record")
    process.start([])
    while not process.log.read_text():
        time.sleep(0.01)
    process.stop(grace=0.2)
    assert not process.running()


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1}'])
def test_a_damaged_record_is_no_record(tmp_path: Path, text: str) -> None:
    file = tmp_path / "record"
    file.write_text(text)
    process = Process("any", ("true",), tmp_path / "log", file)
    assert process.record() is None
    assert not process.running()


def test_a_program_that_does_not_exist_is_an_error_with_words(tmp_path: Path) -> None:
    process = Process("nothing", ("/no/such/program",), tmp_path / "log", tmp_path / "record")
    with pytest.raises(ClusterError, match="nothing"):
        process.start([])
