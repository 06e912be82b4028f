"""examples/shapes and the table about them in docs/coming-from-argo-and-tekton.md, read by program."""

import re
from dataclasses import dataclass
from typing import Any

import yaml

from tests.support import ROOT

PAGE = (ROOT / "docs/coming-from-argo-and-tekton.md").read_text()
FOLDER = ROOT / "examples/shapes"
_ROW = re.compile(
    r"^\| \[(\S+)\]\(\.\./examples/shapes/\1\.yaml\) \| .*? \| (\S+) \| (.+?) \|$", re.MULTILINE
)


@dataclass(frozen=True)
class Shape:
    """A Pipeline, a run of it that a person makes (if any), and how the steps of the named run end."""

    manifest: Any
    run: Any | None
    told_of: str
    ends: dict[str, str]


def _ends(text: str) -> dict[str, str]:
    """`Succeeded: a, b; Skipped: c` as step -> state."""
    parts = [part.split(": ", 1) for part in text.split("; ")]
    return {step: state for state, steps in parts for step in steps.split(", ")}


def shapes() -> dict[str, Shape]:
    """Every shape by the name of its file. Each file has its row, and each row its file."""
    rows = {name: (run, _ends(text)) for name, run, text in _ROW.findall(PAGE)}
    files = {one.stem: list(yaml.safe_load_all(one.read_text())) for one in sorted(FOLDER.glob("*.yaml"))}
    assert rows.keys() == files.keys(), rows.keys() ^ files.keys()
    found = {}
    for name, (manifest, *more) in files.items():
        run, ends = rows[name]
        steps = {one["name"] for one in manifest["spec"]["steps"]}
        assert set(ends) == steps, f"the row of {name} names other steps: {set(ends) ^ steps}"
        found[name] = Shape(manifest, more[0] if more else None, run, ends)
    return found


SHAPES = shapes()
