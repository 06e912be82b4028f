"""Pages that messages, descriptions and other pages name: each is there."""

import re
from pathlib import Path

import pytest

from tests.support import ROOT

_NAMED = re.compile(r"\bdocs/[\w/-]+\.md\b")
_LINKED = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)")
_SOURCES = ("artifacts", "charts", "examples", "hack", "operator", "pipeline_spec", "serving", "steps")
_KINDS = {".py", ".yaml", ".txt", ".tpl"}


def _programs() -> list[Path]:
    return [path for top in _SOURCES for path in (ROOT / top).rglob("*") if path.suffix in _KINDS]


def test_a_page_that_a_program_names_is_there() -> None:
    named = {name: path for path in _programs() for name in _NAMED.findall(path.read_text())}
    assert named
    assert {name: str(path) for name, path in named.items() if not (ROOT / name).is_file()} == {}


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]), ids=str)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    links = _LINKED.findall(page.read_text())
    assert [one for one in links if not (page.parent / one).exists()] == []
