"""Parameters: what a run may set, and what the steps see of it."""

from typing import Any

import pytest

from penstock_spec.errors import SpecError, SpecReason
from penstock_spec.graph import compile_pipeline
from penstock_spec.resolve import ResolvedStep, resolve_parameters, resolve_step
from tests.spec.good_spec import REMOVE, good, spoiled


def values(spec: dict[str, Any], **given: Any) -> dict[str, Any]:
    return resolve_parameters(compile_pipeline(spec).spec, given)


def resolved(spec: dict[str, Any], step: str, **given: Any) -> ResolvedStep:
    pipeline = compile_pipeline(spec).spec
    return resolve_step(pipeline, pipeline.step(step), resolve_parameters(pipeline, given))


def problems(spec: dict[str, Any], step: str = "", **given: Any) -> list[tuple[str, SpecReason, str]]:
    with pytest.raises(SpecError) as caught:
        resolved(spec, step, **given) if step else values(spec, **given)
    return [(one.path, one.reason, one.hint) for one in caught.value.problems]


def test_given_values_stand_before_defaults_and_whole_numbers_may_be_written_with_a_point():
    found = values(good(), trees=50.0, bar=1)
    assert found["trees"] == 50
    assert type(found["trees"]) is int
    assert (found["bar"], found["region"]) == (1, "eu")


def test_everything_wrong_with_the_values_is_said_at_once():
    spec = spoiled(("parameters.seed.default", REMOVE))
    assert problems(spec, trees=2.5, bar=3, region="asia", imge="a:1") == [
        ("spec.parameters.imge", SpecReason.UNKNOWN_PARAMETER, 'Did you mean "image"?'),
        ("spec.parameters.trees", SpecReason.WRONG_TYPE, "Give a whole number of at most 64 bits."),
        ("spec.parameters.bar", SpecReason.OUT_OF_RANGE, "Use at most 1."),
        ("spec.parameters.region", SpecReason.INVALID_VALUE, "Use one of eu, us."),
        ("spec.parameters.seed", SpecReason.MISSING_PARAMETER, "Set a value of type Integer."),
    ]


@pytest.mark.parametrize("given", [True, "5", [5], {}, 2.5], ids=repr)
def test_a_whole_number_is_nothing_else(given: Any):
    assert [one[:2] for one in problems(good(), trees=given)] == [
        ("spec.parameters.trees", SpecReason.WRONG_TYPE)
    ]


def test_a_null_value_is_refused_rather_than_guessed():
    hint = "Give a value, or leave the name out: then the default holds."
    assert problems(good(), trees=None) == [("spec.parameters.trees", SpecReason.NULL_VALUE, hint)]


def test_steps_see_literals_only():
    fit = resolved(good(), "fit", trees=50, seed=3)
    assert fit.arguments["seed"] == 3
    assert fit.arguments["estimator"] == {
        "class": "sklearn.ensemble.RandomForestClassifier",
        "parameters": {"class_weight": "balanced", "n_estimators": 50},
    }
    assert resolved(good(), "gate", bar=0.9).arguments["thresholds"][0] == {
        "metric": "roc_auc",
        "minimum": 0.9,
    }
    assert resolved(good(), "split", region="us").arguments["salt"] == "us"


def test_a_container_sees_its_image_environment_arguments_and_secrets():
    report = resolved(good(), "report", image="a:2", trees=50)
    assert report.image == "a:2"
    assert report.secrets == {"token": "report-token"}
    assert report.arguments["arguments"] == {"depth": 3, "colours": ["red", "green"], "trees": 50}
    assert report.arguments["env"] == [
        {"name": "MODE", "value": "full"},
        {"name": "REGION", "value": "eu"},
        {"name": "TOKEN", "secret": {"name": "token", "key": "token"}},
    ]


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [("Boolean", True, "true"), ("Integer", 3.0, "3"), ("Number", 0.5, "0.5"), ("String", "a b", "a b")],
)
def test_a_variable_is_the_value_as_json_writes_it_and_texts_as_they_are(type_: str, value: Any, text: str):
    spec = spoiled(
        ("parameters.+", {"name": "any", "type": type_}),
        ("steps.report.run.env.REGION.valueFrom.parameter", "any"),
    )
    assert resolved(spec, "report", any=value).arguments["env"][1]["value"] == text


def test_resources_may_come_from_parameters_and_are_checked_once_known():
    spec = spoiled(
        ("parameters.+", {"name": "size", "default": "4Gi"}),
        ("steps.fit.resources", {"memoryFrom": {"parameter": "size"}}),
    )
    assert resolved(spec, "fit", size="8Gi").resources.memory == "8Gi"
    assert resolved(spec, "fit").resources.cpu == "250m"
    assert problems(spec, "fit", size="much") == [
        ("spec.steps[2].resources.memory", SpecReason.INVALID_VALUE, "Write bytes with a unit: 512Mi or 4Gi.")
    ]
    hint = "Write 8Mi or 8Gi for mebibytes or gibibytes."
    assert problems(spec, "fit", size="8") == [
        ("spec.steps[2].resources.memory", SpecReason.OUT_OF_RANGE, hint)
    ]


def test_a_value_that_the_field_does_not_allow_is_a_problem_of_the_field():
    assert problems(good(), "fit", seed=-1) == [
        ("spec.steps[2].train.seed", SpecReason.OUT_OF_RANGE, "Use at least 0.")
    ]


@pytest.mark.parametrize("given", [None, 5, "a", [1]], ids=repr)
def test_values_that_are_no_mapping_are_refused_in_words(given: Any):
    with pytest.raises(SpecError) as caught:
        resolve_parameters(compile_pipeline(good()).spec, given)
    assert [one.path for one in caught.value.problems] == ["spec.parameters"]
