"""docs/housekeeping.md, read by program: what it shows as YAML, and the tables behind it."""

import re
from typing import Any

import yaml

from tests.support import ROOT

PAGE = (ROOT / "docs/housekeeping.md").read_text()
_BLOCK = re.compile(r"^```yaml\n(.*?)^```\n(.*?)(?=^```|\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| (\S+) \| (.*?) \| (.*?) ?\|$", re.MULTILINE)
EXAMPLES: dict[str, tuple[Any, str]] = {
    manifest["metadata"]["name"]: (manifest, behind)
    for text, behind in _BLOCK.findall(PAGE)
    if isinstance(manifest := yaml.safe_load(text), dict) and "kind" in manifest
}


def rows(name: str, header: str) -> dict[str, tuple[str, str]]:
    """The table behind an example whose header begins like this: first column -> the other two."""
    behind = EXAMPLES[name][1]
    table = behind[behind.index(header) :].split("\n\n", 1)[0]
    found = {first: (second, third) for first, second, third in _ROW.findall(table)[1:]}
    assert found, f"no table behind {name}"
    return found
