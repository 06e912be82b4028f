"""Data quality apart from drift: missing values, unseen texts, units; and what is told only once."""

import numpy as np
import polars as pl
import pytest

from penstock_steps.drift.judge import Finding
from penstock_steps.window_result import unit_words
from tests.steps.test_drift_statistics import compare

CELSIUS = np.random.default_rng(1).normal(15, 8, 600)
WEIGHT = np.random.default_rng(2).normal(160, 25, 600)
INCOME = np.random.default_rng(3).lognormal(10, 0.7, 600)
RATING = np.random.default_rng(4).integers(1, 8, 600).astype(float)
SPARSE = np.where(
    np.random.default_rng(5).random(600) < 0.7, 0.0, np.random.default_rng(6).normal(50, 9, 600)
)
CENTRED = np.random.default_rng(7).normal(0, 1, 600)


def against(training: np.ndarray, window: np.ndarray) -> Finding:
    """The last 350 rows of `window` against the first 250 of `training`."""
    return compare(pl.Series(training[:250]), pl.Series(window[250:]))


@pytest.mark.parametrize(
    ("training", "window", "factor", "offset"),
    [
        (INCOME, INCOME * 1000, 1000, 0),
        (INCOME, INCOME / 1000, 0.001, 0),
        (WEIGHT, WEIGHT * 0.45359237, 0.4536, 0),
        (WEIGHT, np.round(WEIGHT * 0.45359237, 1), 0.4536, 0),
        (CELSIUS, CELSIUS * 1.8 + 32, 1.8, 32),
        (CELSIUS * 1.8 + 32, CELSIUS, 0.5556, -17.78),
        (CELSIUS, CELSIUS + 273.15, 1, 273.15),
        (RATING, RATING * 10, 10, 0),
        (SPARSE, SPARSE * 100, 100, 0),
        (CENTRED, CENTRED * 1000, 1000, 0),
        (WEIGHT, WEIGHT * 37, 37, 0),
        (-WEIGHT, -WEIGHT * 1000, 1000, 0),
    ],
)
def test_a_change_of_unit_is_told_with_its_factor_and_is_no_drift(
    training: np.ndarray, window: np.ndarray, factor: float, offset: float
) -> None:
    finding = against(training, window)
    assert finding.unit is not None
    assert finding.unit.factor == pytest.approx(factor, rel=0.03 if factor == 37 else 1e-3)
    assert finding.unit.offset == pytest.approx(offset, abs=0.01)
    assert not finding.drifted


@pytest.mark.parametrize(
    ("training", "window", "words"),
    [
        (INCOME, INCOME * 1000, "factor 1,000, like kilograms to grams"),
        (INCOME, INCOME / 1000, "factor 0.001, like grams to kilograms"),
        (SPARSE, SPARSE * 100, "factor 100, like shares to per cent"),
        (WEIGHT, WEIGHT * 10_000, "factor 10,000"),
        (CELSIUS + 273.15, (CELSIUS + 273.15) * 1.8 - 459.67, "factor 1.8 and -459.67, Kelvin to Fahrenheit"),
    ],
)
def test_a_unit_is_put_in_words_and_a_round_factor_is_called_by_no_odd_units_name(
    training: np.ndarray, window: np.ndarray, words: str
) -> None:
    assert unit_words(against(training, window)) == words


def test_units_that_the_values_cannot_tell_apart_are_all_named() -> None:
    finding = against(WEIGHT, WEIGHT * 0.45359237)
    assert finding.unit is not None
    assert finding.unit.words == "pounds to kilograms, or miles per hour to metres per second"


@pytest.mark.parametrize(
    ("training", "window"),
    [
        (CENTRED, CENTRED + 0.5),
        (CENTRED, CENTRED + 3),
        (CENTRED, CENTRED * 1.6 + 1),
        (CELSIUS, CELSIUS * 1.8),
        (WEIGHT, WEIGHT + 60),
        (WEIGHT, WEIGHT * 1.5),
        (INCOME, INCOME**1.5),
        (np.full(600, 3.0), np.full(600, 3000.0)),
        (RATING > 4, np.where(RATING > 4, 100.0, 0.0)),
        (WEIGHT, np.where(np.arange(600) % 2, WEIGHT, WEIGHT * 1000)),  # only some clients changed
        (np.random.default_rng(8).normal(1000, 300, 600), np.random.default_rng(9).normal(1273, 300, 600)),
    ],
)
def test_what_may_be_something_else_is_drift_and_no_change_of_unit(
    training: np.ndarray, window: np.ndarray
) -> None:
    finding = against(training.astype(float), window)
    assert finding.unit is None
    assert finding.drifted


def nulls(share: float, rows: int, values: np.ndarray) -> pl.Series:
    count = round(share * rows)
    return pl.Series([None] * count + values[: rows - count].tolist(), dtype=pl.Float64)


@pytest.mark.parametrize(
    ("before", "after", "rows", "burst"),
    [
        (0.0, 0.3, 500, True),
        (0.0, 0.07, 500, True),
        (0.0, 0.04, 500, False),
        (0.2, 0.3, 500, True),
        (0.2, 0.26, 200, False),  # above the limit, but chance explains it
        (0.3, 0.0, 500, False),
        (0.0, 1.0, 500, True),
    ],
)
def test_a_burst_of_missing_values_is_a_rise_that_is_large_and_significant(
    before: float, after: float, rows: int, burst: bool
) -> None:
    values = np.random.default_rng(0).normal(size=2000)
    finding = compare(nulls(before, 400, values[:1000]), nulls(after, rows, values[1000:]))
    assert finding.nulls.burst is burst
    if burst:
        assert not finding.drifted  # its other values are those of training


def test_a_column_with_a_burst_drifts_when_its_other_values_do() -> None:
    values = np.random.default_rng(0).normal(size=2000)
    finding = compare(nulls(0, 400, values[:1000]), nulls(0.3, 500, values[1000:] + 1))
    assert finding.nulls.burst
    assert finding.drifted


def texts(**counts: int) -> pl.Series:
    return pl.Series([name for name, count in counts.items() for _ in range(count)], dtype=pl.String)


@pytest.mark.parametrize(("new", "found"), [(0, False), (5, False), (6, True), (60, True)])
def test_values_that_training_never_saw_count_by_their_share(new: int, found: bool) -> None:
    finding = compare(texts(a=200, b=141), texts(a=300, b=200 - new, c=new))
    assert finding.unseen is not None
    assert finding.unseen.exact
    assert finding.unseen.found is found
    assert finding.unseen.ratio == pytest.approx(new / 500)


def test_rare_values_that_a_profile_does_not_name_are_no_unseen_values() -> None:
    """Many rare categories: most values of a window are named nowhere, as most of training's are not."""
    generator = np.random.default_rng(0)
    for categories in (40, 100, 300, 5000):
        drawn = [f"c{one}" for one in generator.integers(0, categories, 1200)]
        finding = compare(pl.Series(drawn[:400]), pl.Series(drawn[400:]))
        assert finding.unseen is not None
        assert not finding.unseen.found
        assert not finding.drifted
        extra = compare(pl.Series(drawn[:400]), pl.Series(drawn[400:] + ["new"] * 3000))
        assert extra.unseen is not None
        assert extra.unseen.found is (
            categories < 300
        )  # from there on all values are rare: nothing can be told


def test_the_number_of_rows_that_hold_a_new_value_is_kept_and_rare_ones_are_not_named() -> None:
    finding = compare(texts(a=200, b=141), texts(a=300, b=100, often=40, four=4, one=1))
    assert finding.unseen is not None
    assert finding.unseen.often == (("often", 40),)
    assert finding.unseen.seldom == 5


def test_texts_are_compared_as_the_log_cuts_them() -> None:
    long = "x" * 300
    finding = compare(pl.Series([long] * 300), pl.Series([long[:256]] * 300))
    assert finding.unseen is not None
    assert not finding.unseen.found
    assert not finding.drifted


def test_truth_values_are_compared_and_have_no_unseen_values() -> None:
    finding = compare(pl.Series([False] * 300), pl.Series([True] * 150 + [False] * 150))
    assert finding.unseen is None
    assert finding.drifted
