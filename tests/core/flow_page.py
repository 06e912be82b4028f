"""docs/flow.md and pages like it, read by program: their pipelines, and the table behind each of its ends."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.support import ROOT

_BLOCK = re.compile(r"^```yaml\n(.*?)^```\n(.*?)(?=^```|\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| (\S+) \| (\w+) \| (.*?) ?\|$", re.MULTILINE)


def _examples(page: str) -> Iterator[tuple[Any, dict[str, tuple[str, str]]]]:
    """Each pipeline on a page of docs with the end of its steps: name -> (state, because)."""
    for text, behind in _BLOCK.findall((ROOT / "docs" / page).read_text()):
        manifest = yaml.safe_load(text)
        if not isinstance(manifest, dict) or manifest.get("kind") != "Pipeline":
            continue
        table = behind[behind.index("| step | ends |") :].split("\n\n", 1)[0]
        names = {one["name"] for one in manifest["spec"]["steps"]}
        ends = {name: (state, why) for name, state, why in _ROW.findall(table) if name in names}
        assert set(ends) == names, f"the table behind {manifest['metadata']['name']} names other steps"
        yield manifest, ends


def examples(page: str) -> dict[str, tuple[Any, dict[str, tuple[str, str]]]]:
    """The pipelines on a page of docs by name, each with the end of its steps."""
    return {manifest["metadata"]["name"]: (manifest, ends) for manifest, ends in _examples(page)}


EXAMPLES = examples("flow.md")
QUEUES = examples("queues.md")  # for which a real cluster needs Kueue
GANGS = examples("gangs.md")


def left_by(step: Any) -> dict[str, Any]:
    """The small results that the program of a step writes, read from its own text."""
    written = re.search(r"json\.dump\((\{.*?\}), open", " ".join(step["run"].get("command", ())))
    return dict(ast.literal_eval(written[1])) if written else {}


def fate_of(step: Any) -> str:
    """How the program of a step goes in the fake cluster; empty where it ends well at once."""
    words = " ".join(step["run"].get("command", ()))
    return "exit3" if "SystemExit" in words else "hangs" if "sleep 3600" in words else ""
