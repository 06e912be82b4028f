"""docs/serving.md shows what really happens."""

import json
import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from penstock_server import settings
from tests.server.server_process import ServerProcess
from tests.support import ROOT

PAGE = (ROOT / "docs/serving.md").read_text()
EXAMPLES = re.findall(r"```\n\$ (curl [^`]*?)\n(\{[^\n]*\})\n```", PAGE)


def _without_digests(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_digests(one) for key, one in value.items() if key != "digest"}
    return [_without_digests(one) for one in value] if isinstance(value, list) else value


def _nearly(value: Any) -> Any:
    """Equal to the same with other last digits: training gives those on other machines."""
    if isinstance(value, dict):
        return {key: _nearly(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_nearly(one) for one in value]
    return pytest.approx(value, rel=1e-6) if isinstance(value, float) else value


def test_every_example_was_found() -> None:
    assert len(EXAMPLES) == PAGE.count("$ curl") == 5


@pytest.mark.parametrize(("command", "output"), EXAMPLES)
def test_an_example_answers_what_the_page_shows(
    served: Callable[[str], ServerProcess], command: str, output: str
) -> None:
    server = served("visitors")
    words = shlex.split(command)
    url = next(word for word in words if word.startswith("http://localhost:8080"))
    path = url.removeprefix("http://localhost:8080")
    answer = server.infer(words[words.index("-d") + 1].encode(), path) if "-d" in words else server.get(path)
    assert _without_digests(answer.json()) == _nearly(_without_digests(json.loads(output)))


def test_every_setting_and_every_series_stands_on_the_page(served: Callable[[str], ServerProcess]) -> None:
    source = (ROOT / "serving/penstock_server/settings.py").read_text()
    variables = set(re.findall(r"PENSTOCK_SERVE_[A-Z_]+", source)) - {"PENSTOCK_SERVE_"}
    series = set(
        re.findall(r"^# TYPE (penstock_server_\w+) ", served("visitors").get("/metrics").text, re.MULTILINE)
    )
    assert {name for name in variables | series if f"`{name}`" not in PAGE} == set()
    assert f"| `PENSTOCK_SERVE_BODY_BYTES` | {settings.Limits.body_bytes} |" in PAGE
    assert f"| `PENSTOCK_SERVE_WAITING_BYTES` | {settings.Limits.waiting_bytes} |" in PAGE
    assert f"| `PENSTOCK_SERVE_ROWS` | {settings.Limits.rows} |" in PAGE
