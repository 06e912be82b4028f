"""The program itself: what it imports, how it ends, what it says, and how it holds users' programs
to their step.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from penstock_spec import contract
from penstock_spec.contract import Failure, Input, Result, Task, decode
from penstock_spec.names import FailureClass
from penstock_steps.program import execute
from penstock_steps.tables import read_table
from penstock_steps.workspace import Workspace
from tests.steps.local_chain import Chain, chain_of

HEAVY = ("polars", "sklearn", "onnxruntime", "matplotlib", "numpy", "scipy", "pydantic", "onnx")
TABLE = "n,m,y\n" + "".join(f"{index},{index % 9}.5,{index % 2}\n" for index in range(90))
IMAGE = {"image": "example/program:1"}


def own_program(folder: Path, kind: str, body: dict[str, Any]) -> Chain:
    """data (built in), cut (built in), then `it`, whose program is the user's."""
    source = {"object": {"connection": "lake", "key": "t.csv"}}
    schema = {"columns": [{"name": "y", "type": "Integer", "role": "Target"}]}
    steps = [
        {"name": "data", "ingest": {"source": source, "schema": schema}},
        {"name": "cut", "split": {"table": "data.table", "fractions": {"train": 0.5, "test": 0.5}}},
        {"name": "it", kind: body},
    ]
    chain = chain_of({"steps": steps}, folder, {"t.csv": TABLE})
    chain.run("data")
    chain.run("cut")
    return chain


def running(folder: Path, *outputs: dict[str, str], **container: Any) -> Chain:
    chain = own_program(
        folder, "run", {**IMAGE, "inputs": {"rows": "cut.train"}, "outputs": list(outputs), **container}
    )
    assert isinstance(chain.attempt("it", "fetch"), Result)
    return chain


def out(chain: Chain, path: str) -> Path:
    return chain.folder / "it" / "out" / path


def invalid(chain: Chain) -> str:
    outcome = chain.attempt("it", "publish")
    assert isinstance(outcome, Failure), outcome
    assert outcome.failure_class is FailureClass.INVALID_RESULT
    return outcome.message


def published(chain: Chain) -> Result:
    outcome = chain.attempt("it", "publish")
    assert isinstance(outcome, Result), outcome
    chain.results["it"] = outcome
    return outcome


@pytest.mark.parametrize("mode", ["fetch", "publish"])
def test_fetch_and_publish_of_files_start_without_heavy_libraries(tmp_path: Path, mode: str) -> None:
    chain = running(tmp_path, {"name": "files"})
    (out(chain, "files") / "a").write_text("a")
    workspace = chain.workspace("it", chain.task("it"))
    program = (
        "import sys, json; from pathlib import Path; from penstock_steps.program import execute\n"
        "from penstock_steps.workspace import Workspace\n"
        "root, mode, environment, heavy = sys.argv[1:]\n"
        "code = execute(mode, Workspace(Path(root), Path(root) / 'termination', json.loads(environment)))\n"
        "assert code == 0\n"
        "found = [name for name in json.loads(heavy) if name in sys.modules]\n"
        "assert not found, found"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    given = [str(workspace.root), mode, json.dumps(dict(workspace.environment)), json.dumps(HEAVY)]
    subprocess.run([sys.executable, "-c", program, *given], env=environment, check=True)


def test_fetch_lays_out_tables_arguments_and_writable_folders(tmp_path: Path) -> None:
    chain = running(tmp_path, {"name": "files"}, tables="Csv", arguments={"deep": {"a": [1, 2]}, "n": 3})
    folder = chain.folder / "it"
    assert (folder / "in/rows/data.csv").read_text().splitlines()[0] == "n,m,y"
    assert not (folder / "in/rows/data.parquet").exists()
    assert json.loads((folder / "arguments.json").read_text())["n"] == 3
    assert (folder / "out/files").stat().st_mode & 0o777 == 0o777
    assert (folder / "in/rows/data.csv").stat().st_mode & 0o777 == 0o444
    assert isinstance(chain.attempt("it", "fetch"), Result)  # twice over the same volume
    assert read_table(folder / "in/rows").frame.equals(read_table(chain.artifact("cut", "train")).frame)


def test_results_metrics_and_outputs_of_a_run_are_published(tmp_path: Path) -> None:
    chain = running(tmp_path, {"name": "files"}, {"name": "rows", "type": "Table"})
    (out(chain, "files") / "a.txt").write_text("a")
    (out(chain, "rows") / "data.csv").write_text("a,b\n1,x\n2,\n")
    out(chain, "results.json").write_text('{"best": [1, 2], "name": "x"}')
    out(chain, "metrics.json").write_text('{"loss": 0.25, "epochs": 3}')
    result = published(chain)
    assert result.results == {"best": [1, 2], "name": "x"}
    assert result.metrics == {"loss": 0.25, "epochs": 3.0}
    table = read_table(chain.artifact("it", "rows"))
    assert table.frame.to_dict(as_series=False) == {"a": [1, 2], "b": ["x", None]}
    assert published(chain).outputs == result.outputs


def test_a_schema_written_by_the_program_gives_types_and_roles(tmp_path: Path) -> None:
    chain = running(tmp_path, {"name": "rows", "type": "Table"})
    pl.DataFrame({"a": [1, 0], "b": [1.0, 2.0]}).write_parquet(out(chain, "rows/data.parquet"))
    columns = [
        {"name": "a", "type": "Boolean", "role": "Target"},
        {"name": "b", "type": "Integer", "role": "Ignore"},
    ]
    out(chain, "rows/schema.json").write_text(json.dumps({"version": 1, "columns": columns}))
    published(chain)
    table = read_table(chain.artifact("it", "rows"))
    assert table.frame.to_dict(as_series=False) == {"a": [True, False], "b": [1, 2]}
    assert table.target is not None


def test_a_program_that_wrote_nothing_is_told_where_to_write(tmp_path: Path) -> None:
    assert "left nothing in /penstock/out/files" in invalid(running(tmp_path, {"name": "files"}))


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        ("results.json", "{", "/penstock/out/results.json is not JSON"),
        ("results.json", "[1]", "must be one JSON object"),
        ("results.json", json.dumps({"x": "y" * 2000}), "the step's small results take"),
        ("results.json", '{"a": [1, NaN]}', "/penstock/out/results.json: the result 'a' holds NaN"),
        ("results.json", '{"a": 1e999}', "/penstock/out/results.json: the result 'a' holds NaN"),
        ("metrics.json", '{"a": 1' + "0" * 400 + "}", "metric 'a' is not a finite number"),
        ("metrics.json", '{"a": "CANARY"}', "metric 'a' is not a finite number"),
        ("metrics.json", '{"a": NaN}', "metric 'a' is not a finite number"),
        ("metrics.json", json.dumps({f"m{i}": 1 for i in range(40)}), "has 40 metrics, at most 32"),
        ("rows/data.csv", "a,b\n1,2,CANARY\n", "/penstock/out/rows: the file is not a CSV table"),
        ("rows/data.parquet", "CANARY", "/penstock/out/rows: data.parquet is not a Parquet file"),
        ("rows/other.txt", "x", "/penstock/out/rows holds no data.parquet or data.csv"),
    ],
)
def test_a_broken_result_is_invalid_and_names_the_path(
    tmp_path: Path, path: str, content: str, words: str
) -> None:
    chain = running(tmp_path, {"name": "rows", "type": "Table"})
    if not path.startswith("rows"):
        out(chain, "rows/data.csv").write_text("a\n1\n")
    out(chain, path).write_text(content)
    message = invalid(chain)
    assert words in message
    assert "CANARY" not in message


def test_links_that_a_program_left_are_refused(tmp_path: Path) -> None:
    chain = running(tmp_path / "1", {"name": "files"})
    out(chain, "files/leak").symlink_to("/proc/self/environ")
    assert "is a symbolic link" in invalid(chain)
    chain = running(tmp_path / "2", {"name": "files"})
    out(chain, "files/a").write_text("a")
    out(chain, "results.json").symlink_to("/proc/self/environ")
    assert "results.json" in invalid(chain)


def test_an_ingest_of_ones_own_reads_the_source_and_keeps_schema_and_checks(tmp_path: Path) -> None:
    body = {
        "source": {"object": {"connection": "lake", "key": "t.csv"}},
        "schema": {"columns": [{"name": "a", "type": "Integer"}]},
        "checks": [{"rows": {"minimum": 3}}],
        "container": IMAGE,
    }
    chain = own_program(tmp_path, "ingest", body)
    chain.attempt("it", "fetch")
    assert (chain.folder / "it/in/source/t.csv").read_text() == TABLE
    out(chain, "table/data.csv").write_text("a\n1\n2\n")
    refused = chain.attempt("it", "publish")
    assert isinstance(refused, Failure)
    assert "2 rows, needs at least 3" in refused.message
    out(chain, "table/data.csv").write_text("a\n1\n2\n3\n")
    assert published(chain).source_revision == chain.results["data"].source_revision


def test_a_split_of_ones_own_keeps_the_proof_of_no_overlap(tmp_path: Path) -> None:
    body = {"table": "data.table", "fractions": {"left": 0.5, "right": 0.5}, "container": IMAGE}
    chain = own_program(tmp_path, "split", body)
    chain.attempt("it", "fetch")
    out(chain, "left/data.csv").write_text("n,m,y\n1,1.5,1\n2,2.5,0\n")
    out(chain, "right/data.csv").write_text("n,m,y\n2,2.5,0\n")
    assert "repeat rows of another" in invalid(chain)
    out(chain, "right/data.csv").write_text("n,m,y\n3,2.5,0\n")
    published(chain)
    assert read_table(chain.artifact("it", "left")).target is not None


def test_a_train_of_ones_own_must_leave_a_model_that_answers(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    body = {"model": "m", "train": "cut.train", "container": IMAGE}
    chain = own_program(tmp_path, "train", body)
    chain.attempt("it", "fetch")
    assert "left nothing in /penstock/out/model" in invalid(chain)
    out(chain, "model/model.onnx").write_bytes(b"CANARY")
    assert "not an ONNX model" in invalid(chain)

    def linear(name: str, width: int) -> bytes:
        x = helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width])
        y = helper.make_tensor_value_info("out", TensorProto.FLOAT, [None, 1])
        node = helper.make_node("ReduceSum", [name, "axes"], ["out"], keepdims=1)
        axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
        graph = helper.make_graph([node], "g", [x], [y], [axes])
        opset = helper.make_opsetid("", 17)
        return helper.make_model(graph, opset_imports=[opset], ir_version=9).SerializeToString()

    out(chain, "model/model.onnx").write_bytes(linear("x", 3))
    assert "exactly one input of numbers [rows, 2]" in invalid(chain)
    out(chain, "model/model.onnx").write_bytes(linear("x", 2))
    assert published(chain).columns == 2
    signature = json.loads((chain.artifact("it", "model") / "signature.json").read_text())
    assert (signature["task"], signature["layout"]) == ("Regression", "Matrix")


def test_a_validate_of_ones_own_is_judged_by_its_metrics(tmp_path: Path) -> None:
    validate = {"model": "fit.model", "test": "cut.test", "thresholds": [{"metric": "r2", "minimum": 0.8}]}
    ridge = {"model": "m", "train": "cut.train", "estimator": {"class": "sklearn.linear_model.Ridge"}}
    chain = own_program(tmp_path, "run", IMAGE)
    steps = chain.compiled.spec.as_set()["steps"][:2]
    steps += [{"name": "fit", "train": ridge}, {"name": "it", "validate": {**validate, "container": IMAGE}}]
    chain = chain_of({"steps": steps}, tmp_path, {"t.csv": TABLE})
    for step in ("data", "cut", "fit"):
        chain.run(step)
    chain.attempt("it", "fetch")
    assert "metrics.json has no r2" in invalid(chain)
    out(chain, "metrics.json").write_text('{"r2": 0.7}')
    result = published(chain)
    assert (result.verdict, result.reason) == ("Fail", "ThresholdNotMet")
    assert json.loads((chain.artifact("it", "report") / "report.json").read_text())["measuredBy"] == "program"


def test_a_store_that_cannot_be_used_is_told_apart_and_shows_no_secret(tmp_path: Path, capfd) -> None:
    environment = {
        "PENSTOCK_STORE_URL": "s3://things",
        "PENSTOCK_STORE_ENDPOINT": "http://127.0.0.1:1",
        "PENSTOCK_STORE_ACCESS_KEY_ID": "CANARY-ID",
        "PENSTOCK_STORE_SECRET_ACCESS_KEY": "CANARY-SECRET",
    }
    chain = own_program(tmp_path, "run", IMAGE)
    chain.environment.update(environment)
    outcome = chain.attempt("cut")
    assert isinstance(outcome, Failure)
    assert outcome.failure_class is FailureClass.STORE_UNAVAILABLE
    output = capfd.readouterr()
    assert "CANARY" not in outcome.message + output.out + output.err


def test_a_vanished_input_names_its_digest(tmp_path: Path) -> None:
    chain = own_program(tmp_path, "run", IMAGE)
    for blob in (chain.folder / "store/ml/blobs/sha256").iterdir():
        blob.unlink()
    outcome = chain.attempt("cut")
    assert isinstance(outcome, Failure)
    assert (outcome.failure_class, outcome.inputs) == (FailureClass.INPUT_MISSING, ("table",))
    assert f"sha256:{chain.results['data'].outputs['table'].removeprefix('sha256:')[:12]}" in outcome.message


def test_a_fault_of_our_own_leaves_type_and_place_in_the_log_and_no_value(
    tmp_path: Path, monkeypatch, capfd
) -> None:
    chain = own_program(tmp_path, "run", IMAGE)

    def broken(*_: object) -> None:
        raise RuntimeError("CANARY")

    monkeypatch.setattr("penstock_steps.split.assign", broken)
    workspace = chain.workspace("cut", chain.task("cut"))
    workspace.termination.unlink()
    assert execute("run", workspace) == 1
    assert not workspace.termination.exists()
    log = capfd.readouterr().err
    assert "unexpected RuntimeError" in log
    assert "split.py" in log
    assert "CANARY" not in log


def test_a_task_of_another_release_is_refused_in_words(tmp_path: Path) -> None:
    text = json.dumps({**json.loads(Task("n", "p", "r", "s", 1, "split", {}).to_json()), "version": 99})
    workspace = Workspace(tmp_path, tmp_path / "t", {contract.TASK_VARIABLE: text})
    assert execute("run", workspace) == 1
    outcome = decode((tmp_path / "t").read_text())
    assert isinstance(outcome, Failure)
    assert "use images and operator of the same release" in outcome.message


@pytest.mark.parametrize("words", [[], ["dance"], ["run", "more"]])
def test_the_command_line_says_how_it_is_used(words: list[str]) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "penstock_steps", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "run|fetch|probe|publish" in done.stderr


def test_fetch_lays_out_how_the_run_has_gone_for_a_step_that_always_runs(tmp_path: Path) -> None:
    chain = own_program(tmp_path, "run", IMAGE)
    chain.environment[contract.RUN_VARIABLE] = '{"outcome":"Failed"}'
    assert isinstance(chain.attempt("it", "fetch"), Result)
    told = chain.folder / "it" / "run.json"
    assert json.loads(told.read_text()) == {"outcome": "Failed"}
    assert told.stat().st_mode & 0o777 == 0o644


def test_fetch_lays_out_what_the_iteration_before_has_made_and_seals_it(tmp_path: Path) -> None:
    chain = running(tmp_path, {"name": "files"})
    (out(chain, "files") / "a.txt").write_text("a")
    before = {"previous/files": Input(published(chain).outputs["files"], "Files")}
    workspace = chain.workspace("it", replace(chain.task("it"), inputs=before, cell=2))
    folder = chain.folder / "it-2" / "in" / "previous"
    for _ in range(2):  # twice over the same volume
        assert execute("fetch", workspace) == 0
        assert (folder / "files/a.txt").read_text() == "a"
        assert folder.stat().st_mode & 0o777 == 0o555
    workspace.fresh(folder / "files")
    assert folder.stat().st_mode & 0o200, "what is in a sealed folder cannot be removed"


def test_every_input_that_is_gone_from_the_store_is_named_at_once(tmp_path: Path) -> None:
    inputs = {"rows": "cut.train", "more": "cut.test", "all": "data.table"}
    chain = own_program(tmp_path, "run", {**IMAGE, "inputs": inputs})
    gone = dict.fromkeys(("train", "test"), "sha256:" + "0" * 64)
    chain.results["cut"] = Result(outputs=gone)
    outcome = chain.attempt("it", "fetch")
    assert isinstance(outcome, Failure)
    assert (outcome.failure_class, set(outcome.inputs)) == (FailureClass.INPUT_MISSING, {"rows", "more"})
    assert "input rows is gone from the store" in outcome.message


def test_only_worker_0_of_a_gang_publishes(tmp_path: Path) -> None:
    chain = running(tmp_path, {"name": "files"})
    (out(chain, "files") / "a").write_text("a")
    workspace = chain.workspace("it", chain.task("it"))
    told = {}
    for worker in ("0", "1"):
        environment = {**workspace.environment, contract.WORKER_VARIABLE: worker}
        one = replace(workspace, environment=environment)
        one.termination.unlink(missing_ok=True)
        assert execute("publish", one) == 0
        told[worker] = decode(one.termination.read_text())
    assert isinstance(told["0"], Result)
    assert set(told["0"].outputs) == {"files"}
    assert told["1"] == Result(message="worker 1 has done its part; worker 0 gives the step's outputs")
