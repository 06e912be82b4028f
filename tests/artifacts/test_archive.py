"""Records of runs in the store: written once, checked at every read, on a folder and on a real S3 server."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from penstock_artifacts.archive import RunArchive, Written
from penstock_artifacts.errors import ArtifactCorrupt, ArtifactMissing, StoreUnavailable
from penstock_artifacts.store import store_from
from penstock_spec import batch
from penstock_spec.archive import KIND, key_of, sealed
from penstock_spec.contract import Failure, Result, Task, decode
from penstock_spec.names import FailureClass
from penstock_steps.program import execute
from penstock_steps.workspace import Workspace
from tests.artifacts.versitygw import versitygw

PIPELINE = "8f5ac6a4-6f3f-4f0f-9a70-0e0f4c9e5a11"
RUN = "0b0d7b8e-52a5-4a7e-8d0e-7d5f0f1f2a22"


def record(run: str = RUN, name: str = "p-g1", **status: Any) -> dict[str, Any]:
    about = {
        "version": 1,
        "namespace": "ml",
        "pipeline": "p",
        "pipelineUid": PIPELINE,
        "run": name,
        "uid": run,
    }
    return sealed({**about, "spec": {}, "status": {"status": "Succeeded", **status}, "definition": None})


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[dict[str, str], Path]]:
    """The store's environment, and where its objects lie."""
    if request.param == "folder":
        yield {"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"}, tmp_path / "store/ml"
        return
    with versitygw(tmp_path / "s3") as server:
        yield server.environment, server.objects / "team/ml"


def opened(environment: dict[str, str]) -> RunArchive:
    return store_from(environment, "ml").archive()


def test_a_record_is_written_once_and_comes_back(place: tuple[dict[str, str], Path]) -> None:
    environment, objects = place
    archive = opened(environment)
    assert archive.put(record()) is Written.NEW
    assert archive.put(record()) is Written.SAME
    assert archive.get(PIPELINE, RUN) == record()
    assert [one["run"] for one in archive.records()] == ["p-g1"]
    assert (objects / key_of(PIPELINE, RUN)).read_text().count("\n") == 1


def test_another_record_of_the_same_run_does_not_take_its_place(place: tuple[dict[str, str], Path]) -> None:
    archive = opened(place[0])
    archive.put(record())
    assert archive.put(record(reason="Other")) is Written.OTHER
    assert archive.get(PIPELINE, RUN) == record()


@pytest.mark.parametrize(
    "spoil", [lambda text: text[:-20], lambda text: text.replace("Succeeded", "Failed___")]
)
def test_what_lies_there_cut_short_or_changed_is_noticed_and_written_anew(
    tmp_path: Path, spoil: Callable[[str], str]
) -> None:
    archive = opened({"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"})
    archive.put(record())
    file = tmp_path / "store/ml" / key_of(PIPELINE, RUN)
    file.write_text(spoil(file.read_text()))
    with pytest.raises(ArtifactCorrupt, match="changed or cut short"):
        archive.get(PIPELINE, RUN)
    assert archive.put(record()) is Written.MENDED
    assert archive.get(PIPELINE, RUN) == record()


def test_what_is_no_record_is_not_written(tmp_path: Path) -> None:
    archive = opened({"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"})
    for wrong in ({**record(), "run": "other"}, {**record(), "digest": ""}, record(run="../../escape")):
        with pytest.raises(ArtifactCorrupt, match="not what its digest says"):
            archive.put(wrong)
    with pytest.raises(ArtifactMissing):
        archive.get(PIPELINE, RUN)
    with pytest.raises(ValueError, match="no uids"):
        archive.get("..", RUN)


# The program of the Job


def attempt(environment: dict[str, str], folder: Path, *records: dict[str, Any]) -> Result | Failure:
    """What the Job that carries these records says at its end."""
    announced = {one["uid"]: one["digest"] for one in records}
    task = Task("ml", "p", "p-archive-1", "archive", 1, KIND, {"records": announced})
    folder.mkdir(exist_ok=True)
    workspace = Workspace(
        root=folder,
        termination=folder / "said",
        environment={
            **environment,
            "PENSTOCK_TASK": task.to_json(),
            **batch.variables(batch.pack(records)),
        },
    )
    code = execute("run", workspace)
    said = decode(workspace.termination.read_text())
    assert code == (0 if isinstance(said, Result) else 1)
    return said


def test_the_job_writes_its_batch_and_writing_it_again_changes_nothing(
    place: tuple[dict[str, str], Path], tmp_path: Path
) -> None:
    environment, objects = place
    records = [
        record(run=f"0b0d7b8e-52a5-4a7e-8d0e-{number:012d}", name=f"r{number}") for number in range(20)
    ]
    # One that was killed after the first seven has left these.
    assert isinstance(attempt(environment, tmp_path / "a", *records[:7]), Result)
    said = attempt(environment, tmp_path / "b", *records)
    assert isinstance(said, Result)
    assert said.message == "20 runs archived: 13 new, 7 same"
    files = {path: path.stat().st_mtime_ns for path in (objects / "archive").rglob("*.json")}
    assert len(files) == 20
    again = attempt(environment, tmp_path / "c", *records)
    assert isinstance(again, Result)
    assert again.message == "20 runs archived: 20 same"
    assert files == {path: path.stat().st_mtime_ns for path in (objects / "archive").rglob("*.json")}


def test_the_job_says_whose_fault_it_is(tmp_path: Path) -> None:
    nowhere = {"PENSTOCK_STORE_URL": "s3://b/p", "PENSTOCK_STORE_ENDPOINT": "http://127.0.0.1:1"}
    said = attempt(nowhere, tmp_path / "a", record())
    assert isinstance(said, Failure)
    assert said.failure_class is FailureClass.STORE_UNAVAILABLE
    folder = {"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"}
    said = attempt(folder, tmp_path / "b", {**record(), "run": "spoiled"})
    assert isinstance(said, Failure)
    assert said.failure_class is FailureClass.INVALID_RESULT
    broken = attempt({**folder, "PENSTOCK_BATCH_1": "x"}, tmp_path / "c", record())
    assert isinstance(broken, Failure)
    assert "is not whole" in broken.message


def test_the_page_s_line_of_python_reads_it(tmp_path: Path) -> None:
    archive = opened({"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"})
    archive.put(record())
    archive.put(record(run=RUN.replace("0", "1"), name="p-g2", progress="1/1"))
    found = pl.read_ndjson(str(tmp_path / "store/ml/archive/*/*.json"))
    table = found.select("run", pl.col("status").struct.field("status"))
    assert sorted(table.rows()) == [("p-g1", "Succeeded"), ("p-g2", "Succeeded")]
    assert (
        json.loads((tmp_path / "store/ml" / key_of(PIPELINE, RUN)).read_text())["digest"]
        == record()["digest"]
    )


def test_a_store_that_is_not_there_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        opened({"PENSTOCK_STORE_URL": "s3://b/p", "PENSTOCK_STORE_ENDPOINT": "http://127.0.0.1:1"}).put(
            record()
        )
