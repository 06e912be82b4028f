"""Lists in containers: what is gathered from cells, the item of a cell, and lists that programs write."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from penstock_artifacts.store import Store, store_from
from penstock_spec import contract
from penstock_spec.contract import Failure, Input, Result, Task, decode
from penstock_spec.gathered import Gathered, gathered_variable
from penstock_spec.names import FailureClass
from penstock_spec.plain import digest_text
from penstock_steps.program import execute
from penstock_steps.workspace import Workspace


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"}


@pytest.fixture
def store(environment: dict[str, str]) -> Store:
    return store_from(environment, "ml")


def stored(store: Store, folder: Path, type_: str = "Files", **files: str) -> str:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return store.put_folder(folder, type_)


def execution(
    tmp_path: Path,
    environment: dict[str, str],
    mode: str,
    inputs: dict[str, Input] | None = None,
    **fields: Any,
) -> tuple[Workspace, Result | Failure]:
    """One program of a run step, in a folder of its own."""
    task = Task("ml", "p", "p-g1", "it", 1, "run", {"image": "a:1"}, inputs or {}, **fields)
    root = tmp_path / "work"
    root.mkdir(exist_ok=True)
    gathered = {
        gathered_variable(name): one.gathered.to_json()
        for name, one in (inputs or {}).items()
        if one.gathered is not None
    }
    known = {**environment, **gathered, contract.TASK_VARIABLE: task.to_json()}
    workspace = Workspace(root, root / "termination", known)
    code = execute(mode, workspace)
    told = workspace.termination.read_text() if workspace.termination.exists() else ""
    outcome = decode(told) if told else Result()
    assert (code == 0) == isinstance(outcome, Result)
    return workspace, outcome


def test_a_gathered_input_is_a_folder_for_each_cell_beside_an_index_with_their_values(
    tmp_path: Path, environment: dict[str, str], store: Store
) -> None:
    digests = [stored(store, tmp_path / str(number), **{"part.txt": f"part {number}"}) for number in (1, 2)]
    gathered = Gathered(digests, {"axes": {"month": [7, 8]}})
    inputs = {"parts": Input(gathered.digest, "Files", gathered)}
    workspace, outcome = execution(tmp_path, environment, "fetch", inputs)
    assert isinstance(outcome, Result)
    folder = workspace.input("parts")
    assert (folder / "1/part.txt").read_text() == "part 1"
    assert (folder / "2/part.txt").read_text() == "part 2"
    assert json.loads((folder / "index.json").read_text()) == [
        {"number": 1, "values": {"month": 7}, "digest": digests[0]},
        {"number": 2, "values": {"month": 8}, "digest": digests[1]},
    ]


def test_what_is_gathered_from_no_cells_is_an_empty_index(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    gathered = Gathered(())
    workspace, outcome = execution(
        tmp_path, environment, "fetch", {"parts": Input(gathered.digest, "Files", gathered)}
    )
    assert isinstance(outcome, Result)
    assert json.loads((workspace.input("parts") / "index.json").read_text()) == []


def test_another_list_of_cells_than_the_task_names_is_refused(
    tmp_path: Path, environment: dict[str, str], store: Store
) -> None:
    gathered = Gathered([stored(store, tmp_path / "one", a="1")])
    _, outcome = execution(
        tmp_path, environment, "fetch", {"parts": Input(digest_text("x"), "Files", gathered)}
    )
    assert isinstance(outcome, Failure)
    assert outcome.failure_class is FailureClass.INVALID_RESULT


def gathering(
    tmp_path: Path, environment: dict[str, str], store: Store, count: int, gone: set[int], **matrix: Any
) -> Failure:
    """What fetch says of what so many cells gave, of which these are gone from the store."""
    digests = [
        digest_text(f"gone {number}")
        if number in gone
        else stored(store, tmp_path / f"cell-{number}", a=str(number))
        for number in range(1, count + 1)
    ]
    gathered = Gathered(digests, matrix or None)
    _, outcome = execution(
        tmp_path, environment, "fetch", {"parts": Input(gathered.digest, "Files", gathered)}
    )
    assert isinstance(outcome, Failure)
    assert (outcome.failure_class, outcome.inputs) == (FailureClass.INPUT_MISSING, ("parts",))
    return outcome


def test_cells_that_are_gone_from_the_store_are_all_named_with_their_input_and_their_values(
    tmp_path: Path, environment: dict[str, str], store: Store
) -> None:
    outcome = gathering(tmp_path, environment, store, 4, {2, 4}, axes={"month": [6, 7, 8, 9]})
    assert outcome.cells == {"parts": {2, 4}}
    what = "input parts is gone from the store: 2 of 4 cells, 2 (month=7), 4 (month=9): artifact sha256:"
    assert outcome.message.startswith(what)


def test_of_many_cells_the_message_names_the_first_and_says_how_many_there_are(
    tmp_path: Path, environment: dict[str, str], store: Store
) -> None:
    outcome = gathering(tmp_path, environment, store, 9, {1, 3, 4, 5, 9})
    assert outcome.cells == {"parts": {1, 3, 4, 5, 9}}
    assert "5 of 9 cells, 1, 3, 4, and 2 more: artifact" in outcome.message


def test_a_cell_of_which_one_file_is_gone_or_cut_short_is_told_too_and_one_that_has_other_bytes_is_not(
    tmp_path: Path, environment: dict[str, str], store: Store
) -> None:
    digests = [stored(store, tmp_path / str(number), a=f"part {number}") for number in range(1, 6)]
    blobs = tmp_path / "store/ml/blobs/sha256"
    files = [blobs / hashlib.sha256(f"part {number}".encode()).hexdigest() for number in range(1, 6)]
    for number in (1, 2):
        files[number].unlink()
    files[3].write_text("")
    (blobs / digests[4].removeprefix("sha256:")).write_text("no manifest")
    gathered = Gathered(digests)
    _, outcome = execution(
        tmp_path, environment, "fetch", {"parts": Input(gathered.digest, "Files", gathered)}
    )
    assert isinstance(outcome, Failure)
    assert outcome.cells == {"parts": {2, 3, 4}}


def test_a_cell_finds_its_item_by_number_and_no_folder_of_the_list(
    tmp_path: Path, environment: dict[str, str], store: Store
) -> None:
    digest = stored(store, tmp_path / "list", "List", **{"items.json": '["a", {"key": 2}]'})
    inputs = {"forEach": Input(digest, "List")}
    workspace, outcome = execution(tmp_path, environment, "fetch", inputs, cell=2)
    assert isinstance(outcome, Result)
    assert json.loads(workspace.item_file.read_text()) == {"key": 2}
    assert not workspace.input("forEach").exists()


def written(tmp_path: Path, environment: dict[str, str], text: str) -> Result | Failure:
    """What publish says of a list that a program has written."""
    folder = tmp_path / "work/out/found"
    folder.mkdir(parents=True)
    (folder / "items.json").write_text(text)
    return execution(tmp_path, environment, "publish", outputs={"found": "List"})[1]


@pytest.mark.parametrize(("text", "count"), [("[]", 0), ('["a", null, {"b": [1]}]', 3), ("[0]", 1)])
def test_a_list_is_stored_and_counted(
    tmp_path: Path, environment: dict[str, str], text: str, count: int
) -> None:
    outcome = written(tmp_path, environment, text)
    assert isinstance(outcome, Result)
    assert outcome.counts == {"found": count}
    assert set(outcome.outputs) == {"found"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "is no array"),
        ("[1,", "is not JSON"),
        ("[NaN]", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        (json.dumps(list(range(1001))), "has 1001 items, more than 1000"),
    ],
)
def test_what_cells_cannot_be_made_of_is_refused_in_words(
    tmp_path: Path, environment: dict[str, str], text: str, words: str
) -> None:
    outcome = written(tmp_path, environment, text)
    assert isinstance(outcome, Failure)
    assert outcome.failure_class is FailureClass.INVALID_RESULT
    assert words in outcome.message


def test_a_list_output_without_its_file_is_refused(tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / "work/out/found"
    folder.mkdir(parents=True)
    (folder / "other.json").write_text("[]")
    _, outcome = execution(tmp_path, environment, "publish", outputs={"found": "List"})
    assert isinstance(outcome, Failure)
    assert "items.json is missing" in outcome.message
