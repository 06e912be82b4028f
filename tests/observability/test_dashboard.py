"""The dashboard and the rules against the series that there really are, and against Grafana's own model."""

import json
import re
from typing import Any

import pytest
import yaml

from hack.dashboard.__main__ import FILE, text
from hack.dashboard.content import DASHBOARD
from hack.dashboard.grafana import WIDTH, Look
from penstock_server.refusals import Blame
from tests.observability.promql import asked, grouped, named
from tests.observability.series import OF_THE_TARGET, operator_series, server_series, webhook_series
from tests.support import ROOT

PAGE: dict[str, Any] = json.loads(FILE.read_text())
PANELS = {panel.title: panel for row in DASHBOARD.rows for panel in row.panels}
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "charts/penstock/files/rules/penstock.yaml").read_text())["groups"]
    for rule in group["rules"]
]
RECORDED = {rule["record"]: {"namespace", "endpoint"} for rule in RULES if "record" in rule}


@pytest.fixture(scope="module")
def series() -> dict[str, set[str]]:
    """Labels of each series that Prometheus has, those of its targets included."""
    there = {**operator_series(), **webhook_series(), **RECORDED}
    for name, labels in server_series().items():
        there[name] = there.get(name, set()) | labels
    return {name: labels | OF_THE_TARGET for name, labels in there.items()}


EXPRESSIONS = [
    *(
        (f"panel {title}", query.expression, query.legend)
        for title, one in PANELS.items()
        for query in one.queries
    ),
    *((f"variable {one.name}", one.series, f"{{{{{one.label}}}}}") for one in DASHBOARD.variables),
    *(
        (
            f"rule {rule.get('alert', rule.get('record'))}",
            rule["expr"],
            " ".join(rule.get("annotations", {}).values()),
        )
        for rule in RULES
    ),
]


@pytest.mark.parametrize(("where", "expression", "words"), EXPRESSIONS, ids=[one[0] for one in EXPRESSIONS])
def test_an_expression_asks_for_series_and_labels_that_there_are(where, expression, words, series) -> None:
    found = asked(expression)
    assert found, "no series of ours: is the pattern of tests/observability/series.py right?"
    reachable: set[str] = set()
    for one in found:
        assert one.name in series, f"{where}: there is no series {one.name}"
        assert one.labels <= series[one.name], (
            f"{where}: {one.name} has no label {one.labels - series[one.name]}"
        )
        reachable |= series[one.name]
    assert grouped(expression) <= reachable, f"{where}: grouped by what is not there"
    kept = grouped(expression, "by") or reachable
    assert named(words) <= kept, f"{where}: names a label that the expression has dropped"


def test_the_pattern_finds_a_series_however_it_is_written() -> None:
    written = (
        'sum by (kind) (rate(penstock_a_total{x=~"penstock_b", y!="1"}[5m])) / endpoint:penstock_c:rate5m'
    )
    assert [(one.name, set(one.labels)) for one in asked(written)] == [
        ("penstock_a_total", {"x", "y"}),
        ("endpoint:penstock_c:rate5m", set()),
    ]
    assert grouped(written) == {"kind"}


def test_the_committed_dashboard_is_the_described_one() -> None:
    assert FILE.read_text() == text(), "make generate writes it"


def test_every_panel_has_a_place_of_its_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PAGE["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= WIDTH, panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    numbers = [panel["id"] for panel in PAGE["panels"]]
    assert len(numbers) == len(set(numbers))


def test_every_panel_says_what_it_shows_and_asks_the_chosen_prometheus() -> None:
    assert len(PANELS) == sum(len(row.panels) for row in DASHBOARD.rows), "titles are names"
    for panel in PAGE["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["description"].endswith("."), panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert len({one["refId"] for one in panel["targets"]}) == len(panel["targets"]) >= 1


@pytest.mark.parametrize("title", [name for name, one in PANELS.items() if one.look is Look.STATES])
def test_a_state_has_words(title) -> None:
    assert PANELS[title].states


def test_endpoints_are_chosen_at_the_top_and_the_variables_are_those_of_the_expressions() -> None:
    used = {
        name
        for panel in PANELS.values()
        for one in panel.queries
        for name in re.findall(r"\$(\w+)", one.expression)
    }
    assert used - {"__rate_interval"} == {one.name for one in DASHBOARD.variables}


@pytest.mark.parametrize(
    ("pages", "series"),
    [
        (("operations", "observability"), operator_series),
        (("serving", "prediction-log"), server_series),
        (("webhook",), webhook_series),
    ],
    ids=["operator", "server", "webhook"],
)
def test_every_series_is_described(pages, series) -> None:
    text = "".join((ROOT / f"docs/{page}.md").read_text() for page in pages)
    described = set(re.findall(r"`(penstock_\w+)(?:\{[\w, ]+\})?`", text))
    parts = re.compile("_(bucket|sum|count)$")
    names = {name for name in series() if name.startswith("penstock_")}
    assert {name for name in names if parts.sub("", name) not in described} == set()


def test_the_codes_that_count_as_errors_are_those_that_the_server_takes_the_blame_for() -> None:
    ours = {word for one in Blame if one.status >= 500 for word in (str(one.status), one.code)}
    # A body that comes too slowly is known to HTTP alone; its code over gRPC is that of answers that do.
    theirs = {word for one in Blame if one.status < 500 for word in (str(one.status), one.code)} - ours
    expressions = [
        next(
            rule["expr"]
            for rule in RULES
            if rule.get("record", "").startswith("endpoint:penstock_server_errors")
        ),
        PANELS["Error ratio"].queries[0].expression,
    ]
    for expression in expressions:
        (pattern,) = re.findall(r'code=~"([^"]+)"', expression)
        for word in ours:
            assert re.fullmatch(pattern, word), f"{word} is no error in {expression}"
        for word in {*theirs, "200", "OK", "499", "CANCELLED"}:
            assert not re.fullmatch(pattern, word), f"{word} is an error in {expression}"


def test_dashed_lines_are_those_that_others_are_measured_by() -> None:
    panel = next(one for one in PAGE["panels"] if one["title"] == "Drift statistics")
    (override,) = panel["fieldConfig"]["overrides"]
    (target,) = [one for one in panel["targets"] if one["refId"] == override["matcher"]["options"]]
    assert "penstock_endpoint_drift_limit" in target["expr"]
