"""The halves of the prediction log: what is noted comes out as it was, in whole batches, and is counted."""

import contextlib
import functools
import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from penstock_artifacts.model import Prediction
from penstock_artifacts.prediction_log import missing
from penstock_server.prediction_log import counts
from penstock_server.prediction_log.counters import Cell
from penstock_server.prediction_log.settings import LogSettings
from penstock_server.prediction_log.spool import used_bytes
from penstock_server.prediction_log.writer import SpooledLog
from penstock_server.settings import SettingsError
from penstock_spec import serving_contract
from tests.server.server_process import environment
from tests.server.spools import (
    START,
    Clock,
    Shelf,
    answer,
    balanced,
    log,
    rows,
    shipper,
    signature,
    written,
)
from tests.support import wait_for

HOUR = 3_600_000


def shipped(folder: Path, now: int = START) -> Shelf:
    shelf = Shelf()
    shipper(folder, shelf).round(now, everything=True)
    return shelf


def test_parquet_holds_exactly_what_was_sent(tmp_path: Path) -> None:
    noted = log(tmp_path)
    columns: dict[str, list[Any]] = {
        "age": [1.5, None, -0.0],
        "visits": [3, 2**60, None],
        "member": [True, None, False],
        "city": ["Rīga", None, ""],
    }
    probabilities = np.array([[0.25, 0.75], [0.9, 0.1], [0.5, 0.5]])
    noted.add(columns, Prediction(labels=[True, False, True], probabilities=probabilities), "request-1", 3)
    noted.close()
    shelf = shipped(tmp_path)
    (batch,) = shelf.batches
    found = shelf.table()
    assert found.schema == {
        "time": polars.Datetime("ms", "UTC"),
        "request_id": polars.String,
        "row": polars.Int32,
        "input.age": polars.Float64,
        "input.visits": polars.Float64,
        "input.member": polars.Boolean,
        "input.city": polars.String,
        "output.label": polars.Boolean,
        "output.probability": polars.Float64,
    }
    for name, cells in columns.items():
        assert found[f"input.{name}"].to_list() == cells
    assert found["output.label"].to_list() == [True, False, True]
    assert found["output.probability"].to_list() == [0.75, 0.9, 0.5]
    assert found["request_id"].to_list() == ["request-1"] * 3
    assert found["row"].to_list() == [0, 1, 2]
    assert found["time"].dt.timestamp("ms").to_list() == [START] * 3
    assert polars.read_parquet_metadata(shelf.batches[batch]) == {
        "digest": "sha256:" + "1" * 64,
        "version": "m-g3-2",
        "endpoint": "live",
        "instance": batch.instance,
    }
    assert batch.sha256 == hashlib.sha256(shelf.batches[batch]).hexdigest()
    assert (batch.start, batch.end, batch.first, batch.rows, batch.lost) == (START, START, 0, 3, 0)
    assert batch.version == "m-g3-2"


@pytest.mark.parametrize(
    ("name", "cells", "wanted"),
    [
        ("age", np.array([1.5, np.nan, np.inf]), [1.5, None, float("inf")]),
        ("age", np.array([1.5, 2.5, -np.inf], dtype=np.float32), [1.5, 2.5, float("-inf")]),
        ("age", np.array([0.1, np.nan, 1], dtype=np.float32), [float(np.float32(0.1)), None, 1.0]),
        ("age", np.array([0.1, 2, 1], dtype=np.float16), [float(np.float16(0.1)), 2.0, 1.0]),
        ("age", np.arange(6.0)[::2], [0.0, 2.0, 4.0]),
        ("age", [1, None, 2.5], [1.0, None, 2.5]),
        ("visits", np.array([1, -2, 3], dtype=np.int16), [1.0, -2.0, 3.0]),
        ("visits", np.array([1, 2, 2**63], dtype=np.uint64), [1.0, 2.0, 2.0**63]),
        ("member", np.array([True, False, True]), [True, False, True]),
        ("member", np.array([1.0, 0.0, np.nan]), [True, False, None]),
        ("city", np.array(["a", None, "c" * 300], dtype=object), ["a", None, "c" * 256]),
        ("city", ["é" * 257, "é" * 256, None], ["é" * 256, "é" * 256, None]),
    ],
)
def test_cells_come_out_alike_however_they_came_in(
    tmp_path: Path, name: str, cells: Any, wanted: list[Any]
) -> None:
    noted = log(tmp_path)
    noted.add({**rows(3), name: cells}, answer(3), "a", 3)
    noted.close()
    assert shipped(tmp_path).table()[f"input.{name}"].to_list() == wanted


@pytest.mark.parametrize(
    ("labels", "prediction", "wanted", "kind"),
    [
        ((1, 2), Prediction(labels=[2, 1]), [2, 1], polars.Int64),
        (("no", "yes"), Prediction(labels=["yes", "no"]), ["yes", "no"], polars.String),
        ((0.5, 1.5), Prediction(labels=[1.5, 0.5]), [1.5, 0.5], polars.Float64),
        ((False, True), Prediction(labels=[True, False]), [True, False], polars.Boolean),
    ],
)
def test_labels_keep_the_type_of_the_target(
    tmp_path: Path, labels: tuple[Any, ...], prediction: Prediction, wanted: list[Any], kind: Any
) -> None:
    noted = log(tmp_path, signature(labels=labels))
    noted.add(rows(2), prediction, "a", 2)
    noted.close()
    found = shipped(tmp_path).table()
    assert found["output.label"].dtype == kind
    assert found["output.label"].to_list() == wanted
    assert found["output.probability"].to_list() == [None, None]


def test_numbers_are_logged_as_predictions(tmp_path: Path) -> None:
    noted = log(tmp_path, signature(labels=()))
    noted.add(rows(3), Prediction(values=np.array([1.5, np.nan, np.inf])), "a", 3)
    noted.close()
    found = shipped(tmp_path).table()
    assert found["output.prediction"].to_list() == [1.5, None, float("inf")]
    assert not {"output.label", "output.probability"} & set(found.columns)


def test_redacted_columns_are_written_nowhere(tmp_path: Path) -> None:
    noted = log(tmp_path, redact=frozenset({"city", "age"}))
    noted.add({**rows(1), "city": ["CANARY"], "age": [123454321.0]}, answer(1), "a", 1)
    noted.close()
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"CANARY" not in everything
    assert b"123454321" not in everything
    found = shipped(tmp_path).table()
    assert {name for name in found.columns if name.startswith("input.")} == {"input.visits", "input.member"}


def test_a_name_to_redact_that_the_model_lacks_keeps_every_row_out_of_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noted = log(tmp_path, redact=frozenset({"citty", "age"}))
    for number in range(3):
        noted.add({**rows(2, number), "city": ["CANARY"] * 2}, answer(2), "a", 2)
    noted.close()
    (line,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert line.getMessage() == (
        "nothing is logged: predictionLog.redact names columns that the model does not take"
    )
    assert line.__dict__["fields"] == {"columns": ["'citty'; did you mean 'city'?"], "count": 1}
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"CANARY" not in everything
    shelf = shipped(tmp_path)
    found = balanced(tmp_path)
    assert (found.accepted, found.dropped) == (6, 6)
    assert [batch.rows for batch in shelf.batches] in ([], [0])


def test_the_same_rows_give_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    """The Parquet library keeps metadata in a hash map with a seed of its own."""
    program = (
        "import sys, hashlib; from pathlib import Path; from tests.server.spools import one_segment\n"
        "from penstock_server.prediction_log.parquet import to_parquet\n"
        "print(hashlib.sha256(to_parquet(*one_segment(Path(sys.argv[1])))).hexdigest())"
    )
    found = set()
    for number in range(5):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / str(number))],
            env=with_tests(),
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_a_batch_ends_with_ten_thousand_rows_with_the_hour_and_with_the_server(tmp_path: Path) -> None:
    clock, shelf = Clock(START + HOUR - 2000), Shelf()
    noted, ship = log(tmp_path, clock=clock), shipper(tmp_path, shelf)
    noted.add(rows(10_000), answer(10_000), "a", 10_000)
    noted.add(rows(30_000), answer(30_000), "b", 30_000)
    noted.add(rows(5), answer(5), "c", 5)
    clock.now += 2000  # the next hour has begun
    noted.add(rows(7), answer(7), "d", 7)
    wait_for("the spool", lambda: written(tmp_path)[1] == 40_012)
    ship.round(clock.now)
    assert sizes(shelf) == [10_000] * 4 + [5]
    ship.round(clock.now + 9_999)
    assert sizes(shelf) == [10_000] * 4 + [5]
    ship.round(clock.now + 10_000)
    assert sizes(shelf) == [10_000] * 4 + [5, 7]
    clock.now += 20_000
    noted.add(rows(3), answer(3), "e", 3)
    noted.close()
    ship.round(clock.now)  # at once: nobody can add to it
    assert sizes(shelf) == [10_000] * 4 + [5, 7, 3]
    assert missing(shelf.batches) == 0
    assert all(batch.start // HOUR == batch.end // HOUR for batch in shelf.batches)
    assert balanced(tmp_path).stored == 40_015


def sizes(shelf: Shelf) -> list[int]:
    return [batch.rows for batch in sorted(shelf.batches, key=lambda one: (one.start, one.first))]


def test_nothing_is_stored_before_there_are_rows(tmp_path: Path) -> None:
    noted, shelf = log(tmp_path), Shelf()
    shipper(tmp_path, shelf).round(START, everything=True)
    noted.close()
    shipper(tmp_path, shelf).round(START, everything=True)
    assert not shelf.batches
    assert not segments_below(tmp_path)
    shipper(tmp_path / "not there", shelf).round(START, everything=True)


def segments_below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.seg"))


def test_a_part_of_the_requests_is_noted_with_all_its_rows(tmp_path: Path) -> None:
    noted = log(tmp_path, sample_ratio=0.25)
    for _ in range(2000):
        noted.add(rows(2), answer(2), "a", 2)
    noted.close()
    found = counts.read(tmp_path).accepted
    assert found % 2 == 0
    assert 800 <= found <= 1200  # 12 standard deviations around 1,000


def test_a_log_that_cannot_keep_up_drops_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock_server.prediction_log.writer.QUEUED_CELLS", 400)
    noted = log(tmp_path)
    for number in range(3000):
        noted.add(rows(1, number), answer(1), "a", 1)
    noted.close()
    shelf = shipped(tmp_path)
    found = balanced(tmp_path)
    assert found.accepted == 3000
    assert found.dropped > 0
    assert found.stored >= 100
    assert missing(shelf.batches) == found.dropped
    ages = shelf.table()["input.age"].to_list()
    assert ages == sorted(set(ages))


def test_a_request_larger_than_the_queue_is_noted_when_nothing_else_waits(tmp_path: Path) -> None:
    noted = log(tmp_path)
    noted.add(rows(200_000), answer(200_000), "a", 200_000)
    noted.close()
    shelf = shipped(tmp_path)
    assert shelf.table()["input.age"].to_list() == rows(200_000)["age"]
    assert shelf.table()["row"].to_list() == list(range(200_000))


def test_an_answer_that_cannot_be_written_down_is_dropped_and_the_others_are_not(tmp_path: Path) -> None:
    noted = log(tmp_path)
    noted.add(rows(1), answer(1), "a", 1)
    noted.add({**rows(1), "city": ["\ud800"]}, answer(1), "b", 1)
    noted.add({}, answer(1), "c", 1)
    noted.add(rows(1), answer(1), "d", 1)
    noted.close()
    assert shipped(tmp_path).table()["request_id"].to_list() == ["a", "d"]
    found = balanced(tmp_path)
    assert (found.stored, found.dropped + found.lost) == (2, found.accepted - 2)


def test_the_spool_is_bounded_whoever_has_filled_it(tmp_path: Path) -> None:
    limit = 64 * 1024
    for _ in range(3):  # three incarnations share the room
        noted = log(tmp_path, spool_bytes=limit)
        for _ in range(400):
            noted.add(rows(10), answer(10), "a", 10)
        noted.close()
        assert used_bytes(tmp_path) <= limit
    assert used_bytes(tmp_path) > limit * 0.9
    shelf = shipped(tmp_path)
    found = balanced(tmp_path)
    assert found.accepted == 12_000
    assert found.dropped > 6_000
    assert missing(shelf.batches) == found.dropped
    assert used_bytes(tmp_path) == 0


@contextlib.contextmanager
def tiny_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")


@needs_root
def test_a_full_disk_drops_rows_and_counts_them_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "disk", "256k") as folder:
        noted, shelf = log(folder), Shelf()
        ship = shipper(folder, shelf)
        for number in range(3000):
            noted.add(rows(10, number * 10), answer(10), "a", 10)
        wait_for(
            "an outcome of every row", lambda: written(folder)[0] + counts.read(folder).dropped == 30_000
        )
        before = counts.read(folder)
        assert before.dropped > 0
        assert before.accepted == 30_000
        ship.round(START, everything=True)
        assert counts.read(folder).stored == 30_000 - before.dropped
        # Ship keeps the segment that is still written to; the room of the others is free again.
        noted.add(rows(5, 9_000_000), answer(5), "b", 5)
        noted.close()
        ship.round(START, everything=True)
        found = balanced(folder)
    assert found.lost == 0
    assert missing(shelf.batches) == found.dropped
    ages = shelf.table()["input.age"].to_list()
    assert ages == sorted(set(ages))
    assert len(ages) == found.stored


def test_a_limit_on_the_size_of_files_drops_rows_and_counts_them(tmp_path: Path) -> None:
    program = (
        "import sys, resource; from pathlib import Path; from tests.server.spools import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "noted = log(Path(sys.argv[1]))\n"
        "for number in range(2000): noted.add(rows(1, number), answer(1), 'a', 1)\n"
        "noted.close()"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=with_tests(), check=True)
    shelf = shipped(tmp_path)
    found = balanced(tmp_path)
    assert found.accepted == 2000
    assert 0 < found.dropped < 2000
    assert found.lost == 0
    assert missing(shelf.batches) == found.dropped


def with_tests() -> dict[str, str]:
    """An environment in which the tests' own modules are found too."""
    roots = [path for path in sys.path if path]
    return {**environment({}), "PYTHONPATH": os.pathsep.join(roots)}


@needs_root
def test_a_disk_that_is_full_from_the_start_is_tried_again(tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "disk", "64k") as folder:
        filler = folder / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        clock = Clock()
        noted = log(folder, clock=clock)
        noted.add(rows(3), answer(3), "a", 3)
        wait_for("the rows to be dropped", lambda: noted._cells[Cell.DROPPED] == 3)
        filler.unlink()
        clock.now += 1000
        noted.add(rows(4), answer(4), "b", 4)
        noted.close()
        shelf = shipped(folder)
        found = balanced(folder)
    assert (found.accepted, found.dropped, found.stored) == (7, 3, 4)
    assert missing(shelf.batches) == 3


@pytest.mark.parametrize("damage", ["torn", "flipped", "zeros"])
def test_a_damaged_record_loses_what_follows_in_its_file_and_nothing_else(
    tmp_path: Path, damage: str
) -> None:
    for number in range(2):
        noted = log(tmp_path)
        noted.add(rows(20, number * 100), answer(20), "a", 20)
        noted.close()
    victim = segments_below(tmp_path)[0]
    content = victim.read_bytes()
    changed = {
        "torn": content[:-3],
        "flipped": content[:60] + bytes([content[60] ^ 1]) + content[61:],
        "zeros": bytes(len(content)),
    }
    victim.write_bytes(changed[damage])
    shelf = shipped(tmp_path)
    found = balanced(tmp_path)
    assert (found.stored, found.lost, found.dropped) == (20, 20, 0)
    assert missing(shelf.batches) == 20
    assert sorted(batch.rows for batch in shelf.batches) == [0, 20]
    assert shelf.table().height == 20


def test_a_batch_that_cannot_be_made_is_passed_over_and_said_to_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted, shelf = log(tmp_path), Shelf()
    noted.add(rows(4), answer(4), "a", 4)
    wait_for("the spool", lambda: written(tmp_path)[1] == 4)
    with monkeypatch.context() as patch:
        patch.setattr(
            "penstock_server.prediction_log.shipper.to_parquet", lambda *_: (_ for _ in ()).throw(ValueError)
        )
        shipper(tmp_path, shelf).round(START, everything=True)
    assert counts.read(tmp_path).lost == 4
    noted.add(rows(2), answer(2), "b", 2)
    noted.close()
    shipper(tmp_path, shelf).round(START, everything=True)
    (batch,) = shelf.batches
    assert (batch.first, batch.rows, batch.lost) == (4, 2, 4)
    assert balanced(tmp_path).lost == 4


def test_a_clock_that_is_set_back_begins_a_new_batch(tmp_path: Path) -> None:
    clock, shelf = Clock(START + HOUR + 5000), Shelf()
    noted = log(tmp_path, clock=clock)
    for name, step in (("a", 0), ("b", 10), ("c", -4000), ("d", 10), ("e", -2 * HOUR)):
        clock.now += step
        noted.add(rows(1), answer(1), name, 1)
    wait_for("the spool", lambda: written(tmp_path)[0] == 5)
    shipper(tmp_path, shelf).round(clock.now)
    assert [(batch.start - START, batch.end - START) for batch in shelf.batches] == [
        (HOUR + 5000, HOUR + 5010),
        (HOUR + 1010, HOUR + 1020),
    ]
    noted.close()
    shipper(tmp_path, shelf).round(clock.now)
    assert missing(shelf.batches) == 0
    assert shelf.table()["request_id"].to_list() == ["a", "b", "c", "d", "e"]
    assert all(batch.start <= batch.end for batch in shelf.batches)


class Crash(BaseException):
    """Takes the shipper down as a SIGKILL does: nothing catches it."""


@rules(max_examples=120, deadline=None)
@given(data=st.data())
def test_whenever_ship_is_killed_no_row_is_missing_and_none_is_there_twice(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, shelf = tmp_path_factory.mktemp("spool"), Shelf()
    sent = lost = 0
    for _ in range(data.draw(st.integers(1, 3), "incarnations")):
        noted = log(folder, spool_bytes=1 << 20)
        for size in data.draw(st.lists(st.integers(1, 4000), max_size=5), "requests"):
            noted.add(rows(size, sent), answer(size), f"request-{sent}", size)
            sent += size
            if data.draw(st.booleans(), "a kill while served"):
                wait_for("the spool", functools.partial(_is_written, noted), every=0.001)
                crashing_round(data, folder, shelf)
        noted.close()
        if data.draw(st.booleans(), "lost the last rows"):
            noted._cells[Cell.ACCEPTED] += 7  # as if a SIGKILL had come between the answer and the spool
            lost += 7
    for _ in range(data.draw(st.integers(0, 4), "kills afterwards")):
        crashing_round(data, folder, shelf)
    shipper(folder, shelf).round(START, everything=True)
    found = balanced(folder)
    assert (found.accepted, found.lost) == (sent + lost, lost)
    assert missing(shelf.batches) == lost + found.dropped
    ages = Counter(shelf.table()["input.age"].to_list()) if shelf.batches else Counter()
    assert set(ages.values()) <= {1}
    assert len(ages) == sent - found.dropped == found.stored
    assert not segments_below(folder)


def _is_written(noted: SpooledLog) -> bool:
    return noted._queued == 0


def crashing_round(data: st.DataObject, folder: Path, shelf: Shelf) -> None:
    """A round that is killed at the step of that number, before or (of a put) after it."""
    left = data.draw(st.integers(0, 12), "step")

    class Fragile(Shelf):
        def put(self, batch: Any, content: bytes) -> None:
            shelf.put(batch, content)
            step("after put")

    def step(_name: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Crash

    with contextlib.suppress(Crash):
        shipper(folder, Fragile(), at=step).round(START, everything=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "must be JSON"),
        ("[]", "must be a JSON object"),
        ('{"sampleRatio": 0}', "sampleRatio must be above 0 and at most 1"),
        ('{"sampleRatio": 1.5}', "sampleRatio must be above 0 and at most 1"),
        ('{"sampleRatio": true}', "sampleRatio must be above 0 and at most 1"),
        ('{"flushSeconds": 0}', "flushSeconds must be above 0 and at most 3600"),
        ('{"redact": "ssn"}', "redact must be a list of names of columns"),
    ],
)
def test_settings_without_sense_are_named(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=words):
        LogSettings.read({serving_contract.PREDICTION_LOG_VARIABLE: text}, tmp_path)


def test_without_the_variable_nothing_is_logged(tmp_path: Path) -> None:
    assert LogSettings.read({}, tmp_path) is None
    found = LogSettings.read({serving_contract.PREDICTION_LOG_VARIABLE: "{}"}, tmp_path)
    assert found is not None
    assert (found.sample_ratio, found.redact, found.flush_seconds) == (1.0, frozenset(), 10.0)
