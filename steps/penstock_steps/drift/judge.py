"""All columns of a window against their references: which have drifted, and what is wrong with the data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from penstock_spec.monitoring import DriftMethod
from penstock_steps.drift.chi_squared import chi_squared
from penstock_steps.drift.conversions import Conversion
from penstock_steps.drift.correction import holm
from penstock_steps.drift.counts import cells, with_nulls
from penstock_steps.drift.kolmogorov_smirnov import kolmogorov_smirnov
from penstock_steps.drift.measured import Measured
from penstock_steps.drift.observed import Categories, Numbers, Observed
from penstock_steps.drift.psi import psi
from penstock_steps.drift.quality import Nulls, Unseen, nulls, unseen
from penstock_steps.drift.reference import CategoryReference, ColumnReference, NumberReference
from penstock_steps.drift.units import unit_change


@dataclass(frozen=True)
class Limits:
    """What a user asks for: the largest value of each method, the chance of a false alarm per window, and the
    limits of data quality (shares).
    """

    drift: Mapping[DriftMethod, float]
    significance: float
    nulls_maximum_increase: float
    unseen_maximum_ratio: float


@dataclass(frozen=True)
class Comparison:
    """One method on one column."""

    method: DriftMethod
    value: float
    maximum: float
    p: float
    corrected: float  # p, corrected for all tests of the window
    drifted: bool

    @property
    def strength(self) -> float:
        """The value in units of its limit."""
        return self.value / self.maximum


@dataclass(frozen=True)
class Finding:
    """All that was found of one column."""

    name: str
    reference: ColumnReference
    observed: Observed
    tests: Sequence[Comparison]
    nulls: Nulls
    unseen: Unseen | None
    unit: Conversion | None

    @property
    def drifted(self) -> bool:
        """Whether any method says so. A column in another unit is not compared: see `judge`."""
        return self.unit is None and any(test.drifted for test in self.tests)

    @property
    def strength(self) -> float:
        """How far the column is from its reference, for an order: significant drifts come first."""
        return max((test.strength for test in self.tests if test.drifted or not self.drifted), default=0.0)


def judge(
    references: Mapping[str, ColumnReference], window: Mapping[str, Observed], limits: Limits
) -> list[Finding]:
    """One finding for each column of `window`, in its order.

    A column has drifted when, by one method at least, the difference exceeds the limit and its p, corrected
    by Holm over all columns and methods of the window, is below the significance. What is a matter of data
    quality is not told twice: missing values of a column with a burst of them are left out of its
    comparison, and a column in another unit, which differs by every measure, counts as no drift.
    """
    level = limits.significance / max(1, len(window))
    findings = [
        _finding(name, references[name], observed, limits, level) for name, observed in window.items()
    ]
    corrected = iter(holm([test.p for finding in findings for test in finding.tests]))
    return [
        replace(finding, tests=[_decided(test, next(corrected), limits) for test in finding.tests])
        for finding in findings
    ]


def drifted(findings: Iterable[Finding]) -> list[Finding]:
    """The columns that drifted, worst first."""
    return sorted((one for one in findings if one.drifted), key=lambda one: (-one.strength, one.name))


def _finding(
    name: str, reference: ColumnReference, observed: Observed, limits: Limits, level: float
) -> Finding:
    missing = nulls(reference, observed, limits.nulls_maximum_increase, level)
    new = unit = None
    if isinstance(reference, CategoryReference) and isinstance(observed, Categories):
        new = unseen(reference, observed, limits.unseen_maximum_ratio, level)
    if isinstance(reference, NumberReference) and isinstance(observed, Numbers):
        unit = unit_change(reference, observed, level)
    tests = [
        Comparison(method, measured.value, limits.drift[method], measured.p, 1.0, drifted=False)
        for method, measured in _measure(reference, observed, limits, without_nulls=missing.burst)
    ]
    return Finding(name, reference, observed, tests, missing, new, unit)


def _measure(
    reference: ColumnReference, observed: Observed, limits: Limits, *, without_nulls: bool
) -> Iterable[tuple[DriftMethod, Measured]]:
    counts = cells(reference, observed)
    if DriftMethod.PSI in limits.drift:
        yield DriftMethod.PSI, psi(*(counts if without_nulls else with_nulls(counts, reference, observed)))
    if isinstance(reference, NumberReference):
        if DriftMethod.KOLMOGOROV_SMIRNOV in limits.drift and isinstance(observed, Numbers):
            yield DriftMethod.KOLMOGOROV_SMIRNOV, kolmogorov_smirnov(reference, observed.values)
    elif DriftMethod.CHI_SQUARED in limits.drift:
        yield DriftMethod.CHI_SQUARED, chi_squared(*counts)


def _decided(test: Comparison, corrected: float, limits: Limits) -> Comparison:
    over = test.value > test.maximum and corrected < limits.significance
    return replace(test, corrected=corrected, drifted=over)
