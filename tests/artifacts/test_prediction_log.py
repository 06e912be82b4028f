"""Where batches of the prediction log lie, and how they are found, checked and removed."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_artifacts.errors import ArtifactCorrupt, ArtifactMissing, StoreUnavailable
from penstock_artifacts.prediction_log import Batch, PredictionLog, key_of, missing, parse_key
from penstock_artifacts.store import store_from
from tests.artifacts.versitygw import versitygw

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def made(start: datetime, content: bytes = b"x", *, rows: int = 1, seconds: float = 0, **more: int) -> Batch:
    milliseconds = round(start.timestamp() * 1000)
    return Batch(
        namespace="ml",
        endpoint="live",
        start=milliseconds,
        end=milliseconds + round(seconds * 1000),
        version="tumour-g3-2",
        instance="0123abcd89ef4567",
        first=more.get("first", 0),
        rows=rows,
        lost=more.get("lost", 0),
        sha256=hashlib.sha256(content).hexdigest(),
    )


@pytest.fixture(params=["folder", "s3"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PredictionLog]:
    if request.param == "folder":
        place = {"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"}
        yield store_from(place, "ml").prediction_log("live")
        return
    with versitygw(tmp_path / "s3") as server:
        yield store_from(server.environment, "ml").prediction_log("live")


names = st.text(min_size=1, max_size=40) | st.sampled_from(
    ["a-1-2-3", "1-2", "-", "--", "tumour-g3.parquet", "a/b", "..", ".", "50%", "é", "a~b", "1-0-0-1"]
)
numbers = st.integers(0, 2**53)


@given(
    namespace=names,
    endpoint=names,
    start=st.integers(0, 4_000_000_000_000),
    end=st.integers(0, 4_000_000_000_000),
    version=names,
    instance=st.from_regex(r"[0-9a-z]{1,24}", fullmatch=True),
    first=numbers,
    rows=numbers,
    lost=numbers,
    sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
)
def test_every_batch_comes_back_from_its_key(**parts: Any) -> None:
    batch = Batch(**parts)
    assert parse_key(key_of(batch)) == batch
    assert len(key_of(batch).split("/")) == 6


def test_the_key_is_what_the_contract_says() -> None:
    batch = made(NOON + timedelta(minutes=3), first=1200, rows=500, lost=7, seconds=9.5)
    start = 1795608180000
    assert key_of(batch) == (
        f"ml/log/live/2026-11-25/12/{start}-{start + 9500}-tumour-g3-2-0123abcd89ef4567-1200-500-7-"
        f"{hashlib.sha256(b'x').hexdigest()}.parquet"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key.replace("/12/", "/13/"),
        lambda key: key.replace("2026-11-25", "2026-11-24"),
        lambda key: key.replace("/log/", "/blobs/"),
        lambda key: key + ".tmp",
        lambda key: key.rpartition("/")[2],
        lambda key: key[:-12] + ".parquet",
        lambda key: "",
    ],
)
def test_what_is_no_key_of_a_batch_is_refused(change: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="not the key of a batch"):
        parse_key(change(key_of(made(NOON))))


def test_batches_with_rows_in_the_window_are_found_in_order(log: PredictionLog) -> None:
    at = {
        "long before": made(NOON - timedelta(hours=1, minutes=1), first=1),
        "before": made(NOON - timedelta(seconds=20), first=2, seconds=19.999),
        "reaches in": made(NOON - timedelta(seconds=9), first=3, seconds=9),
        "first": made(NOON, first=4),
        "last": made(NOON + timedelta(minutes=59, seconds=59), first=5),
        "next hour": made(NOON + timedelta(hours=1, seconds=1), first=6, seconds=5),
        "after": made(NOON + timedelta(hours=1, seconds=30), first=7),
    }
    for batch in reversed(at.values()):
        log.put(batch, b"x")
    found = log.batches(NOON, NOON + timedelta(hours=1, seconds=30))
    assert found == [at[name] for name in ("reaches in", "first", "last", "next hour")]
    assert log.batches(NOON + timedelta(days=1), NOON + timedelta(days=1, minutes=5)) == []


def test_bytes_come_back_and_storing_them_twice_is_a_success(log: PredictionLog) -> None:
    batch = made(NOON, b"rows")
    log.put(batch, b"rows")
    log.put(batch, b"rows")
    assert log.read(batch) == b"rows"
    with pytest.raises(ArtifactMissing):
        log.read(replace(batch, first=5))
    with pytest.raises(ArtifactCorrupt, match="not the bytes of log batch"):
        log.put(batch, b"other")


def test_a_flipped_byte_is_noticed_and_the_message_names_the_object(tmp_path: Path) -> None:
    with versitygw(tmp_path / "s3") as server:
        log = store_from(server.environment, "ml").prediction_log("live")
        batch = made(NOON, b"rows")
        log.put(batch, b"rows")
        path = server.objects / "team" / key_of(batch)
        path.write_bytes(b"rowt")
        with pytest.raises(ArtifactCorrupt) as caught:
            log.read(batch)
    assert batch.name in str(caught.value)
    assert "delete that object" in str(caught.value)


def test_a_store_that_is_down_is_told_apart_from_an_empty_log(tmp_path: Path) -> None:
    with versitygw(tmp_path / "s3") as server:
        log = store_from(server.environment, "ml").prediction_log("live")
        assert log.batches(NOON, NOON + timedelta(minutes=5)) == []
        server.stop()
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            log.batches(NOON, NOON + timedelta(minutes=5))


def test_expiry_removes_whole_days_of_this_endpoint_only(log: PredictionLog) -> None:
    other = PredictionLog(log._bucket, "ml", "live2")
    old = [made(NOON - timedelta(days=days, hours=hour)) for days in (3, 40) for hour in (0, 5)]
    kept = made(NOON.replace(hour=0) - timedelta(days=2))
    elsewhere = replace(made(NOON - timedelta(days=9)), endpoint="live2")
    for batch in (*old, kept):
        log.put(batch, b"x")
    other.put(elsewhere, b"x")
    assert log.expire(date(2026, 11, 23)) == 4
    assert log.batches(NOON - timedelta(days=4), NOON) == [kept]
    assert other.read(elsewhere) == b"x"
    assert log.expire(date(2026, 11, 23)) == 0


def test_files_of_others_are_neither_read_nor_removed(tmp_path: Path) -> None:
    log = store_from({"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"}, "ml").prediction_log("live")
    batch = made(NOON)
    log.put(batch, b"x")
    hour = tmp_path / "store" / Path(key_of(batch)).parent
    (hour / "notes.txt").write_text("mine")
    (hour.parent.parent / "README").mkdir()
    (hour.parent.parent / "README/text").write_text("mine")
    assert log.batches(NOON, NOON + timedelta(minutes=1)) == [batch]
    assert log.expire(date(2026, 1, 1)) == 0
    assert (hour.parent.parent / "README/text").exists()


@pytest.mark.parametrize(
    ("batches", "rows"),
    [
        ([], 0),
        ([(0, 10, 0)], 0),
        ([(0, 10, 0), (10, 5, 0), (15, 1, 0)], 0),
        ([(15, 1, 0), (0, 10, 0), (10, 5, 0)], 0),  # in any order
        ([(3, 10, 3), (15, 5, 2)], 5),  # what they say themselves, once
        ([(0, 10, 0), (15, 1, 0)], 5),  # a batch of 5 rows was removed
        ([(0, 10, 0), (17, 1, 2)], 7),  # removed, and 2 more were lost
        ([(500, 10, 0)], 0),  # the log goes back further than the window
        ([(500, 10, 4)], 4),
        ([(0, 10, 0), (13, 0, 3)], 3),  # the last rows of an instance were lost
    ],
)
def test_missing_rows_are_what_batches_say_and_what_lies_between_them(
    batches: list[tuple[int, int, int]], rows: int
) -> None:
    found = [made(NOON, first=first, rows=count, lost=lost) for first, count, lost in batches]
    assert missing(found) == rows
    twins = [replace(batch, instance="another") for batch in found]
    assert missing([*found, *twins]) == 2 * rows
