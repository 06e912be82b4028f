"""The reference pages and the diagram of states are what the models say, and leave nothing out."""

import re
import subprocess
import sys

import pytest

from penstock_spec import reference, states
from penstock_spec.status import TERMINAL, TRANSITIONS, StepState
from tests.spec.schemas import ALL_FIELDS
from tests.support import ROOT


@pytest.mark.parametrize(("module", "folder"), [("reference", "docs/reference/"), ("states", "docs/")])
def test_the_committed_pages_are_what_the_models_say(module: str, folder: str):
    done = subprocess.run(
        [sys.executable, "-m", f"penstock_spec.{module}", folder, "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT / "pipeline_spec")},
    )
    assert done.returncode == 0, done.stderr


def test_every_field_of_the_api_stands_on_a_page():
    rows = set(re.findall(r"^\| `(\w+)`", "\n".join(reference.render().values()), re.MULTILINE))
    assert {field.name for _, field in ALL_FIELDS.values()} - rows == set()


def test_the_links_of_the_pages_lead_somewhere():
    pages = reference.render()
    for text in pages.values():
        assert set(re.findall(r"\]\(([^)]+)\)", text)) <= set(pages)


def test_the_diagram_has_every_transition_and_no_other():
    (text,) = states.render().values()
    drawn = set(re.findall(r"^    (\w+) --> (\w+)$", text, re.MULTILINE))
    assert drawn == {(str(one), str(after)) for one, following in TRANSITIONS.items() for after in following}
    assert set(re.findall(r"^    (\w+) --> \[\*\]$", text, re.MULTILINE)) == {str(one) for one in TERMINAL}


def test_every_state_is_in_the_table_of_transitions_and_reachable():
    assert set(TRANSITIONS) == set(StepState)
    reached = {StepState.WAITING}
    while more := {after for one in reached for after in TRANSITIONS[one]} - reached:
        reached |= more
    assert reached == set(StepState)
