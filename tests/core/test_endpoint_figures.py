"""Series of endpoints: what spec and status say, whoever asks, and nothing of endpoints that are gone."""

from datetime import UTC, datetime
from typing import Any

import pytest

from penstock_operator.metrics import Metrics
from tests.core.window_world import WindowWorld, result

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"


def endpoint(name: str = "e", **status: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "ml", "name": name}, "status": status}


def asked(spec: Any, /, **status: Any) -> dict[str, Any]:
    """An endpoint with this spec.monitoring."""
    return {**endpoint(**status), "spec": {"monitoring": spec}}


def condition(type_: str, status: str) -> dict[str, str]:
    return {"type": type_, "status": status}


def series(*endpoints: dict[str, Any]) -> dict[str, float]:
    """Each series of endpoints with its value, as a scrape gets it."""
    metrics = Metrics()
    metrics.endpoints(lambda: endpoints)
    lines = metrics.text().decode().splitlines()
    found = [line.rpartition(" ") for line in lines if line.startswith("penstock_endpoint_")]
    return {name.removeprefix("penstock_endpoint_"): float(value) for name, _, value in found}


E = 'endpoint="e",namespace="ml"'


def test_an_endpoint_that_is_not_watched_has_only_what_serves() -> None:
    serving = endpoint(
        stable="tumour-2",
        stableDigest="sha256:ab",
        revision=2,
        history=[{"revision": 1, "model": "old"}, {"revision": 2, "model": "tumour"}],
        conditions=[condition("Ready", TRUE)],
    )
    labels = 'digest="sha256:ab",endpoint="e",model="tumour",namespace="ml",revision="2",version="tumour-2"'
    info = f"info{{{labels}}}"
    assert series(serving) == {f"ready{{{E}}}": 1.0, info: 1.0}


def test_an_endpoint_that_serves_nothing_yet_is_not_ready() -> None:
    assert series(endpoint()) == {f"ready{{{E}}}": 0.0}


@pytest.mark.parametrize(("status", "value"), [(TRUE, 1.0), (FALSE, 0.0), (UNKNOWN, -1.0)])
def test_drift_and_quality_are_one_zero_or_minus_one(status: str, value: float) -> None:
    types = ("Drifted", "UnseenCategories", "NullBurst", "UnitChanged")
    found = series(endpoint(drifted=status, conditions=[condition(one, status) for one in types]))
    assert found[f"drifted{{{E}}}"] == value
    for problem in types[1:]:
        assert found[f'data_quality{{{E},problem="{problem}"}}'] == value


def test_the_series_of_a_watched_endpoint_follow_its_windows() -> None:
    bad = result("Drifted", ("mean_radius",), metrics={"rows": 310, "lost": 4, "psi_max": 0.5, "ks_max": 0.2})
    world = WindowWorld(fates={0: [result()], 1: [bad], 2: [bad]})
    world.live(60 * 3 + 62)
    found = series(endpoint(**world.status))
    assert found[f"drifted{{{E}}}"] == 1.0
    assert found[f"window_rows{{{E}}}"] == 310.0
    assert found[f"window_lost_rows{{{E}}}"] == 4.0
    assert found[f"drift_episodes{{{E}}}"] == 1.0
    verdicts = {one: found[f'windows_total{{{E},verdict="{one}"}}'] for one in ("Drifted", "NotDrifted")}
    assert verdicts == {"Drifted": 2.0, "NotDrifted": 1.0}
    for method, value in (("Psi", 0.5), ("KolmogorovSmirnov", 0.2)):
        assert found[f'drift_statistic{{endpoint="e",method="{method}",namespace="ml"}}'] == value


def test_an_endpoint_has_the_default_limits_where_it_names_none() -> None:
    assert limits(asked({})) == {"Psi": 0.2, "KolmogorovSmirnov": 0.15, "ChiSquared": 0.2}
    assert limits(endpoint(drifted=TRUE)) == {}, "it is not watched"


def test_an_endpoint_that_names_limits_has_these_and_no_others() -> None:
    own = [{"method": "Psi", "maximum": 0.35}, {"method": "ChiSquared", "maximum": 0.1}]
    assert limits(asked({"drift": own})) == {"Psi": 0.35, "ChiSquared": 0.1}


def limits(item: dict[str, Any]) -> dict[str, float]:
    """The limit of each method."""
    found = series(item)
    return {
        name.split('method="')[1].split('"')[0]: value
        for name, value in found.items()
        if name.startswith("drift_limit")
    }


def test_a_window_has_no_end_before_the_first_and_is_due_once_the_pods_log() -> None:
    assert times(asked({"every": "5m"})) == {"every": 300.0}
    since = "2026-11-21T10:02:00Z"
    # The first whole window: 10:05 to 10:10. Its rows lie in the store 2 x 30 s + 3 s later.
    due = at("2026-11-21T10:11:03Z")
    assert times(asked({"every": "5m"}, monitoring={"since": since})) == {"every": 300.0, "due": due}


def test_the_window_after_the_newest_is_due_one_length_later() -> None:
    part = {"since": "2026-11-21T10:02:00Z", "lastWindow": "2026-11-21T10:10:00Z"}
    assert times(asked({"every": "5m"}, monitoring=part)) == {
        "every": 300.0,
        "end": at("2026-11-21T10:10:00Z"),
        "due": at("2026-11-21T10:16:03Z"),
    }


def test_the_job_of_a_window_is_made_when_the_figure_says_so() -> None:
    world = WindowWorld()
    world.live(200)
    due = times(asked({"every": "1m"}, **world.status))["due"]
    made, wait = len(world.created), due - world.now.timestamp()
    assert wait > 2
    world.live(wait - 1)
    assert len(world.created) == made
    world.live(2)
    assert len(world.created) == made + 1


def times(item: dict[str, Any]) -> dict[str, float]:
    """The figures of time, by the word that tells them apart."""
    found = series(item)
    words = {word: f"window_{word}_seconds{{{E}}}" for word in ("every", "end", "due")}
    return {word: found[name] for word, name in words.items() if name in found}


def at(text: str) -> float:
    """Seconds since 1970 of a time in UTC."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("odd", ["5m", {"every": "soon"}, {"drift": []}, []])
def test_what_cannot_be_read_of_a_spec_has_no_figures_and_fails_no_scrape(odd: Any) -> None:
    assert series(asked(odd)) == {f"ready{{{E}}}": 0.0}


def test_series_end_with_their_endpoint() -> None:
    both = series(endpoint("e"), endpoint("f"))
    assert len([one for one in both if one.startswith("ready")]) == 2
    assert len(series(endpoint("f"))) == 1
    assert series() == {}


def test_nothing_odd_in_a_status_fails_the_scrape() -> None:
    metrics = Metrics()
    metrics.endpoints(lambda: [{"metadata": {"name": "e"}}, endpoint(drifted="", monitoring=None)])
    assert b"penstock_endpoint_ready" in metrics.text()
