"""docs/flow.md and pages like it, read by program: their pipelines, and the table behind each of its ends.

Those that wait to be asked have no table: they are steps of others.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.support import ROOT

_BLOCK = re.compile(r"^```yaml\n(.*?)^```\n(.*?)(?=^```|\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| (\S+) \| (\w+) \| (.*?) ?\|$", re.MULTILINE)


def _pipelines(page: str) -> Iterator[tuple[Any, str]]:
    """Each pipeline on a page of docs, and the text behind it."""
    for text, behind in _BLOCK.findall((ROOT / "docs" / page).read_text()):
        manifest = yaml.safe_load(text)
        if isinstance(manifest, dict) and manifest.get("kind") == "Pipeline":
            yield manifest, behind


def _waits(manifest: Any) -> bool:
    return bool(manifest["spec"].get("policy", {}).get("onChange") == "Wait")


def _examples(page: str) -> Iterator[tuple[Any, dict[str, tuple[str, str]]]]:
    """Each pipeline that runs when it is applied, with the end of its steps: name -> (state, because)."""
    for manifest, behind in _pipelines(page):
        if _waits(manifest):
            continue
        table = behind[behind.index("| step | ends |") :].split("\n\n", 1)[0]
        names = {one["name"] for one in manifest["spec"]["steps"]}
        ends = {name: (state, why) for name, state, why in _ROW.findall(table) if name in names}
        assert set(ends) == names, f"the table behind {manifest['metadata']['name']} names other steps"
        yield manifest, ends


def examples(page: str) -> dict[str, tuple[Any, dict[str, tuple[str, str]]]]:
    """The pipelines on a page of docs by name, each with the end of its steps."""
    return {manifest["metadata"]["name"]: (manifest, ends) for manifest, ends in _examples(page)}


PARTS = {manifest["metadata"]["name"]: manifest for manifest, _ in _pipelines("flow.md") if _waits(manifest)}
EXAMPLES = {**examples("flow.md"), **examples("cells.md")}
QUEUES = examples("queues.md")  # for which a real cluster needs Kueue
GANGS = examples("gangs.md")


def parts_of(manifest: Any) -> list[Any]:
    """The pipelines that are steps of this one."""
    steps = manifest["spec"]["steps"]
    return [PARTS[name] for name in sorted({one["pipeline"]["name"] for one in steps if "pipeline" in one})]


def results_of(step: Any, folder: Path) -> dict[str, dict[str, Any]]:
    """The small results of a step's program, and of each iteration of one that is repeated."""
    return _iterations(step, folder) if "repeat" in step else {step["name"]: left_by(step)}


def _iterations(step: Any, folder: Path) -> dict[str, dict[str, Any]]:
    """What the program leaves when it is really run, `folder` in place of /penstock, in each iteration."""
    program = step["run"]["command"][-1].replace("/penstock/", f"{folder}/")
    found: dict[str, dict[str, Any]] = {}
    for number in range(1, step["repeat"]["limit"] + 1):
        for output in step["run"]["outputs"]:
            (folder / "out" / output["name"]).mkdir(parents=True)
        environment = {"PENSTOCK_ARG_ITERATION": str(number)}
        # The program stands on our own page.
        subprocess.run(
            [sys.executable, "-c", program], env=environment, check=True, stdout=subprocess.DEVNULL
        )
        found[f"{step['name']}#{number}"] = json.loads((folder / "out/results.json").read_text())
        shutil.rmtree(folder / "in", ignore_errors=True)
        (folder / "in").mkdir()
        (folder / "out").rename(folder / "in/previous")
    return found


def left_by(step: Any) -> dict[str, Any]:
    """The small results that the program of a step writes, read from its own text."""
    written = re.search(r"json\.dump\((\{.*?\}), open", _program(step))
    return dict(ast.literal_eval(written[1])) if written else {}


def items_of(steps: Any) -> int:
    """How many items the list has that one of the steps writes, read from its own text."""
    words = " ".join(word for step in steps for word in step.get("run", {}).get("command", ()))
    written = re.search(r"json\.dump\((\[.*?\]), open", words)
    return len(ast.literal_eval(written[1])) if written else 0


def fate_of(step: Any) -> str:
    """How the program of a step goes in the fake cluster; empty where it ends well at once."""
    words = _program(step)
    return "exit3" if "SystemExit" in words else "hangs" if "sleep 3600" in words else ""


def _program(step: Any) -> str:
    return " ".join(step.get("run", {}).get("command", ()))
