"""examples/digits: trainings side by side, a program that chooses among them, and a gate for the best one."""

import json
import sys
from pathlib import Path

import pytest

from penstock_artifacts.model import Predictor
from penstock_steps.scoring import cells
from penstock_steps.tables import read_table
from tests.steps.local_chain import ROOT, Chain, example


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, lake: Path) -> Chain:
    """All steps but the deploy, one after the other."""
    chain = example("digits", tmp_path_factory.mktemp("digits"), lake)
    chain.run("data")
    chain.run("split")
    chain.run_cells("trial")
    folder = {"PATH": str(Path(sys.executable).parent), "DIGITS_ROOT": str(chain.folder / "choose")}
    chain.run_program("choose", [sys.executable, str(ROOT / "examples/digits/choose.py")], folder)
    chain.run("best")
    chain.run("gate")
    return chain


def accuracy(chain: Chain, model: Path, part: str) -> float:
    """How often the model is right, asked as the product asks it."""
    table, predictor = read_table(chain.artifact("split", part)), Predictor(model)
    answer = predictor.predict({name: cells(table, name) for name in predictor.signature.names})
    truth: list[int] = table.frame["digit"].to_list()
    return sum(a == b for a, b in zip(answer.labels or (), truth, strict=True)) / len(truth)


def test_the_program_chooses_the_model_that_is_right_most_often_on_the_validation_rows(
    finished: Chain, tmp_path: Path
) -> None:
    found = {}
    for number, result in enumerate(finished.cells["trial"], start=1):
        finished.store.get_folder(result.outputs["model"], tmp_path / str(number))
        found[number] = accuracy(finished, tmp_path / str(number), "validation")
    assert len(set(found.values())) == 4, "the settings make a difference"
    best = max(found, key=lambda number: found[number])
    chosen = dict(finished.results["choose"].results)
    assert chosen.pop("accuracy") == pytest.approx(found[best])
    assert chosen == (finished.compiled.cells("trial") or ())[best - 1]
    scores = json.loads((finished.artifact("choose", "scores") / "scores.json").read_text())
    assert [one["right"] / one["rows"] for one in scores] == pytest.approx(list(found.values()))


def test_the_best_model_is_the_chosen_one_under_its_own_name_and_passes_the_gate(finished: Chain) -> None:
    assert finished.results["gate"].verdict == "Pass", finished.results["gate"].message
    assert accuracy(finished, finished.artifact("best", "model"), "validation") == pytest.approx(
        finished.results["choose"].results["accuracy"]
    )
