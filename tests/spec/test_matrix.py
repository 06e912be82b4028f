"""What the cells of a matrix are, in which order, and that they are counted before they are made."""

from typing import Any

import pytest

from penstock_spec.digest import (
    key_of,
    packed,
    run_digest,
    same_digest,
    step_components,
    step_digest,
    unpacked,
)
from penstock_spec.errors import SpecError, SpecReason
from penstock_spec.gathered import Gathered
from penstock_spec.graph import compile_pipeline
from penstock_spec.matrix import expand, label, product_size
from penstock_spec.plain import digest_text
from penstock_spec.resolve import resolve_step
from tests.spec.good_spec import celled, paired, same

DIGESTS = tuple(digest_text(str(number)) for number in range(3))


def compiled(matrix: Any) -> Any:
    step = {"name": "grid", "matrix": matrix, "run": {"image": "a:1", "outputs": [{"name": "x"}]}}
    return compile_pipeline({"steps": [step]})


def test_the_axes_are_taken_by_name_and_the_last_changes_fastest() -> None:
    pipeline = compiled({"axes": {"b": ["x", "y"], "a": [1, 2]}})
    assert pipeline.cells("grid") == (
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    )


def test_an_exclusion_takes_every_cell_that_has_all_that_it_names_and_inclusions_come_last() -> None:
    matrix = {
        "axes": {"a": [1, 2], "b": ["x", "y"]},
        "exclude": [{"a": 1}, {"a": 2, "b": "x"}],
        "include": [{"b": "z", "a": 1}],
    }
    assert compiled(matrix).cells("grid") == ({"a": 2, "b": "y"}, {"a": 1, "b": "z"})


def test_true_is_not_one() -> None:
    cells = list(expand({"axes": {"a": [True, False]}, "exclude": [{"a": 1}]}))
    assert len(cells) == 2


def test_a_matrix_that_would_never_end_is_counted_and_never_expanded() -> None:
    axes = {f"a{number}": list(range(100)) for number in range(8)}  # 10^16 cells
    assert product_size(axes, 1000) == 1001
    with pytest.raises(SpecError) as caught:
        compiled({"axes": axes})
    assert [one.reason for one in caught.value.problems] == [SpecReason.TOO_LARGE]


def test_the_compiled_pipeline_says_which_steps_have_cells_and_what_takes_results() -> None:
    pipeline = compile_pipeline(celled())
    assert [one for one in pipeline.order if pipeline.has_cells(one)] == ["each", "grid"]
    assert pipeline.cells("each") is None
    assert len(pipeline.cells("grid") or ()) == 2 * 3 * 2 - 2 - 2 + 1
    assert pipeline.inputs("each") == {"forEach": ("find", "found")}
    assert pipeline.graph.edges["find", "each"]["kinds"] == {"input", "value"}
    assert set(pipeline.results_taken("gather")) == {("find", "depth"), ("find", "memory")}


def test_a_cell_in_words_names_its_values_and_is_bounded() -> None:
    assert label({"model": "b", "month": 2, "deep": True}) == "model=b, month=2, deep=true"
    assert len(label({"text": "x" * 500})) == 120


def test_what_is_gathered_is_known_by_values_and_digests_and_survives_its_text() -> None:
    matrix = {"axes": {"a": [1, 2, 3]}}
    gathered = Gathered(DIGESTS, matrix)
    assert Gathered.from_json(gathered.to_json()) == gathered
    assert list(gathered.entries())[2] == {"number": 3, "values": {"a": 3}, "digest": DIGESTS[2]}
    others = [
        Gathered(DIGESTS),
        Gathered(DIGESTS[::-1], matrix),
        Gathered(DIGESTS, {"axes": {"b": [1, 2, 3]}}),
        Gathered(()),
    ]
    assert len({one.digest for one in (gathered, *others)}) == 5


def test_digests_are_packed_and_unpacked_and_known_by_their_keys() -> None:
    for digest in DIGESTS:
        assert unpacked(packed(digest)) == digest
        assert (len(packed(digest)), len(key_of(digest))) == (43, 12)
        assert same_digest(key_of(digest), digest)
        assert key_of(key_of(digest)) == key_of(digest)
    assert not same_digest(DIGESTS[0], DIGESTS[1])
    assert not same_digest(key_of(DIGESTS[0]), DIGESTS[1])


def test_a_step_with_the_cells_of_another_has_its_values_and_pairs_with_all_that_have_them() -> None:
    spec = paired()
    spec["steps"].append(same("check", name="last"))
    spec["steps"][-1]["run"]["inputs"]["rows"] = "find.rows"
    pipeline = compile_pipeline(spec)
    assert pipeline.cells("last") == pipeline.cells("check") == pipeline.cells("grid")
    assert pipeline.matrix("last") == spec["steps"][2]["matrix"]
    assert pipeline.pairs("last") == ("grid", "check")
    assert pipeline.kinds("check", "last") == {"sameAs", "input"}
    assert pipeline.kinds("grid", "last") == {"value"}
    assert [one for one in pipeline.order if pipeline.followed(one)] == ["grid", "check"]
    assert not pipeline.paired("find", "last")


def test_cells_change_no_digest_of_what_a_cell_does() -> None:

    narrow, wide = celled(), celled()
    wide["steps"][2]["matrix"]["axes"]["month"].append(5)
    found = []
    for spec in (narrow, wide):
        pipeline = compile_pipeline(spec)
        cell = (pipeline.cells("grid") or ())[0]
        resolved = resolve_step(pipeline.spec, pipeline.spec.step("grid"), {"image": "a:1"}, cell=cell)
        found.append((run_digest(pipeline.spec), step_digest(step_components(resolved, {}, cell=1))))
    assert found[0][0] != found[1][0]
    assert found[0][1] == found[1][1]
