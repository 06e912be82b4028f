"""docs/serving.md shows what really happens."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock_server.settings import Settings
from penstock_spec import serving_contract
from penstock_spec.server_spec import SERVE_SETTINGS
from tests.server.server_process import ServerProcess, tensors
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


def test_the_operator_knows_every_setting_and_no_other() -> None:
    sources = (ROOT / "serving/penstock_server").rglob("*.py")
    read = {name for one in sources for name in re.findall(r"PENSTOCK_SERVE_[A-Z_]+", one.read_text())}
    assert {f"{serving_contract.SERVE_PREFIX}{one}" for one in SERVE_SETTINGS} == read - {
        serving_contract.SERVE_PREFIX
    }


def test_the_defaults_on_the_page_are_those_of_a_server_that_is_told_nothing() -> None:
    told = {
        serving_contract.MODEL_NAME_VARIABLE: "visitors",
        serving_contract.MODEL_VERSION_VARIABLE: "visitors-3",
        serving_contract.MODEL_DIGEST_VARIABLE: f"sha256:{'0' * 64}",
    }
    on_the_page = dict(re.findall(r"^\| `(PENSTOCK_SERVE_[A-Z_]+)` \| (\w+) \|", PAGE, re.MULTILINE))
    assert len(on_the_page) == 13
    plain = Settings.read(told, folder=Path("model"))
    assert Settings.read({**told, **on_the_page}, folder=Path("model")) == plain
    for name, default in on_the_page.items():
        other = "all" if name.endswith("REQUEST_LOG") else str(int(default) + 1)
        changed = Settings.read({**told, **on_the_page, name: other}, folder=Path("model"))
        assert changed != plain, f"{name} changes nothing"


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_the_example_in_python_prints_what_rest_answers(
    served: Callable[[str], ServerProcess], capsys: pytest.CaptureFixture[str], transport: str
) -> None:
    server = served("visitors")
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    address = server.grpc_address if transport == "grpc" else f"127.0.0.1:{server.port}"
    program = program.replace("visitors:8081", address).replace(
        "tritonclient.grpc", f"tritonclient.{transport}"
    )
    exec(compile(program, "docs/serving.md", "exec"), {})  # noqa: S102 - the page's own example
    columns: dict[str, list[Any]] = {
        "age": [31.5, None],
        "visits": [3, 4],
        "member": [True, False],
        "city": ["Oslo", None],
    }
    answer = server.infer({"inputs": tensors(server.model, columns)})
    assert answer.status_code == 200
    expected = np.array(answer.json()["outputs"][1]["data"]).reshape(2, 2)
    assert capsys.readouterr().out == f"{expected}\n"
