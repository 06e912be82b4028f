"""Each statistic against scipy's, against arithmetic by hand, and against whatever a column may hold."""

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from penstock_spec.monitoring import DriftMethod
from penstock_steps.drift.chi_squared import chi_squared
from penstock_steps.drift.correction import holm
from penstock_steps.drift.counts import pooled
from penstock_steps.drift.exact import rise
from penstock_steps.drift.judge import Finding, Limits, judge
from penstock_steps.drift.kolmogorov_smirnov import distance, kolmogorov_smirnov, p_value
from penstock_steps.drift.observed import observe
from penstock_steps.drift.psi import SMOOTHING, psi
from penstock_steps.drift.reference import NoProfile, NumberReference, references
from penstock_steps.profile import profile, rounded

LIMITS = Limits(
    {DriftMethod.PSI: 0.2, DriftMethod.KOLMOGOROV_SMIRNOV: 0.15, DriftMethod.CHI_SQUARED: 0.2},
    significance=0.01,
    nulls_maximum_increase=0.05,
    unseen_maximum_ratio=0.01,
)


def number_reference(values: object) -> NumberReference:
    found = references(profile(pl.DataFrame({"x": values}, strict=False)), ["x"])["x"]
    assert isinstance(found, NumberReference)
    return found


def compare(training: pl.Series, window: pl.Series, limits: Limits = LIMITS) -> Finding:
    reference = references(profile(training.alias("x").to_frame()), ["x"])
    return judge(reference, {"x": observe(window, reference["x"])}, limits)[0]


def test_psi_is_the_smoothed_sum_less_its_bias() -> None:
    reference, window = np.array([100, 100, 100]), np.array([50, 100, 150])
    p = (reference + SMOOTHING) / (300 + 3 * SMOOTHING)
    q = (window + SMOOTHING) / (300 + 3 * SMOOTHING)
    whole = float(((q - p) * np.log(q / p)).sum())
    found = psi(reference, window)
    assert found.value == pytest.approx(whole - 2 * (1 / 300 + 1 / 300))
    assert found.p == pytest.approx(stats.chi2.sf(whole / (2 / 300), 2))


def test_psi_of_two_samples_of_one_distribution_is_0_on_average_and_its_p_holds() -> None:
    generator = np.random.default_rng(3)
    found = []
    for _ in range(3000):
        reference = number_reference(generator.normal(size=341))
        window = observe(pl.Series(generator.normal(size=500)), reference)
        finding = judge({"x": reference}, {"x": window}, LIMITS)[0]
        found.append(finding.tests[0].p)
    for level in (0.1, 0.01, 0.001):
        share = float(np.mean(np.array(found) < level))
        assert share <= level + 3 * math.sqrt(level / len(found)) + 1e-9


@pytest.mark.parametrize("counts", [([30, 40, 30], [50, 30, 20]), ([500, 100], [90, 30])])
def test_chi_squared_is_pearsons(counts: tuple[list[int], list[int]]) -> None:
    found = chi_squared(np.array(counts[0]), np.array(counts[1]))
    assert found.p == pytest.approx(stats.chi2_contingency(counts, correction=False).pvalue)


def test_cramers_v_does_not_shrink_with_the_size_of_the_window() -> None:
    training = np.array([200, 141])
    small = chi_squared(training, np.array([150, 350]))
    large = chi_squared(training, np.array([30_000, 70_000]))
    assert small.value == pytest.approx(large.value, rel=0.02)
    assert chi_squared(np.array([5000, 0]), np.array([0, 5000])).value == pytest.approx(1, abs=1e-3)


def test_cramers_v_of_equal_sizes_is_the_textbooks_but_for_the_bias() -> None:
    counts = np.array([[600, 400], [450, 550]])
    table = stats.contingency.association(counts, method="cramer", correction=False)
    found = chi_squared(counts[0], counts[1])
    assert found.value == pytest.approx(math.sqrt(table**2 - (1 / 1000 + 1 / 1000) / 4))


def test_cells_too_small_for_a_test_are_pooled_and_no_row_is_lost() -> None:
    reference, window = np.array([100, 3, 2, 1, 50]), np.array([90, 4, 3, 0, 60])
    counted, found = pooled(reference, window)
    assert (counted.tolist(), found.tolist()) == ([100, 50, 6], [90, 60, 7])
    counted, found = pooled(np.array([100, 1, 50]), np.array([90, 0, 60]))
    assert (counted.tolist(), found.tolist()) == ([100, 51], [90, 60])


def test_the_distance_of_few_values_is_exactly_scipys() -> None:
    generator = np.random.default_rng(5)
    training, window = generator.integers(0, 9, 400), np.sort(generator.integers(1, 11, 300))
    found = distance(number_reference(training), window.astype(float))
    assert found == pytest.approx(stats.ks_2samp(training, window).statistic)


def test_the_distance_of_many_values_is_a_little_below_scipys_and_its_p_above() -> None:
    generator = np.random.default_rng(6)
    for shift in (0.0, 0.2, 0.5, 1.0):
        training, window = generator.normal(size=341), np.sort(generator.normal(shift, size=500))
        reference, whole = number_reference(training), stats.ks_2samp(training, window)
        found, raw = kolmogorov_smirnov(reference, window), distance(reference, window)
        assert whole.statistic - 1 / len(reference.values) <= raw <= whole.statistic + 1e-12
        assert found.value <= raw
        assert found.p >= whole.pvalue


def test_what_chance_adds_to_the_distance_is_taken_off() -> None:
    generator = np.random.default_rng(7)
    squares = [
        distance(number_reference(generator.normal(size=341)), np.sort(generator.normal(size=500))) ** 2
        for _ in range(2000)
    ]
    # The frozen quantiles see a little less than all rows.
    assert 0.8 < np.mean(squares) / (math.pi**2 / 12 * (1 / 341 + 1 / 500)) <= 1.0


@pytest.mark.parametrize(("n", "m"), [(5, 7), (20, 31), (50, 200), (341, 500), (40, 40), (200, 200), (3, 3)])
def test_the_bound_is_never_below_the_exact_p(n: int, m: int) -> None:
    for statistic in np.linspace(0.05, 1, 20):
        # One pair of samples with about this distance; scipy counts the paths exactly.
        moved = round(statistic * n)
        first = np.arange(n) / n
        second = np.sort((np.arange(m) + 0.5) / m * (1 - moved / n) + moved / n)
        exact = stats.ks_2samp(first, second, method="exact")
        assert p_value(float(exact.statistic), n, m) >= exact.pvalue * (1 - 1e-9)


def test_a_constant_that_moved_is_seen_on_both_sides() -> None:
    reference = number_reference([3.0] * 100)
    assert distance(reference, np.full(50, 2.0)) == 1
    assert distance(reference, np.full(50, 4.0)) == 1
    assert distance(reference, np.full(50, 3.0)) == 0


def test_holm_is_the_textbooks() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 60), st.integers(1, 60))
def test_a_rise_has_fishers_p(before: int, n: int, after: int, m: int) -> None:
    before, after = min(before, n), min(after, m)
    table = [[after, m - after], [before, n - before]]
    wanted = stats.fisher_exact(table, alternative="greater").pvalue
    assert rise(before, n, after, m) == pytest.approx(wanted, rel=1e-6, abs=1e-12)


NUMBERS = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0.0, 1.0]))
WINDOW_NUMBERS = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, -0.0, 1.0, 1.7e308, math.inf]))
TEXTS = st.one_of(st.none(), st.text(max_size=3), st.sampled_from(["a", "b"]))


@settings(max_examples=300, deadline=None)
@given(st.lists(NUMBERS, max_size=60), st.lists(WINDOW_NUMBERS, max_size=60), st.integers(1, 8))
def test_numbers_of_any_kind_give_finite_statistics(before: list[Any], after: list[Any], times: int) -> None:
    finding = compare(pl.Series(before * times, dtype=pl.Float64), pl.Series(after * times, dtype=pl.Float64))
    for test in finding.tests:
        assert math.isfinite(test.value)
        assert test.value >= 0
        assert 0 <= test.p <= test.corrected <= 1


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, max_size=60), st.lists(TEXTS, max_size=60), st.integers(1, 8))
def test_texts_of_any_kind_give_finite_statistics(before: list[Any], after: list[Any], times: int) -> None:
    finding = compare(pl.Series(before * times, dtype=pl.String), pl.Series(after * times, dtype=pl.String))
    for test in finding.tests:
        assert math.isfinite(test.value)
        assert 0 <= test.p <= 1


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(NUMBERS), min_size=1, max_size=40), st.integers(1, 10))
def test_the_very_rows_of_training_never_differ(values: list[Any], times: int) -> None:
    series = pl.Series(values * times, dtype=pl.Float64)
    finding = compare(series, series)
    assert [test.value for test in finding.tests] == [0, 0]
    assert not finding.drifted
    assert finding.unit is None


def test_numbers_sent_in_32_bits_are_those_of_training() -> None:
    training = pl.Series([0.1, 0.2, 0.3] * 200)
    window = pl.Series(training.to_numpy().astype(np.float32).astype(np.float64))
    assert not (window == training).any()
    assert [test.value for test in compare(training, window).tests] == [0, 0]


@given(st.floats(allow_nan=False))
def test_rounding_is_that_of_32_bits_without_their_limits(value: float) -> None:
    found = float(rounded(np.array([value]))[0])
    assert math.isfinite(found) == math.isfinite(value)
    if 1e-37 < abs(value) < 3e38:
        assert found == float(np.float32(value))


def test_missing_values_have_a_cell_of_their_own() -> None:
    training = pl.Series([None] * 300 + [1.0, 2.0, 3.0] * 100, dtype=pl.Float64)
    finding = compare(training, training.drop_nulls())
    assert finding.drifted  # half of the training rows lacked the value, none of the window's do
    assert [test.method for test in finding.tests if test.drifted] == [DriftMethod.PSI]


def test_both_the_p_and_the_limit_must_be_passed() -> None:
    generator = np.random.default_rng(2)
    training, small = pl.Series(generator.normal(size=5000)), pl.Series(generator.normal(0.15, 1, 20_000))
    finding = compare(training, small)
    assert min(test.corrected for test in finding.tests) < 1e-6
    assert not finding.drifted
    few = [
        compare(pl.Series(generator.normal(size=12)), pl.Series(generator.normal(size=15))) for _ in range(40)
    ]
    large = [one for one in few if max(test.strength for test in one.tests) > 1]
    assert large
    assert not any(one.drifted for one in large)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "the model has no data profile"),
        ({}, "the model has no data profile"),
        ([1], "the model has no data profile"),
        ({"version": 1, "columns": []}, "has version 1"),
        ({"version": 2, "columns": []}, "does not describe all columns"),
        ({"version": 2, "columns": [{"name": "x", "kind": "Number", "count": 1, "nulls": 0}]}, "does not"),
    ],
)
def test_a_profile_that_cannot_be_compared_is_told(data: object, words: str) -> None:
    with pytest.raises(NoProfile, match=words):
        references(data, ["x"])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=900), st.randoms())
def test_the_steps_of_a_profile_count_exactly_span_five_rows_and_know_no_order(
    values: list[float], chance: Any
) -> None:
    found = profile(pl.DataFrame({"x": values}))["columns"][0]
    ordered = np.sort(rounded(np.array(values)))
    steps = found["steps"]
    assert steps["below"] == [int((ordered < one).sum()) for one in steps["values"]]
    assert steps["through"] == [int((ordered <= one).sum()) for one in steps["values"]]
    assert steps["through"][-1] == len(values)
    assert len(steps["values"]) <= max(1, min(100, len(values) // 5))
    chance.shuffle(values)
    assert profile(pl.DataFrame({"x": values}))["columns"][0] == found
