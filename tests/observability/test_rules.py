"""The rules under promtool, and their promises to who is woken: words, a severity, a section to read.

promtool comes with `make e2e` (hack/prometheus.py), so what needs it is marked e2e and never skipped in
silence.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.observability.page import configuration
from tests.observability.prometheus_process import through
from tests.observability.rule_cases import CASES, Case
from tests.support import ROOT

RULES = ROOT / "charts/penstock/files/rules/penstock.yaml"
PAGE = "docs/observability.md"
GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
ALERTS = {one["alert"]: one for group in GROUPS for one in group["rules"] if "alert" in one}


def promtool(*words: str | Path) -> str:
    """What promtool says; a failure with its words when it is not content."""
    program = os.environ.get("PENSTOCK_PROMTOOL")
    assert program, "PENSTOCK_PROMTOOL is not set: these tests are started by `make e2e`"
    command = [program, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def unit_test(case: Case) -> dict[str, Any]:
    """The case as a file of `promtool test rules`."""
    rule = ALERTS[case.alert]
    alerts = []
    if case.labels is not None:
        words = {"summary": case.summary, "description": case.description}
        address = {"runbook_url": rule["annotations"]["runbook_url"]}
        labels = {**rule["labels"], **case.labels}
        alerts = [{"exp_labels": labels, "exp_annotations": {**words, **address}}]
    return {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in case.world.items()],
                "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": alerts}],
            }
        ],
    }


@pytest.mark.e2e
def test_s4_promtool_finds_nothing_wrong_with_the_rules() -> None:
    assert "SUCCESS" in promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)


@pytest.mark.e2e
def test_s4_the_configuration_in_the_documentation_is_one_for_prometheus(tmp_path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(through("127.0.0.1:1", "http://127.0.0.1:2", configuration())))
    said = promtool("check", "config", file)
    assert "is valid prometheus config file syntax" in said
    assert re.search(r"SUCCESS: \d+ rules found", said)


@pytest.mark.e2e
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}: {case.name}")
def test_s4_an_alert_speaks_when_it_should_and_only_then(case, tmp_path) -> None:
    file = tmp_path / "case.yaml"
    file.write_text(yaml.safe_dump(unit_test(case), sort_keys=False))
    promtool("test", "rules", file)


def test_every_alert_has_a_world_in_which_it_speaks_and_one_in_which_it_does_not() -> None:
    for silent in (True, False):
        assert {one.alert for one in CASES if (one.labels is None) is silent} == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_what_and_what_to_do(name) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    words = rule["annotations"]
    assert words.keys() == {"summary", "description", "runbook_url"}
    assert len(words["summary"]) <= 120
    assert words["description"].endswith(".")
    page, _, anchor = words["runbook_url"].partition("#")
    assert page == PAGE
    section = section_of(anchor)
    assert section, f"{PAGE} has no section {anchor}"
    assert "**Do.**" in section, f"{PAGE}#{anchor} does not say what to do"


def section_of(anchor: str) -> str:
    """The text below the heading that a link to `anchor` leads to; empty where there is none."""
    parts = re.split(r"^#+ (.+)$", (ROOT / PAGE).read_text(), flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    return next((text for title, text in found.items() if title.lower().replace(" ", "-") == anchor), "")


def test_the_page_describes_no_alert_that_is_not_there() -> None:
    described = set(re.findall(r"^#+ (Penstock\w+)$", (ROOT / PAGE).read_text(), flags=re.MULTILINE))
    assert described == set(ALERTS)
