"""How often clean traffic looks drifted, and how surely real drift is found: the real code on drawn tables.

    .venv/bin/python -m bench.drift_simulation [windows per kind of table, default 1000]

Every `WINDOWS_PER_REFERENCE` windows a new table of training rows is drawn, profiled, and compared with as
many windows of the same distribution; Drifted is decided as by an endpoint, 2 of 3 windows per column. The
figures in docs/drift.md come from here.
"""

import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from penstock_spec.monitoring import Monitoring
from penstock_steps.drift.judge import Finding, Limits, drifted, judge
from penstock_steps.drift.observed import observe
from penstock_steps.drift.reference import ColumnReference, references
from penstock_steps.profile import profile

Draw = Callable[[np.random.Generator, int], pl.DataFrame]

COLUMNS = 30
REFERENCE_ROWS = 341
WINDOW_ROWS = 500
WINDOWS_PER_REFERENCE = 10


def default_limits() -> Limits:
    """The limits of an endpoint that sets none."""
    defaults = Monitoring()
    return Limits(
        {one.method: one.maximum for one in defaults.drift},
        defaults.significance,
        defaults.data_quality.nulls.maximum_increase,
        defaults.data_quality.unseen.maximum_ratio,
    )


def reference_of(frame: pl.DataFrame) -> dict[str, ColumnReference]:
    """What a model that was trained on these rows would carry."""
    return references(profile(frame), frame.columns)


def window_of(frame: pl.DataFrame, reference: Mapping[str, ColumnReference], limits: Limits) -> list[Finding]:
    """The findings of one window."""
    return judge(reference, {name: observe(frame[name], one) for name, one in reference.items()}, limits)


@dataclass
class Endpoint:
    """Counts as the operator does: a column has drifted when it did in 2 of the last 3 windows."""

    of: int = 3
    least: int = 2
    windows: deque[frozenset[str]] = field(default_factory=deque)
    is_drifted: bool = False
    episodes: int = 0

    def see(self, columns: frozenset[str]) -> frozenset[str]:
        """One more window; gives the columns that the endpoint now names."""
        self.windows.append(columns)
        while len(self.windows) > self.of:
            self.windows.popleft()
        counts = Counter(name for window in self.windows for name in window)
        named = frozenset(name for name, count in counts.items() if count >= self.least)
        self.episodes += bool(named) and not self.is_drifted
        self.is_drifted = bool(named)
        return named


@dataclass
class Tally:
    """What clean windows gave."""

    windows: int = 0
    drifted_windows: int = 0
    episodes: int = 0
    quality: Counter[str] = field(default_factory=Counter)


def clean(draw: Draw, windows: int, seed: int, **sizes: int) -> Tally:
    """`windows` windows without drift, 2 of 3 per column, a new reference every WINDOWS_PER_REFERENCE."""
    generator, limits, tally = np.random.default_rng(seed), default_limits(), Tally()
    for start in range(0, windows, WINDOWS_PER_REFERENCE):
        reference = reference_of(draw(generator, sizes.get("reference", REFERENCE_ROWS)))
        endpoint = Endpoint()
        for _ in range(min(WINDOWS_PER_REFERENCE, windows - start)):
            findings = window_of(draw(generator, sizes.get("window", WINDOW_ROWS)), reference, limits)
            names = frozenset(one.name for one in drifted(findings))
            endpoint.see(names)
            tally.windows += 1
            tally.drifted_windows += bool(names)
            tally.quality.update(_problems(findings))
        tally.episodes += endpoint.episodes
    return tally


def _problems(findings: list[Finding]) -> Iterator[str]:
    if any(one.nulls.burst for one in findings):
        yield "nulls"
    if any(one.unseen is not None and one.unseen.found for one in findings):
        yield "unseen"
    if any(one.unit is not None for one in findings):
        yield "units"


def independent(generator: np.random.Generator, rows: int) -> pl.DataFrame:
    """Thirty columns of normal and lognormal numbers, independent of each other."""
    values = generator.normal(size=(rows, COLUMNS))
    values[:, ::3] = np.exp(values[:, ::3])
    return _frame(values)


def correlated(generator: np.random.Generator, rows: int) -> pl.DataFrame:
    """Three groups of ten columns, correlation 0.9 within a group."""
    common = np.repeat(generator.normal(size=(rows, 3)), COLUMNS // 3, axis=1)
    values = np.sqrt(0.9) * common + np.sqrt(0.1) * generator.normal(size=(rows, COLUMNS))
    return _frame(values)


def discrete(generator: np.random.Generator, rows: int) -> pl.DataFrame:
    """Counts, mostly zeros, ratings, flags, rounded numbers with missing ones, and texts of few to many
    categories, rare ones among them.
    """
    columns: dict[str, Any] = {}
    for place in range(5):
        columns[f"count{place}"] = generator.poisson(0.3 + place, rows)
        columns[f"zeros{place}"] = np.where(generator.random(rows) < 0.8, 0.0, generator.random(rows))
        columns[f"rating{place}"] = generator.integers(1, 4 + place, rows)
        columns[f"flag{place}"] = generator.random(rows) < 0.02 + 0.1 * place
        number = np.round(generator.normal(size=rows), 1)
        columns[f"rounded{place}"] = [
            None if gone else one
            for one, gone in zip(number.tolist(), generator.random(rows) < 0.05 * place, strict=True)
        ]
        categories = (3, 10, 40, 100, 1000)[place]
        weights = 1 / np.arange(1, categories + 1) ** (place % 2)
        drawn = generator.choice(categories, size=rows, p=weights / weights.sum())
        columns[f"text{place}"] = [f"c{one}" for one in drawn]
    return pl.DataFrame(columns)


KINDS: Mapping[str, Draw] = {"independent": independent, "correlated": correlated, "discrete": discrete}


def _frame(values: Any) -> pl.DataFrame:
    return pl.DataFrame({f"x{place}": values[:, place] for place in range(values.shape[1])})


def power(shift: float, endpoints: int, seed: int, **sizes: int) -> dict[str, float]:
    """Shares of endpoints that within three windows, 2 of the 30 columns shifted by `shift` sd, name exactly
    those two; and of single windows that find one of the shifted columns.
    """
    generator, limits = np.random.default_rng(seed), default_limits()
    exact = found = 0
    for _ in range(endpoints):
        reference = reference_of(independent(generator, sizes.get("reference", REFERENCE_ROWS)))
        endpoint, named = Endpoint(), frozenset[str]()
        for _ in range(3):
            frame = independent(generator, sizes.get("window", WINDOW_ROWS))
            moved = frame.with_columns(pl.col("x1") + shift, pl.col("x2") + shift)
            columns = frozenset(one.name for one in drifted(window_of(moved, reference, limits)))
            found += "x1" in columns
            named = endpoint.see(columns)
        exact += named == {"x1", "x2"}
    return {"exactly both, 2 of 3": exact / endpoints, "one column, one window": found / endpoints / 3}


def main() -> None:
    """Print all figures."""
    windows = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for reference, rows in ((REFERENCE_ROWS, WINDOW_ROWS), (114, 200), (5000, 5000)):
        for name, draw in KINDS.items():
            tally = clean(draw, windows, 1, reference=reference, window=rows)
            _say(
                f"clean {name:12} {reference:5} training rows, {rows:5} a window: {tally.windows} windows, "
                f"{tally.drifted_windows} drifted, {tally.episodes} episodes, quality {dict(tally.quality)}"
            )
    for shift in (0.3, 0.4, 0.5, 0.6):
        for reference, rows in ((REFERENCE_ROWS, WINDOW_ROWS), (114, 200), (5000, 5000)):
            shares = power(shift, max(20, windows // 10), 2, reference=reference, window=rows)
            words = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
            _say(f"shift {shift} sd, {reference:5} training rows, {rows:5} a window: {words}")


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
