"""The init container: lays out what has the digest, or says why not; then the server answers with it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock_artifacts.store import store_from
from penstock_spec import contract, serving_contract
from tests.server.model_folders import StoredModel
from tests.server.server_process import environment, rows, running, tensors

Stored = Callable[[str], StoredModel]
URL, NAMESPACE = contract.STORE_VARIABLES["url"], "ml"


def _fetch(folder: Path, variables: dict[str, str]) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "penstock_server", "fetch", "--folder", str(folder)],
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    return done.returncode, json.loads(line)


@pytest.fixture
def variables(stored: Stored, tmp_path: Path) -> dict[str, str]:
    """Environment of an init container whose store holds the model `iris`."""
    url = {URL: f"file://{tmp_path / 'store'}"}
    digest = store_from(url, NAMESPACE).put_folder(stored("iris").folder, "Model")
    assert digest == stored("iris").digest
    return {
        **url,
        serving_contract.NAMESPACE_VARIABLE: NAMESPACE,
        serving_contract.MODEL_DIGEST_VARIABLE: digest,
    }


def test_what_fetch_lays_out_is_served(stored: Stored, variables: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "pod" / "model"
    code, line = _fetch(folder, variables)
    assert (code, line["event"], line["files"]) == (0, "fetched", 3)
    model = stored("iris")
    with running(StoredModel("iris", folder, model.digest, model.signature, model.columns)) as server:
        answer = server.infer({"inputs": tensors(model, rows(model, 0, 1))})
    assert answer.json()["outputs"][0]["data"] == ["setosa"]


def test_a_second_attempt_after_a_crash_lays_out_the_same(
    variables: dict[str, str], tmp_path: Path, stored: Stored
) -> None:
    folder = tmp_path / "pod" / "model"
    folder.mkdir(parents=True)
    (folder / contract.MODEL_ONNX).write_bytes(b"half of it")
    assert _fetch(folder, variables)[0] == 0
    assert (folder / contract.MODEL_ONNX).read_bytes() == stored("iris").onnx


def test_changed_bytes_in_the_store_are_refused(variables: dict[str, str], tmp_path: Path) -> None:
    blobs = sorted(
        (tmp_path / "store" / NAMESPACE / "blobs" / "sha256").iterdir(), key=lambda one: one.stat().st_size
    )
    blobs[-1].write_bytes(blobs[-1].read_bytes()[:-1] + b"?")
    folder = tmp_path / "pod" / "model"
    code, line = _fetch(folder, variables)
    assert (code, line["event"]) == (1, "could not fetch the model")
    assert "were changed or cut short" in line["reason"]
    assert not (folder.parent / serving_contract.MODEL_MANIFEST).exists()


@pytest.mark.parametrize(
    ("variable", "value", "code", "words"),
    [
        (URL, "", 1, "Secret penstock-store has no key url"),
        (serving_contract.MODEL_DIGEST_VARIABLE, "sha256:" + "0" * 64, 1, "is not in folder"),
        (serving_contract.MODEL_DIGEST_VARIABLE, "latest", 2, "PENSTOCK_MODEL_DIGEST must be sha256:"),
        (serving_contract.NAMESPACE_VARIABLE, "", 2, "PENSTOCK_NAMESPACE is not set"),
    ],
)
def test_what_cannot_be_fetched_is_said_in_words(
    variables: dict[str, str], tmp_path: Path, variable: str, value: str, code: int, words: str
) -> None:
    found, line = _fetch(tmp_path / "pod" / "model", {**variables, variable: value})
    assert found == code
    assert words in line["reason"]


def test_an_artifact_that_is_no_model_is_refused(variables: dict[str, str], tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.mkdir()
    (table / "data.csv").write_text("a\n1\n")
    digest = store_from(variables, NAMESPACE).put_folder(table, "Table")
    changed = {**variables, serving_contract.MODEL_DIGEST_VARIABLE: digest}
    code, line = _fetch(tmp_path / "pod" / "model", changed)
    assert (code, line["reason"]) == (1, "the artifact is a Table, not a Model")
