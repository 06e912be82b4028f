"""The window program: which rows count, when it cannot say, what it says and never says, what it leaves."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from penstock_spec.contract import Failure
from penstock_spec.names import FailureClass
from penstock_steps.drift.observed import Numbers
from penstock_steps.window import Window
from penstock_steps.window_log import read_window
from tests.steps.monitored import EVERY, START, VERSION, Monitored


def rows(count: int, seed: int = 0, *, shift: float = 0.0) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "age": generator.normal(50, 10, count) + shift,
            "visits": generator.poisson(3, count),
            "smoker": generator.random(count) < 0.3,
            "city": generator.choice(["Bern", "Basel", "Zug"], count),
        }
    )


@pytest.fixture
def monitored(tmp_path: Path) -> Monitored:
    return Monitored(tmp_path, rows(400, seed=99))


def test_a_calm_window_is_not_drifted_and_says_on_how_many_rows(monitored: Monitored) -> None:
    monitored.log_rows(rows(300, 1), over=EVERY / 2)
    monitored.log_rows(rows(250, 2), start=START + EVERY / 2, over=EVERY / 2, lost=12)
    result = monitored.judge()
    assert (result.verdict, result.reason, result.columns) == ("NotDrifted", "NoDrift", 4)
    assert result.message == "no drift in 4 columns; 550 rows (12 more were lost)"
    assert result.metrics == {**result.metrics, "rows": 550, "lost": 12}
    assert set(result.metrics) == {"rows", "lost", "psi_max", "ks_max", "chi2_max"}
    assert result.results == {"drifted": [], "driftedCount": 0, "unseen": [], "nulls": [], "units": []}


def test_a_drifted_window_names_the_columns_worst_first(monitored: Monitored) -> None:
    frame = rows(500, 1, shift=20).with_columns(smoker=pl.Series(np.arange(500) % 3 > 0))
    monitored.log_rows(frame)
    result = monitored.judge()
    assert (result.verdict, result.reason) == ("Drifted", "DriftFound")
    assert result.results["drifted"] == ["age", "smoker"]
    assert result.results["driftedCount"] == 2
    assert "'age' (" in result.message


def test_too_few_rows_are_unknown_with_their_number(monitored: Monitored) -> None:
    monitored.log_rows(rows(150))
    result = monitored.judge()
    assert (result.verdict, result.reason) == ("Unknown", "InsufficientSamples")
    assert result.message == "150 rows of tumour-3, needs at least 200 (minimumSamples)"
    assert result.metrics == {"rows": 150, "lost": 0}
    assert result.results == {}
    assert monitored.judge(minimumSamples=150).verdict == "NotDrifted"


def test_no_traffic_at_all_is_unknown(monitored: Monitored) -> None:
    result = monitored.judge()
    assert (result.verdict, result.reason, result.metrics["rows"]) == ("Unknown", "InsufficientSamples", 0)


def test_only_rows_of_the_window_and_of_the_served_bytes_count(monitored: Monitored) -> None:
    monitored.log_rows(rows(600), start=START - EVERY, over=2 * EVERY)  # half of them before the start
    monitored.log_rows(rows(400, 1), start=START + EVERY, over=EVERY)  # the next window's
    monitored.log_rows(rows(70), version="tumour-2")
    monitored.log_rows(rows(60), version=f"{VERSION}-1")
    monitored.log_rows(rows(40), digest="sha256:" + "1" * 64)
    result = monitored.judge()
    assert result.metrics["rows"] == 300
    report, _ = monitored.report(result)
    assert report["rows"]["ofAnotherModel"] == 40


def test_a_row_at_the_start_belongs_to_the_window_and_one_at_the_end_to_the_next(
    monitored: Monitored,
) -> None:
    for start in (START, START + EVERY):
        monitored.log_rows(rows(1), start=start, over=timedelta(seconds=1))
    assert monitored.judge().metrics["rows"] == 1
    assert monitored.judge(START + EVERY).metrics["rows"] == 1
    assert monitored.judge(START - EVERY).metrics["rows"] == 0


def test_rows_lost_are_counted_in_the_window_in_which_their_batch_ends(monitored: Monitored) -> None:
    monitored.log_rows(rows(300), lost=5)
    monitored.log_rows(rows(300), start=START + EVERY / 2, over=EVERY, lost=9)
    monitored.log_rows(rows(300), start=START + EVERY * 1.5, over=EVERY / 4, lost=1)
    assert monitored.judge().metrics["lost"] == 5
    assert monitored.judge(START + EVERY).metrics["lost"] == 10


def test_a_changed_byte_in_the_log_makes_the_window_unknown_and_names_the_object(
    monitored: Monitored,
) -> None:
    monitored.log_rows(rows(300))
    batch = monitored.log_rows(rows(300, 1), start=START + EVERY / 2, over=EVERY / 4)
    path = monitored.object(batch)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    result = monitored.judge()
    assert (result.verdict, result.reason) == ("Unknown", "LogCorrupt")
    assert batch.sha256 in result.message
    assert "Unknown" in monitored.report(result)[1]
    assert monitored.judge(START + EVERY).reason == "InsufficientSamples"  # the next window is not concerned


def test_an_object_with_its_digest_that_is_no_batch_is_told(monitored: Monitored) -> None:
    from dataclasses import replace
    from hashlib import sha256

    monitored.log_rows(rows(300))
    good = monitored.log_rows(rows(10), start=START + EVERY / 2)
    for content in (b"CANARY", b""):
        bad = replace(good, sha256=sha256(content).hexdigest(), first=good.first + 99)
        monitored.log.put(bad, content)
        result = monitored.judge()
        assert (result.verdict, result.reason) == ("Unknown", "LogCorrupt")
        assert "is no table of the prediction log" in result.message
        monitored.object(bad).unlink()


@pytest.mark.parametrize(
    ("profile", "words"),
    [({}, "the model has no data profile"), ({"version": 1, "rows": 3, "columns": []}, "has version 1")],
)
def test_a_model_without_a_profile_of_this_kind_is_unknown(
    tmp_path: Path, profile: object, words: str
) -> None:
    monitored = Monitored(tmp_path, rows(400), profile=profile)
    monitored.log_rows(rows(300))
    result = monitored.judge()
    assert (result.verdict, result.reason) == ("Unknown", "NoProfile")
    assert words in result.message
    assert "train tumour again" in result.message


def test_redacted_columns_are_not_judged(monitored: Monitored) -> None:
    frame = rows(500, 1, shift=20)
    monitored.log_rows(frame)
    result = monitored.judge(redact=["age"])
    assert (result.verdict, result.columns) == ("NotDrifted", 3)
    assert "age" in monitored.report(result)[0]["redacted"]


@pytest.mark.parametrize(
    ("redact", "words"),
    [
        (["agee"], 'names "agee", which the model does not take; did you mean "age"?'),
        (["age", "zzz", "zzzz"], 'names "zzz" and 1 more, which the model does not take; it takes "'),
    ],
)
def test_a_name_to_redact_that_the_model_lacks_is_unknown_with_the_way_out(
    monitored: Monitored, redact: list[str], words: str
) -> None:
    monitored.log_rows(rows(500, 1, shift=20))
    result = monitored.judge(redact=redact)
    assert (result.verdict, result.reason) == ("Unknown", "UnknownColumn")
    assert result.message.startswith(f"spec.monitoring.predictionLog.redact {words}")
    assert result.message.endswith(" Nothing is logged until it is mended")


def test_a_column_that_the_log_does_not_hold_is_named_and_the_others_are_judged(monitored: Monitored) -> None:
    monitored.log_rows(rows(300).drop("age"))
    result = monitored.judge()
    assert (result.verdict, result.columns) == ("NotDrifted", 3)
    report, page = monitored.report(result)
    assert report["rows"]["columnsNotInLog"] == ["age"]
    assert "Not in the log" in page


def test_a_column_is_judged_by_the_batches_that_hold_it(monitored: Monitored) -> None:
    monitored.log_rows(rows(300).drop("age"), over=EVERY / 2)
    monitored.log_rows(rows(300, 1), start=START + EVERY / 2, over=EVERY / 4)
    result = monitored.judge()
    assert (result.verdict, result.columns) == ("NotDrifted", 4)
    column = next(one for one in monitored.report(result)[0]["columns"] if one["name"] == "age")
    assert column["window"] == {"count": 300, "nulls": 0}


def test_a_large_window_is_judged_by_a_uniform_sample_that_is_always_the_same(monitored: Monitored) -> None:
    for place in range(4):
        monitored.log_rows(rows(1000, place), start=START + place * EVERY / 4, over=EVERY / 4)
    window = Window.from_arguments(monitored.task().arguments)
    from penstock_steps.drift.reference import references
    from penstock_steps.profile import profile

    columns = references(profile(monitored.training), monitored.training.columns)
    reading, observed = read_window(monitored.log, window, columns, most_rows=1000)
    assert (reading.rows, reading.judged) == (4000, 1000)
    again = read_window(monitored.log, window, columns, most_rows=1000)[1]
    first, second = observed["age"], again["age"]
    assert isinstance(first, Numbers)
    assert isinstance(second, Numbers)
    assert np.array_equal(first.values, second.values)


def test_the_same_window_always_gives_the_same_result_and_report(monitored: Monitored) -> None:
    monitored.log_rows(rows(500, 1, shift=20))
    first = monitored.judge()
    assert monitored.judge() == first
    assert first.outputs["report"].startswith("sha256:")


def test_columns_with_very_long_names_fit_into_the_termination_message(tmp_path: Path) -> None:
    """`Monitored.attempt` holds every message to its 2,048 bytes."""
    generator = np.random.default_rng(0)
    names = [f"{'ü' * 120}{place:02}" for place in range(40)]
    training = pl.DataFrame({name: generator.normal(5, 1, 300) for name in names})
    monitored = Monitored(tmp_path, training)
    window: dict[str, Any] = {name: generator.normal(7, 1, 300) for name in names[:20]}
    window |= {name: generator.normal(5000, 1000, 300) for name in names[20:30]}
    window |= {name: [None] * 200 + [5.0] * 100 for name in names[30:]}
    monitored.log_rows(pl.DataFrame(window))
    result = monitored.judge()
    assert result.results["driftedCount"] >= 20
    assert len(result.results["drifted"]) >= 1
    assert all(name in names for name in result.results["drifted"])
    assert result.message


def test_no_value_of_any_row_leaves_the_report(
    monitored: Monitored, capfd: pytest.CaptureFixture[str]
) -> None:
    frame = rows(500, 1).with_columns(
        city=pl.Series(["CANARY"] * 50 + ["Zug"] * 447 + ["RARE1", "RARE2", "RARE3"])
    )
    frame = frame.with_columns(age=pl.lit(123456.789))
    monitored.log_rows(frame)
    result = monitored.judge()
    assert result.results["unseen"] == ["city"]
    said = capfd.readouterr()
    everything = repr(result) + said.out + said.err
    assert not re.search("CANARY|RARE|123456", everything)
    report, page = monitored.report(result)
    assert "CANARY (50 rows)" in page
    column = next(one for one in report["columns"] if one["name"] == "city")
    assert column["unseen"]["values"] == [{"value": "CANARY", "count": 50}]
    assert column["unseen"]["rowsOfRarerValues"] == 3
    assert "RARE" not in page + json.dumps(report)


def test_what_users_wrote_is_escaped_in_the_page(tmp_path: Path) -> None:
    name, value = "<script>$x$</script>", "<b onload=1>"
    training = pl.DataFrame({name: ["a", "b"] * 200, "_$": [1.0, 2.0] * 200})
    monitored = Monitored(tmp_path, training)
    monitored.log_rows(pl.DataFrame({name: ["a", value] * 200, "_$": [1.0, 2.0] * 200}))
    _, page = monitored.report(monitored.judge())
    assert "<script" not in page
    assert "<b onload" not in page
    assert "&lt;script&gt;" in page


def test_pictures_stand_nearly_whatever_a_column_holds(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    training = pl.DataFrame(
        {
            "constant": [3.0] * 300,
            "gone": pl.Series([None] * 300, dtype=pl.Float64),
            "huge": generator.normal(size=300) * 1e307,
            "wide": generator.lognormal(0, 9, 300),
            "text": pl.Series([None] * 300, dtype=pl.String),
            "id": [f"row {place}" for place in range(300)],
        }
    )
    monitored = Monitored(tmp_path, training)
    strange = [np.inf, -np.inf, np.nan, 1.7e308, -1.7e308, 0.0] * 50
    window = dict.fromkeys(("constant", "gone", "huge", "wide"), strange)
    monitored.log_rows(pl.DataFrame({**window, "text": ["new"] * 300, "id": ["x", "\n", "$"] * 100}))
    result = monitored.judge()
    report, page = monitored.report(result)
    assert page.count("<svg") >= 5
    assert len(report["columns"]) == 6
    whole = {name: pl.Series([None] * 300, dtype=kind) for name, kind in training.schema.items()}
    monitored.log_rows(pl.DataFrame(whole), start=START + EVERY)
    assert monitored.judge(START + EVERY).results["nulls"] == ["constant", "huge", "id", "wide"]


def test_days_of_the_log_older_than_the_retention_are_deleted(monitored: Monitored) -> None:
    monitored.log_rows(rows(300))
    old = monitored.log_rows(rows(10), start=datetime(2026, 2, 1, 12, tzinfo=UTC))
    kept = monitored.log_rows(rows(10), start=datetime(2026, 2, 25, 12, tzinfo=UTC))
    result = monitored.judge(retentionDays=7)
    assert not monitored.object(old).exists()
    assert monitored.object(kept).exists()
    assert monitored.report(result)[0]["expiredObjects"] == 1


def test_a_store_that_cannot_be_reached_is_a_failure_that_is_tried_again(monitored: Monitored) -> None:
    monitored.environment = {
        "PENSTOCK_STORE_URL": "s3://things",
        "PENSTOCK_STORE_ENDPOINT": "http://127.0.0.1:1",
        "PENSTOCK_STORE_ACCESS_KEY_ID": "id",
        "PENSTOCK_STORE_SECRET_ACCESS_KEY": "CANARY",
    }
    outcome = monitored.attempt()
    assert isinstance(outcome, Failure)
    assert outcome.failure_class is FailureClass.STORE_UNAVAILABLE


def test_a_task_of_another_release_is_refused_in_words(monitored: Monitored) -> None:
    outcome = monitored.attempt(drift=[{"method": "Wasserstein", "maximum": 1}])
    assert isinstance(outcome, Failure)
    assert "use images and operator of the same release" in outcome.message
