"""What the operator says about itself and its work: log lines, Events, probes, metrics."""

import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from penstock_operator import events, health
from penstock_operator.core.actions import EventNote
from penstock_operator.logs import JsonLines
from penstock_operator.metrics import Metrics

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUN = {
    "apiVersion": "penstock.dev/v1alpha1",
    "kind": "PipelineRun",
    "metadata": {"name": "tumour-g1", "namespace": "ml", "uid": "u", "resourceVersion": "7"},
}


@pytest.mark.parametrize(
    "hostile", ['a\n{"level": "critical"}', "\x1b[31mred\x1b[0m", "\u2028line", "nul\x00", "é\ud800"]
)
def test_one_record_is_one_line_whatever_it_contains(hostile: str) -> None:
    record = logging.makeLogRecord(
        {"msg": "why: %s", "args": (hostile,), "levelname": "INFO", "extra_field": hostile}
    )
    line = JsonLines().format(record)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == f"why: {hostile}"
    assert json.loads(line)["extra_field"] == hostile


def test_no_series_has_a_twin_that_tells_when_it_began() -> None:
    metrics = Metrics()
    metrics.reconciled("Pipeline", "Done", 0.1)
    assert b"_created" not in metrics.text()


def test_a_huge_value_is_shortened() -> None:
    record = logging.makeLogRecord({"msg": "refused", "why": "x" * 100_000})
    assert len(JsonLines().format(record)) < 5_000


def test_an_event_s_name_is_that_of_one_transition() -> None:
    note = EventNote("StepFailed", "step fit failed", warning=True)
    once = events.manifest(RUN, note, NOW)
    assert once == events.manifest(RUN, note, NOW)
    later = {**RUN, "metadata": {**RUN["metadata"], "resourceVersion": "8"}}
    assert events.manifest(later, note, NOW)["metadata"]["name"] != once["metadata"]["name"]
    assert once["type"] == "Warning"
    assert once["involvedObject"]["uid"] == "u"


def test_an_event_of_the_longest_name_and_message_fits() -> None:
    long = {**RUN, "metadata": {**RUN["metadata"], "name": "n" * 253}}
    made = events.manifest(long, EventNote("R", "m" * 5000), NOW)
    assert len(made["metadata"]["name"]) <= 253
    assert len(made["message"]) == 1024


def pulse(compared: float, reconciled: float, *, waiting: int = 0, synced: bool = True) -> health.Pulse:
    return health.Pulse(0.0, lambda: compared, lambda: reconciled, lambda: waiting, lambda: synced)


def test_a_process_that_gets_things_done_is_healthy() -> None:
    assert pulse(900, 950).trouble(1000) == ""


def test_nothing_to_do_is_no_trouble() -> None:
    assert pulse(900, 0).trouble(1000) == ""


@pytest.mark.parametrize(
    ("sick", "words"),
    [
        (pulse(800, 990), "comparison"),
        (pulse(990, 800, waiting=1), "objects wait"),
        (pulse(0, 0, synced=False), "caches"),
    ],
)
def test_a_deaf_process_says_why_it_is_not_healthy(sick: health.Pulse, words: str) -> None:
    assert words in sick.trouble(1000)


def test_a_process_may_take_its_time_to_start() -> None:
    assert pulse(0, 0, synced=False).trouble(60) == ""


def test_a_process_that_is_told_that_its_kinds_do_not_exist_is_healthy_and_waits() -> None:
    assert pulse(990, 0, synced=False).trouble(1000) == ""


def test_the_metrics_of_a_request_are_counted_by_verb_kind_and_answer() -> None:
    metrics = Metrics()
    metrics.request("create", "Job", 201, 0.01)
    metrics.request("create", "Job", 0, 30.0)
    text = metrics.text().decode()
    assert 'penstock_api_requests_total{code="201",kind="Job",verb="create"} 1.0' in text
    assert 'penstock_api_requests_total{code="0",kind="Job",verb="create"} 1.0' in text


BLOCKED = """
import asyncio, logging, time
from penstock_operator import logs, watchdog
logs.configure("INFO")
watchdog.BEAT, watchdog.WARN_AFTER, watchdog.END_AFTER = 0.05, 0.2, {end}
async def main():
    task = asyncio.create_task(watchdog.Watchdog().run())
    await asyncio.sleep(0.1)
    time.sleep(1.5)
    await asyncio.sleep(0.1)
    task.cancel()
asyncio.run(main())
"""


@pytest.mark.parametrize(("end", "code"), [(0.6, 70), (60, 0)])
def test_an_event_loop_that_stands_still_is_reported_and_after_long_enough_ended(
    end: float, code: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(end=end)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "the event loop stands still" in done.stderr
    assert "time.sleep" in done.stderr or "in main" in done.stderr
