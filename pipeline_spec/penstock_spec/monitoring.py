"""Monitoring of an endpoint: what is logged, how often it is judged, and what counts as drift."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from penstock_spec.base import Between, ColumnName, Duration, ListMap, Rule, SpecModel, seconds_of

# Windows that status.monitoring keeps, and how many of them one decision may rest on.
WINDOWS_KEPT = 12
WINDOWS_COUNTED = 10


class DriftMethod(StrEnum):
    """A statistic that compares a column of the log with the profile of the served model's training data."""

    PSI = "Psi"  # population stability index, less the bias of small samples
    KOLMOGOROV_SMIRNOV = "KolmogorovSmirnov"  # numbers: largest distance of the distribution functions
    CHI_SQUARED = "ChiSquared"  # texts and truth values: Cramer's V


# The largest value that a statistic can have, where there is one.
LARGEST: Mapping[str, float] = {DriftMethod.KOLMOGOROV_SMIRNOV: 1.0, DriftMethod.CHI_SQUARED: 1.0}


class PredictionLogSpec(SpecModel):
    """Which requests are logged to the store, and for how long."""

    sample_ratio: float = Field(
        default=1.0, ge=0.0001, le=1, description="Share of requests that are logged; 0.1 is one in ten."
    )
    redact: tuple[ColumnName, ...] = Field(
        default=(), max_length=256, description="Input columns that never reach the log, nor are watched."
    )
    retention: Annotated[Duration, Between("1d", "3650d")] = Field(
        default="180d", description="Logged days older than this are deleted when a window is judged."
    )


class DriftLimit(SpecModel):
    """One statistic and the largest value of it that still counts as no drift."""

    method: DriftMethod = Field(description="Psi, KolmogorovSmirnov, or ChiSquared.")
    maximum: float = Field(
        gt=0,
        le=10,
        description="A column has drifted when the statistic, on its own scale (of ChiSquared: Cramer's V), "
        "exceeds this and is significant too.",
    )


DEFAULT_DRIFT = (
    DriftLimit(method=DriftMethod.PSI, maximum=0.2),
    DriftLimit(method=DriftMethod.KOLMOGOROV_SMIRNOV, maximum=0.15),
    DriftLimit(method=DriftMethod.CHI_SQUARED, maximum=0.2),
)


def _no_more_than_counted(data: Mapping[str, Any]) -> bool:
    least, among = data.get("drifted", 2), data.get("of", 3)
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (least, among))
    return not numbers or least <= among


class DriftWindows(SpecModel):
    """How many windows make a drift: one alone may be chance."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.drifted) ? self.drifted : 2) <= (has(self.of) ? self.of : 3)",
            "drifted may not exceed of",
            field_path=".drifted",
            holds=_no_more_than_counted,
        ),
    )

    drifted: int = Field(
        default=2,
        ge=1,
        le=WINDOWS_COUNTED,
        description="A column counts as drifted when it did in at least this many windows.",
    )
    of: int = Field(
        default=3,
        ge=1,
        le=WINDOWS_COUNTED,
        description="That many of the newest windows are looked at; those without a verdict do not count.",
    )


class NullsLimit(SpecModel):
    """When missing values are a burst."""

    maximum_increase: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Largest rise of a column's share of missing values over the training data's; 0.05 is "
        "five points.",
    )


class UnseenLimit(SpecModel):
    """When texts that training never saw are too many."""

    maximum_ratio: float = Field(
        default=0.01, ge=0, le=1, description="Largest share of a column's values that training never saw."
    )


class DataQuality(SpecModel):
    """Limits of the checks beside drift. Changes of unit are always looked for."""

    nulls: NullsLimit = Field(default_factory=NullsLimit, description="Missing values: condition NullBurst.")
    unseen: UnseenLimit = Field(
        default_factory=UnseenLimit, description="Texts that are new: condition UnseenCategories."
    )


class Monitoring(SpecModel):
    """Logs what the served model is asked and answers, and judges it window by window."""

    every: Annotated[Duration, Between("15s", "7d")] = Field(
        default="5m",
        description="Length of a window, and time between two verdicts. Windows begin at multiples of it in "
        "UTC. Cover whole cycles of your traffic: a day's drift is no drift of the week.",
    )
    prediction_log: PredictionLogSpec = Field(
        default_factory=PredictionLogSpec, description="What is logged, and how long it is kept."
    )
    drift: Annotated[Sequence[DriftLimit], ListMap("method")] = Field(
        default=DEFAULT_DRIFT,
        min_length=1,
        max_length=3,
        description="Statistics, their limits. Without it: Psi 0.2, KolmogorovSmirnov 0.15, ChiSquared 0.2.",
    )
    significance: float = Field(
        default=0.01,
        gt=0,
        le=0.2,
        description="Chance of a false alarm in one window over all columns and statistics (Holm's "
        "correction), before windows are counted.",
    )
    minimum_samples: int = Field(
        default=200,
        ge=30,
        le=1000000000,
        description="With fewer logged rows a window's verdict is Unknown.",
    )
    windows: DriftWindows = Field(
        default_factory=DriftWindows, description="How many windows must agree before Drifted is True."
    )
    data_quality: DataQuality = Field(
        default_factory=DataQuality, description="Limits for missing and unseen values."
    )

    @property
    def seconds(self) -> int:
        """Length of a window in seconds."""
        return seconds_of(self.every)

    @property
    def flush_seconds(self) -> float:
        """How long a logged row may wait before it is sent to the store: a tenth of a window, 2 to 30 s."""
        return min(max(self.seconds / 10, 2.0), 30.0)

    @property
    def lag_seconds(self) -> float:
        """How long after its end a window is judged: by then every row of it lies in the store."""
        return 2 * self.flush_seconds + 3
