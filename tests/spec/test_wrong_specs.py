"""S6: every mistake is answered with its exact place, its reason and what to do next."""

import pytest

from penstock_spec.errors import MESSAGE_LIMIT, Problem, SpecError, SpecReason, format_problems
from penstock_spec.graph import compile_pipeline
from tests.spec.good_spec import REMOVE, good, spoiled
from tests.spec.wrong_specs import WRONG, Wrong


def problems_of(spec: object, applied: object = None) -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as caught:
        compile_pipeline(spec, applied)
    return caught.value.problems


@pytest.mark.parametrize("wrong", WRONG, ids=[one.name.replace(" ", "-") for one in WRONG])
def test_a_wrong_spec_is_answered_with_exactly_its_problem(wrong: Wrong):
    found = problems_of(wrong.spec)
    assert [(one.path, one.reason, one.hint) for one in found] == [(wrong.path, wrong.reason, wrong.hint)]
    assert found[0].message


def test_there_are_at_least_forty_rows_and_twenty_of_them_only_the_compiler_can_refuse():
    assert len(WRONG) >= 40
    assert sum(one.reaches for one in WRONG) >= 20
    assert len({one.name for one in WRONG}) == len(WRONG)


def test_the_spec_that_all_rows_spoil_is_correct():
    assert compile_pipeline(good()).order == ("data", "split", "fit", "gate", "serve", "report", "watch")


def test_a_step_that_always_runs_may_take_longer_than_its_run():
    late = {"name": "tell", "deadline": "3h", "run": {"image": "a:1"}}
    assert [one.path for one in problems_of(spoiled(("steps.+", late)))] == ["spec.steps[7].deadline"]
    assert "tell" in compile_pipeline(spoiled(("steps.+", {**late, "always": True}))).order


def test_a_spec_with_seven_faults_reports_seven():
    spec = spoiled(
        ("parameters.trees.default", 5000),
        ("steps.split.split.table", "dta.table"),
        ("steps.split.split.fractions.test", 0.3),
        ("steps.fit.train.seedFrom.parameter", "sed"),
        ("steps.gate.validate.thresholds.1", {"metric": "rmse", "maximum": 3}),
        ("steps.report.dependsOn", ["servr"]),
        ("steps.report.run.tabels", "Csv"),
    )
    assert [one.path for one in problems_of(spec)] == [
        "spec.parameters[0].default",
        "spec.steps[1].split.fractions",
        "spec.steps[1].split.table",
        "spec.steps[2].train.seedFrom.parameter",
        "spec.steps[3].validate.thresholds[1].metric",
        "spec.steps[5].dependsOn[0]",
        "spec.steps[5].run.tabels",
    ]


def test_a_pipeline_cannot_be_a_step_of_itself():
    spec = {"steps": [{"name": "again", "pipeline": {"name": "tumour"}}]}
    assert compile_pipeline(spec, None, "other").order == ("again",)
    with pytest.raises(SpecError) as caught:
        compile_pipeline(spec, None, "tumour")
    (problem,) = caught.value.problems
    assert (problem.path, problem.reason) == ("spec.steps[0].pipeline.name", SpecReason.SELF_REFERENCE)


def test_a_cycle_names_the_steps_on_it():
    (problem,) = problems_of(spoiled(("steps.data.dependsOn", ["fit"])))
    assert problem.message == "these steps wait for each other: data -> fit -> split -> data"


def test_a_field_that_the_api_server_dropped_is_found_in_what_the_user_applied():
    applied = spoiled(
        ("steps.fit.train.tarin", "split.train"), ("steps.gate.validate.thresholds.0.minimun", 0.9)
    )
    found = problems_of(good(), applied)
    assert [(one.path, one.hint) for one in found] == [
        ("spec.steps[2].train.tarin", "Use one of container, seed."),
        ("spec.steps[3].validate.thresholds[0].minimun", 'Did you mean "minimum"?'),
    ]


def test_what_was_applied_before_somebody_changed_the_object_otherwise_is_ignored():
    applied = spoiled(("steps.fit.train.tarin", "split.train"), ("policy.keepRuns", 3))
    assert compile_pipeline(good(), applied).spec == compile_pipeline(good()).spec


def test_a_null_field_means_that_it_is_not_set():
    assert compile_pipeline(spoiled(("steps.fit.train.validation", None))).spec.step("fit").train is not None
    (problem,) = problems_of(spoiled(("steps.gate.validate.test", None)))
    assert (problem.path, problem.reason) == ("spec.steps[3].validate.test", SpecReason.MISSING_FIELD)


def test_a_misspelt_required_field_is_one_problem_not_two():
    found = problems_of(
        spoiled(("steps.serve.deploy.endpoint", REMOVE), ("steps.serve.deploy.endpiont", "tumour"))
    )
    assert [(one.path, one.hint) for one in found] == [
        ("spec.steps[4].deploy.endpiont", 'Did you mean "endpoint"?')
    ]


def test_a_python_name_of_a_field_is_no_name_in_yaml():
    found = problems_of(spoiled(("steps.report.dependsOn", REMOVE), ("steps.report.depends_on", ["serve"])))
    assert [(one.path, one.hint) for one in found] == [
        ("spec.steps[5].depends_on", 'Did you mean "dependsOn"?')
    ]


@pytest.mark.parametrize("raw", [None, 5, "steps", [], True], ids=repr)
def test_what_is_no_mapping_is_refused_in_words(raw: object):
    (problem,) = problems_of(raw)
    assert (problem.path, problem.reason) == ("spec", SpecReason.WRONG_TYPE)


def test_outputs_are_bounded_over_the_whole_pipeline():
    outputs = [{"name": f"o{index}"} for index in range(32)]
    steps = [{"name": f"s{index}", "run": {"image": "a:1", "outputs": outputs}} for index in range(17)]
    (problem,) = problems_of({"steps": steps})
    assert (problem.path, problem.reason) == ("spec.steps", SpecReason.TOO_LARGE)


def test_the_arguments_of_one_step_are_bounded():
    large = {f"a{index}": "x" * 4000 for index in range(26)}
    (problem,) = problems_of({"steps": [{"name": "big", "run": {"image": "a:1", "arguments": large}}]})
    assert (problem.path, problem.reason) == ("spec.steps[0].run", SpecReason.TOO_LARGE)


def test_a_spec_that_is_too_large_is_refused_before_anything_else_is_looked_at():
    (problem,) = problems_of({"steps": [{"name": "x" * 200_000}] * 1000})
    assert (problem.path, problem.reason) == ("spec", SpecReason.TOO_LARGE)


def test_nesting_without_end_is_refused():
    deep: object = 1
    for _ in range(5000):
        deep = [deep]
    found = problems_of(spoiled(("steps.report.run.arguments.deep", deep)))
    assert [one.reason for one in found] == [SpecReason.TOO_LARGE]


def test_all_problems_fit_the_condition_and_the_text_says_how_many_do_not():
    problems = [
        Problem(f"spec.steps[{index}].name", SpecReason.WRONG_TYPE, "x" * 300) for index in range(100)
    ]
    text = format_problems(problems)
    assert len(text) <= MESSAGE_LIMIT
    shown = text.count("spec.steps[")
    assert 10 < shown < 100
    assert text.startswith("100 problems:")
    assert f"and {100 - shown} more" in text


def test_one_problem_is_one_line():
    text = format_problems([Problem("spec.steps", SpecReason.MISSING_FIELD, "is missing", "Set it.")])
    assert text == "spec.steps: is missing. Set it. [MissingField]"


def test_values_of_environment_variables_are_never_repeated():
    spec = spoiled(("steps.report.run.env.MODE", {"name": "MODE", "value": ["hunter2"]}))
    assert "hunter2" not in str(SpecError(problems_of(spec)))
