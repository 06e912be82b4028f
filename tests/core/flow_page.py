"""docs/flow.md and docs/cells.md, read by program: their pipelines, and the table behind each that says how
its steps end.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.support import ROOT

PAGES = [(ROOT / f"docs/{name}.md").read_text() for name in ("flow", "cells")]
_BLOCK = re.compile(r"^```yaml\n(.*?)^```\n(.*?)(?=^```|\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| (\S+) \| (\w+) \| (.*?) ?\|$", re.MULTILINE)


def examples() -> Iterator[tuple[Any, dict[str, tuple[str, str]]]]:
    """Each pipeline on the pages with the end of its steps: name -> (state, because)."""
    for text, behind in (found for page in PAGES for found in _BLOCK.findall(page)):
        manifest = yaml.safe_load(text)
        if not isinstance(manifest, dict) or manifest.get("kind") != "Pipeline":
            continue
        table = behind[behind.index("| step | ends |") :].split("\n\n", 1)[0]
        names = {one["name"] for one in manifest["spec"]["steps"]}
        ends = {name: (state, why) for name, state, why in _ROW.findall(table) if name in names}
        assert set(ends) == names, f"the table behind {manifest['metadata']['name']} names other steps"
        yield manifest, ends


EXAMPLES = {manifest["metadata"]["name"]: (manifest, ends) for manifest, ends in examples()}


def left_by(step: Any) -> dict[str, Any]:
    """The small results that the program of a step writes, read from its own text."""
    written = re.search(r"json\.dump\((\{.*?\}), open", " ".join(step["run"].get("command", ())))
    return dict(ast.literal_eval(written[1])) if written else {}


def items_of(steps: Any) -> int:
    """How many items the list has that one of the steps writes, read from its own text."""
    words = " ".join(word for step in steps for word in step["run"].get("command", ()))
    written = re.search(r"json\.dump\((\[.*?\]), open", words)
    return len(ast.literal_eval(written[1])) if written else 0


def fate_of(step: Any) -> str:
    """How the program of a step goes in the fake cluster; empty where it ends well at once."""
    words = " ".join(step["run"].get("command", ()))
    return "exit3" if "SystemExit" in words else "hangs" if "sleep 3600" in words else ""
