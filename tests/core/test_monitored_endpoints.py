"""Monitoring as part of an endpoint's plan: its pods log, windows begin when they do, and what serves is left
alone.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from penstock_operator.core.actions import Apply, Create, Plan
from penstock_operator.core.conditions import find
from penstock_operator.core.observed_endpoint import ObservedEndpoint
from penstock_operator.core.plan_endpoint import plan_endpoint
from penstock_operator.core.times import stamp
from penstock_operator.core.watched import CONDITIONS
from penstock_operator.manifests.windows import log_of
from penstock_spec.monitoring import Monitoring
from penstock_spec.server_spec import ServerSpec
from tests.core.endpoint_worlds import (
    SETTINGS,
    facade,
    made,
    plan,
    server,
    status,
    status_on,
    version,
    world,
)
from tests.core.pods import NOW

EVERY_MINUTE = {"monitoring": {"every": "1m", "predictionLog": {"sampleRatio": 0.5, "redact": ["ssn"]}}}
LOG = log_of(Monitoring.model_validate(EVERY_MINUTE["monitoring"]))
THEIRS = {"server": {"image": "acme/server:1"}, **EVERY_MINUTE}


def serving(spec: Mapping[str, Any] | None = EVERY_MINUTE, **fields: Any) -> ObservedEndpoint:
    """m-1 serves, and its pods log."""
    deployment = made("m-1", server=server("m-1", log=LOG))
    return world("m-1", [deployment], facade("m-1"), stable="m-1", spec=spec, **fields)


def settled(observed: ObservedEndpoint) -> ObservedEndpoint:
    """The world once the plan's status has been written."""
    return replace(observed, status=status(plan(observed)))


def types(planned: Plan) -> list[str]:
    return [one["type"] for one in status(planned)["conditions"]]


def test_the_pods_of_a_watched_endpoint_get_the_log() -> None:
    bare = world("m-1", [made("m-1")], facade("m-1"), stable="m-1", spec=EVERY_MINUTE)
    planned = plan(bare)
    (applied,) = planned.actions
    assert isinstance(applied, Apply)
    pod = applied.manifest["spec"]["template"]["spec"]
    ship = next(one for one in pod["initContainers"] if one["name"] == "ship")
    told = next(one["value"] for one in ship["env"] if one["name"] == "PENSTOCK_PREDICTION_LOG")
    assert told == '{"sampleRatio":0.5,"redact":["ssn"],"flushSeconds":6.0}'
    assert "since" not in status(planned).get("monitoring", {})
    assert find(status(planned), "Drifted")["reason"] == "NoWindowYet"  # type: ignore[index]  # it is there


@pytest.mark.parametrize(
    ("every", "flush"), [("15s", 2.0), ("20s", 2.0), ("1m", 6.0), ("5m", 30.0), ("1d", 30.0)]
)
def test_rows_are_sent_ten_times_a_window_within_bounds(every: str, flush: float) -> None:
    log = log_of(Monitoring(every=every))
    assert log is not None
    assert log.flush_seconds == flush
    assert Monitoring(every=every).lag_seconds == 2 * flush + 3


def test_windows_begin_once_every_pod_logs_and_a_job_follows_at_its_time() -> None:
    observed = serving()
    planned = plan(observed)
    assert status(planned)["monitoring"] == {"since": "2026-11-21T12:00:00Z"}
    due = NOW + timedelta(seconds=60 + 15)
    assert planned.look_again == due
    later = plan_endpoint(settled(observed), due, SETTINGS)
    (created,) = later.actions
    assert isinstance(created, Create)
    assert created.manifest["metadata"]["ownerReferences"][0]["kind"] == "ModelEndpoint"
    assert later.status is None, "the Job is all the memory that is needed"


def test_at_rest_between_two_windows_nothing_is_asked_for_but_to_look_again_in_time() -> None:
    rest = settled(serving(versions=[version("m-1", "Production", ["e"])]))
    planned = plan_endpoint(rest, NOW + timedelta(seconds=30), SETTINGS)
    assert planned == Plan(look_again=NOW + timedelta(seconds=75))


def test_no_pod_of_a_window_is_one_that_a_service_selects() -> None:
    observed = settled(serving())
    (created,) = plan_endpoint(observed, NOW + timedelta(seconds=75), SETTINGS).actions
    assert isinstance(created, Create)
    labels = created.manifest["spec"]["template"]["metadata"]["labels"]
    for selector in (facade("m-1").selector, server("m-1").selector):
        assert not set(selector) & set(labels)


def test_drift_and_quality_never_touch_ready_reconciling_or_stalled() -> None:
    watched, bare = serving(), world("m-1", [made("m-1")], facade("m-1"), stable="m-1")
    for type_ in ("Ready", "Reconciling", "Stalled"):
        assert find(status(plan(watched)), type_) == find(status(plan(bare)), type_)
    assert types(plan(watched)) == ["Ready", "Reconciling", "Stalled", *map(str, CONDITIONS)]
    assert types(plan(bare)) == ["Ready", "Reconciling", "Stalled"]


FEVER = {"column": "fever", "factor": 1.8, "offset": 32.0}
QUALITY: dict[str, tuple[str, dict[str, Any], str, tuple[str, ...]]] = {
    "nothing found": ("NotDrifted", {}, "Ok", ()),
    "a window without a verdict": ("Unknown", {"nulls": ["age"]}, "Unknown", ()),
    "missing values": ("Drifted", {"nulls": ["age"]}, "NullBurst", ("above training: age",)),
    "everything": (
        "NotDrifted",
        {"unseen": ["city"], "nulls": ["age"], "units": [FEVER]},
        "UnitChanged,NullBurst,UnseenCategories",
        ("fever (about", "above training: age", "in training: city"),
    ),
}


@pytest.mark.parametrize("name", QUALITY)
def test_the_datas_quality_stands_in_a_column_and_its_words_behind_the_message(name: str) -> None:
    verdict, found, column, words = QUALITY[name]
    watched = settled(serving())
    window = {"end": stamp(NOW), "verdict": verdict, "version": "m-1", "rows": 300}
    part = {"since": stamp(NOW), "lastWindow": stamp(NOW), "windows": [window], "quality": found}
    planned = plan(replace(watched, status={**watched.status, "monitoring": part}))
    told = status(planned)
    assert told["quality"] == column
    assert told["message"].startswith("m-1 serves")
    assert told["message"].count("; ") == len(words)
    assert all(one in told["message"] for one in words)


def test_before_the_first_window_the_datas_quality_is_unknown() -> None:
    assert status(plan(serving()))["quality"] == "Unknown"


def test_another_server_is_said_to_be_unable_and_serves_on() -> None:
    theirs = {"server": THEIRS["server"]}
    planned = plan(world("m-1", [], None, spec=THEIRS))
    bare = plan(world("m-1", [], None, spec=theirs))
    assert planned.actions == bare.actions
    assert find(status(planned), "Drifted")["reason"] == "MonitoringUnsupported"  # type: ignore[index]  # it is there
    assert (status(planned)["drifted"], status(planned)["quality"]) == ("Unknown", "Unknown")
    assert find(status(planned), "Stalled")["status"] == "False"  # type: ignore[index]  # it is there


def test_without_monitoring_again_the_log_goes_and_with_it_all_that_was_said() -> None:
    observed = replace(settled(serving()), spec=serving(spec=None).spec)
    planned = plan(observed)
    (applied,) = planned.actions
    assert isinstance(applied, Apply)
    names = [one["name"] for one in applied.manifest["spec"]["template"]["spec"]["initContainers"]]
    assert names == ["fetch"]
    assert types(planned) == ["Ready", "Reconciling", "Stalled"]
    assert not {"drifted", "quality", "monitoring"} & set(status(planned))


def test_while_the_spec_cannot_be_read_what_was_known_stays() -> None:
    observed = settled(serving())
    broken = {**observed.spec, "monitoring": {"every": "soon"}}
    planned = plan(replace(observed, spec=broken))
    assert find(status(planned), "Stalled")["reason"] == "InvalidSpec"  # type: ignore[index]  # it is there
    assert "spec.monitoring.every" in status(planned)["message"]
    for key in ("monitoring", "drifted", "quality"):
        assert status(planned)[key] == observed.status[key]
    assert not planned.actions


def seen() -> dict[str, Any]:
    """What was seen of m-1 so far."""
    window = {"end": stamp(NOW - timedelta(seconds=60)), "verdict": "Drifted", "version": "m-1", "rows": 300}
    return {
        "since": stamp(NOW - timedelta(hours=1)),
        "lastWindow": window["end"],
        "windows": [window],
        "episodes": 3,
        "drifting": True,
    }


@pytest.mark.parametrize("refused", [False, True], ids=["on its way", "refused"])
def test_an_image_that_does_not_serve_yet_ends_no_watching(refused: bool) -> None:
    ours = made("m-1", server=server("m-1", log=LOG), logged=True)
    trying = world("m-1", [ours], facade("m-1"), stable="m-1", spec=THEIRS)
    before = {**trying.status, "monitoring": seen()}
    if refused:
        begun = status(plan(replace(trying, status=before), NOW - timedelta(seconds=700)))
        before = {**begun, "monitoring": seen()}
    planned = plan(replace(trying, status=before))
    assert status(planned)["monitoring"]["since"] == seen()["since"]
    assert find(status(planned), "Drifted")["reason"] != "MonitoringUnsupported"  # type: ignore[index]  # it is there
    if refused:
        assert find(status(planned), "Stalled")["reason"] == "DeadlineExceeded"  # type: ignore[index]  # the same
    due = plan(replace(trying, status=before), NOW + timedelta(seconds=60))
    assert [one for one in due.actions if isinstance(one, Create)], "the next window is judged"


def test_what_was_seen_outlives_another_server_and_windows_begin_anew_after_it() -> None:
    theirs = server("m-1", program=ServerSpec(image="acme/server:1"))
    other = world("m-1", [made("m-1", server=theirs)], facade("m-1", program=theirs), spec=THEIRS)
    known = {**status_on("m-1", program=theirs), "monitoring": seen()}
    planned = plan(replace(other, status=known))
    kept = {name: value for name, value in seen().items() if name != "since"}
    assert status(planned)["monitoring"] == kept
    again = replace(serving(), status={**status_on("m-1"), "monitoring": kept})
    assert status(plan(again))["monitoring"]["since"] == stamp(NOW)
    later = plan(replace(again, status=status(plan(again))), NOW + timedelta(seconds=75))
    (created,) = later.actions
    assert isinstance(created, Create)
    assert "-w20261121120100-" in created.manifest["metadata"]["name"], "the first window since"
