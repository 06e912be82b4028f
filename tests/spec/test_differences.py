"""Differences: why a step runs again, in the words of whoever wrote the pipeline."""

from typing import Any

import pytest

from penstock_spec.differences import difference, said_of
from penstock_spec.digest import Components
from penstock_spec.graph import compile_pipeline
from tests.spec.good_spec import REMOVE, good, spoiled
from tests.spec.test_digests import OTHER, components


def differs(old: dict[str, Any], new: dict[str, Any], step: str) -> str:
    """Why the step runs, of two specs whose inputs are the same."""
    said = [said_of(compile_pipeline(one), step) for one in (old, new)]
    return difference(step, components(old, step), components(new, step), *said)


@pytest.mark.parametrize(
    ("edit", "step", "why"),
    [
        (
            ("parameters.trees.default", 100),
            "fit",
            "changed: parameters.trees 200 -> 100",
        ),
        (
            ("steps.gate.validate.thresholds.1.maximum", 0.4),
            "gate",
            "changed: steps.gate.validate.thresholds[1].maximum 0.5 -> 0.4",
        ),
        (
            ("steps.fit.train.preprocess.1", REMOVE),
            "fit",
            "changed: steps.fit.train.preprocess 3 items -> 2 items",
        ),
        (
            ("parameters.image.default", "ghcr.io/acme/report:2"),
            "report",
            "changed: image ghcr.io/acme/report:1.4 -> ghcr.io/acme/report:2",
        ),
        (("steps.report.run.env.MODE.value", "short"), "report", "changed: steps.report.run.env[0].value"),
        (("steps.report.gang.workers", 3), "report", "changed: steps.report.gang.workers 2 -> 3"),
        (
            ("steps.report.gang", REMOVE),
            "report",
            "changed: steps.report.gang.processesPerWorker 4 -> unset (and 1 more)",
        ),
        (("secrets.token.secret", "other"), "report", "changed: secret token"),
        (
            ("steps.data.ingest.csv", REMOVE),
            "data",
            'changed: steps.data.ingest.csv {"delimiter":";"} -> unset',
        ),
        (("description", "Another."), "fit", ""),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else None,
)
def test_why_a_step_runs_again_is_said_in_words(edit: tuple[str, Any], step: str, why: str):
    assert differs(good(), spoiled(edit), step) == why


@pytest.mark.parametrize(
    ("was", "now", "why"),
    [
        ("x = 1", "x = 2", '"x = 1" -> "x = 2"'),
        (
            "# what it is about\n" * 9 + "rate = 0.1\nsave()",
            "# what it is about\n" * 9 + "rate = 0.2\nsave()",
            '"… about\\nrate = 0.1\\nsave()" -> "… about\\nrate = 0.2\\nsave()"',
        ),
        (
            "a long line of words " * 9,
            "a long line of words " * 9 + "end",
            '"…g line of words " -> "…g line of words end"',
        ),
    ],
    ids=["short", "in the middle", "at the end"],
)
def test_of_long_texts_the_part_that_differs_is_shown(was: str, now: str, why: str):
    old, new = (spoiled(("steps.report.run.command", ["sh", "-c", one])) for one in (was, now))
    assert differs(old, new, "report") == f"changed: steps.report.run.command[2] {why}"


def test_a_place_that_takes_another_parameter_or_none_is_named_by_itself():
    literal = spoiled(
        ("steps.fit.train.estimator.parametersFrom", REMOVE),
        ("steps.fit.train.estimator.parameters.n_estimators", 300),
    )
    place = "changed: steps.fit.train.estimator.parameters.n_estimators"
    assert differs(good(), literal, "fit") == f"{place} 200 -> 300"
    other = spoiled(("steps.fit.train.estimator.parametersFrom.n_estimators.parameter", "seed"))
    assert differs(good(), other, "fit") == f"{place} 200 -> 7"


def test_a_parameter_that_stands_in_several_places_is_one_change():
    twice = ("steps.report.run.env.+", {"name": "AGAIN", "valueFrom": {"parameter": "region"}})
    us = ("parameters.region.default", "us")
    assert differs(spoiled(twice), spoiled(twice, us), "report") == "changed: parameters.region"


def test_a_changed_input_is_named_and_several_changes_are_counted():
    old = components(good(), "fit")
    inputs = {**old.inputs, "train": OTHER}
    new = Components(**{**vars(old), "inputs": inputs})
    assert difference("fit", old, new) == "changed: input train"
    said = said_of(compile_pipeline(good()), "fit")
    assert difference("fit", old, new, said, said) == "changed: input split.train"
    other = spoiled(("steps.fit.train.train", "split.validation"), ("steps.fit.train.validation", REMOVE))
    moved = said_of(compile_pipeline(other), "fit")
    assert difference("fit", old, new, said, moved) == "changed: input train: split.train -> split.validation"
    more = components(good(), "fit", trees=50, seed=1)
    text = difference("fit", old, Components(**{**vars(more), "inputs": inputs}))
    assert text == "changed: steps.fit.train.estimator.parameters.n_estimators 200 -> 50 (and 2 more)"
    assert difference("fit", None, old) == "first run"


def test_an_explanation_fits_the_status_whatever_changed():
    old = components(spoiled(("steps.report.run.arguments.depth", "x" * 3000)), "report")
    new = components(spoiled(("steps.report.run.arguments.depth", "y" * 3000)), "report")
    assert len(difference("report", old, new)) <= 256
