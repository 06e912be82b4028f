"""docs/failures.md says what the planner does: budgets and times there are the defaults here."""

import re

import pytest

from penstock_operator.core.settings import DEFAULT_BUDGETS, Settings
from penstock_spec.names import FailureClass
from tests.support import ROOT

PAGE = (ROOT / "docs/failures.md").read_text()


@pytest.mark.parametrize("failure_class", FailureClass)
def test_the_page_has_each_class_with_its_budget(failure_class: FailureClass) -> None:
    row = re.search(rf"^\| {failure_class} \|[^|]*\| (\d+) \| ([^|]*)\|", PAGE, re.MULTILINE)
    assert row is not None
    budget = DEFAULT_BUDGETS[failure_class]
    assert int(row[1]) == budget.retries
    pause = f"{budget.first:g} s, doubled up to {budget.maximum:g} s" if budget.first else ""
    assert row[2].strip() == pause


def test_the_pages_times_are_the_defaults() -> None:
    rows = re.findall(r"^\|[^|]*\| (\d+) s \| `(\w+)` \|$", PAGE, re.MULTILINE)
    assert len(rows) == 5
    defaults = {"imageGrace": "image_grace", "startDeadline": "start_deadline"}
    defaults |= {"containerGrace": "container_grace", "pipelineGrace": "pipeline_grace"}
    for seconds, name in rows:
        assert float(seconds) == getattr(Settings(), defaults[name])
