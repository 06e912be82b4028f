"""Series of endpoints: what the status says, whoever asks, and nothing of endpoints that are gone."""

from typing import Any

import pytest

from penstock_operator.metrics import Metrics
from tests.core.window_world import WindowWorld, result

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"


def endpoint(name: str = "e", **status: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "ml", "name": name}, "status": status}


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


def test_series_end_with_their_endpoint() -> None:
    both = series(endpoint("e"), endpoint("f"))
    assert len([one for one in both if one.startswith("ready")]) == 2
    assert len(series(endpoint("f"))) == 1
    assert series() == {}


def test_nothing_odd_in_a_status_fails_the_scrape() -> None:
    metrics = Metrics()
    metrics.endpoints(lambda: [{"metadata": {"name": "e"}}, endpoint(drifted="", monitoring=None)])
    assert b"penstock_endpoint_ready" in metrics.text()
