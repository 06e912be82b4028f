"""Digests: what means the same has the same digest, what may change a result has another."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock_spec.base import SpecModel
from penstock_spec.digest import (
    KIND_CONTRACTS,
    Components,
    digest_of,
    reusable_image,
    run_digest,
    step_components,
    step_digest,
)
from penstock_spec.errors import SpecError
from penstock_spec.graph import CompiledPipeline, compile_pipeline
from penstock_spec.pipeline import PipelineSpec
from penstock_spec.references import KINDS
from penstock_spec.resolve import resolve_parameters, resolve_step
from penstock_spec.shapes import object_shape
from penstock_spec.structure import objects
from tests.spec.good_spec import REMOVE, good, spoiled
from tests.spec.json_mutations import at, places

INPUT = "sha256:" + "0" * 64
OTHER = "sha256:" + "1" * 64


def components(spec: dict[str, Any], step: str, **given_values: Any) -> Components:
    """The components of a step whose inputs all have one digest."""
    return components_of(compile_pipeline(spec), step, **given_values)


def components_of(pipeline: CompiledPipeline, step: str, **given_values: Any) -> Components:
    values = resolve_parameters(pipeline.spec, given_values)
    resolved = resolve_step(pipeline.spec, pipeline.spec.step(step), values)
    return step_components(resolved, dict.fromkeys(pipeline.inputs(step), INPUT))


def digests(spec: dict[str, Any]) -> dict[str, str]:
    """Every digest of a spec: that of the run, and of each step."""
    pipeline = compile_pipeline(spec)
    steps = {one.name: step_digest(components_of(pipeline, one.name)) for one in pipeline.spec.steps}
    return {"": run_digest(pipeline.spec), **steps}


def writable_defaults() -> list[tuple[tuple[Any, ...], str, Any]]:
    """Each default of the correct spec that could be written out: where, name, value."""
    found = []
    for shape, data, path in objects(object_shape(PipelineSpec), good(), ()):
        for field in shape.fields.values():
            if field.required or field.name in data or field.default is None:
                continue
            default = (
                {}
                if isinstance(field.default, SpecModel)
                else json.loads(json.dumps(field.default, default=SpecModel.as_set))
            )
            found.append((path, field.name, default))
    return found


def compiles(spec: dict[str, Any]) -> bool:
    try:
        compile_pipeline(spec)
    except SpecError:
        return False
    return True


DEFAULTS = [
    one for one in writable_defaults() if compiles(spoiled((".".join(map(str, (*one[0], one[1]))), one[2])))
]


@given(st.sets(st.integers(0, len(DEFAULTS) - 1), max_size=20))
@settings(max_examples=25, deadline=None)
def test_writing_defaults_out_changes_no_digest(chosen: set[int]):
    spec = good()
    for index in chosen:
        path, name, default = DEFAULTS[index]
        at(spec, path)[name] = copy.deepcopy(default)
    if compiles(spec):
        assert digests(spec) == digests(good())


def test_every_default_is_among_those_that_may_be_written_out():
    spec = good()
    for path, name, default in DEFAULTS:
        at(spec, path)[name] = copy.deepcopy(default)
    assert len(DEFAULTS) >= 35
    assert digests(spec) == digests(good())


@given(st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_order_of_keys_and_the_writing_of_numbers_change_no_digest(random: Any):
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            random.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        if isinstance(value, list):
            return [shuffled(one) for one in value]
        if isinstance(value, int) and not isinstance(value, bool) and random.random() < 0.5:
            return float(value)
        return value

    assert digests(shuffled(good())) == digests(good())


def test_the_order_of_the_steps_changes_no_digest():
    spec = good()
    spec["steps"].reverse()
    assert digests(spec) == digests(good())


@pytest.mark.parametrize(
    "edit",
    [
        ("description", "Another sentence."),
        ("owner", "somebody-else"),
        ("policy.keepRuns", 3),
        ("policy.keepPods", {"succeeded": "5m"}),
        ("policy.archive", "Never"),
        ("policy.concurrency", "Allow"),
        ("policy.onChange", "Wait"),
        ("policy", REMOVE),
        ("triggers.nightly.schedule.cron", "0 3 * * *"),
        ("triggers", REMOVE),
        ("suspend", True),
        ("parameters.trees.description", "Another sentence."),
    ],
    ids=lambda one: one[0],
)
def test_what_does_not_matter_starts_no_run(edit: tuple[str, Any]):
    assert digests(spoiled(edit)) == digests(good())


def leaves() -> list[tuple[Any, ...]]:
    """Every scalar of the correct spec that should count for the run."""
    spec = good()
    ignored = {"owner", "policy", "triggers"}
    return [
        path
        for path in places(spec)
        if not isinstance(at(spec, path), dict | list)
        and path[0] not in ignored
        and path[-1] != "description"
    ]


WORDS = ["0", "x", "z.z", "f1", "Files", "Ignore", "Allow", "Boolean", "Integer", "Parquet", "Refuse", "us"]
ENOUGH = 4  # other values of each field
OTHER_VALUES = (41, 2, 0.125, "2d", "20s", "ChiSquared", "Failed", "Approved", "Never", *WORDS)


@pytest.mark.parametrize("path", leaves(), ids=lambda path: ".".join(map(str, path)))
def test_every_change_of_what_a_user_set_changes_the_digest_of_the_run(path: tuple[Any, ...]):
    before, spec = PipelineSpec.model_validate(good(), by_alias=True, by_name=False), good()
    parent, old = at(spec, path[:-1]), at(spec, path)
    changed = []
    for new in (not old if isinstance(old, bool) else "Mean", *OTHER_VALUES):
        parent[path[-1]] = new
        try:
            after = PipelineSpec.model_validate(spec, by_alias=True, by_name=False)
        except ValueError:
            continue
        if after != before and len(changed) < ENOUGH:
            changed.append(after)
    assert changed
    assert run_digest(before) not in {run_digest(after) for after in changed}


@pytest.mark.parametrize(
    ("step", "edit"),
    [
        ("data", ("steps.data.ingest.source.object.key", "other.csv")),
        ("data", ("steps.data.ingest.csv.delimiter", "|")),
        ("data", ("steps.data.ingest.schema.columns.mean_radius.maximum", 99)),
        ("split", ("steps.split.split.fractions", {"train": 0.5, "validation": 0.3, "test": 0.2})),
        ("split", ("parameters.region.default", "us")),
        ("fit", ("parameters.trees.default", 300)),
        ("fit", ("parameters.seed.default", 8)),
        ("fit", ("steps.fit.train.estimator.parameters.class_weight", "balanced_subsample")),
        ("fit", ("steps.fit.train.preprocess.1", REMOVE)),
        ("fit", ("steps.fit.train.model", "growth")),
        ("gate", ("parameters.bar.default", 0.9)),
        ("gate", ("steps.gate.validate.positive", "false")),
        ("report", ("parameters.image.default", "ghcr.io/acme/report:1.5")),
        ("report", ("steps.report.run.args", ["--quiet"])),
        ("report", ("steps.report.run.env.MODE.value", "short")),
        ("report", ("steps.report.run.arguments.depth", 4)),
        ("report", ("steps.report.run.tables", "Parquet")),
        ("report", ("secrets.token.secret", "other-token")),
        ("watch", ("steps.watch.monitor.every", "2h")),
        ("watch", ("steps.watch.monitor.drift.0.maximum", 0.3)),
        ("watch", ("steps.watch.monitor.predictionLog.redact", REMOVE)),
    ],
    ids=lambda one: one if isinstance(one, str) else one[0],
)
def test_a_change_of_meaning_changes_the_digest_of_its_step_only(step: str, edit: tuple[str, Any]):
    before, after = digests(good()), digests(spoiled(edit))
    changed = {name for name in before if before[name] != after[name]}
    # Parameters may be used by several steps; those of this test's edits all are by the named one.
    assert {"", step} <= changed
    assert changed <= {"", step, "report", "split"}


@pytest.mark.parametrize(
    "edit",
    [
        ("steps.fit.resources", {"memory": "8Gi"}),
        ("steps.fit.dependsOn", ["split"]),
        ("parameters.trees.maximum", 3000),
    ],
    ids=lambda one: one[0],
)
def test_what_does_not_change_a_result_changes_the_run_but_no_step(edit: tuple[str, Any]):
    before, after = digests(good()), digests(spoiled(edit))
    assert {name for name in before if before[name] != after[name]} == {""}


def test_renaming_a_step_changes_no_other_step_whose_inputs_are_the_same_bytes():
    renamed = json.loads(
        json.dumps(good()).replace("split.", "cut.").replace('"name": "split"', '"name": "cut"')
    )
    before, after = digests(good()), digests(renamed)
    assert before["fit"] == after["fit"]
    assert before["split"] == after["cut"]


def test_another_input_or_contract_changes_the_digest_of_a_step():
    old = components(good(), "fit")
    other = Components(
        old.kind, old.contract, old.arguments, old.image, old.secrets, {**old.inputs, "train": OTHER}
    )
    newer = Components(old.kind, old.contract + 1, old.arguments, old.image, old.secrets, old.inputs)
    assert len({step_digest(one) for one in (old, other, newer)}) == 3


def test_every_kind_has_a_contract_version():
    assert set(KIND_CONTRACTS) == set(KINDS)


@pytest.mark.parametrize(
    ("image", "reusable"),
    [
        ("", True),
        ("alpine", False),
        ("alpine:latest", False),
        ("alpine:3.20", True),
        ("localhost:5000/alpine", False),
        ("localhost:5000/alpine:3.20", True),
        ("localhost:5000/team/alpine:latest", False),
        ("alpine@sha256:" + "a" * 64, True),
        ("alpine:latest@sha256:" + "a" * 64, True),
    ],
)
def test_only_an_image_whose_reference_stays_the_same_bytes_is_reused(image: str, reusable: bool):
    assert reusable_image(image) is reusable


def test_a_digest_looks_like_a_digest_and_knows_what_json_is():
    assert digest_of({"b": 1.0, "a": [True, None]}) == digest_of(json.loads('{"a":[true,null],"b":1}'))
    assert digest_of(1) != digest_of(True)
    assert digest_of("1") != digest_of(1)
    assert digest_of({}).startswith("sha256:")
    assert len(digest_of({})) == 71


def test_a_queue_changes_no_result_and_a_gang_may():
    step = step_digest(components(good(), "fit"))
    assert step_digest(components(spoiled(("steps.fit.queue", REMOVE)), "fit")) == step
    gang = step_digest(components(good(), "report"))
    assert step_digest(components(spoiled(("steps.report.gang.workers", 3)), "report")) != gang


def test_a_step_without_a_gang_has_the_digest_that_it_had_before_there_were_gangs():
    found = components(good(), "gate")
    known = {name: value for name, value in vars(found).items() if name not in {"gang", "child", "iteration"}}
    assert step_digest(found) == digest_of(known)
