"""One window of an endpoint's prediction log: what is asked, and how it ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from penstock_spec.monitoring import DriftMethod
from penstock_spec.names import FailureClass, Reason
from penstock_steps.drift.judge import Finding, Limits
from penstock_steps.errors import StepError


class WindowVerdict(StrEnum):
    """How a window ends."""

    DRIFTED = "Drifted"
    NOT_DRIFTED = "NotDrifted"
    UNKNOWN = "Unknown"


@dataclass(frozen=True)
class Window:
    """Which rows are judged, [start, end) of one version of the model, and by what."""

    endpoint: str
    version: str
    digest: str
    start: datetime
    end: datetime
    limits: Limits
    minimum_samples: int
    redact: frozenset[str]
    retention_days: int

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> "Window":
        """The window that a Task of kind monitor asks for. InvalidContainer where it is not one."""
        try:
            return cls(
                endpoint=arguments["endpoint"],
                version=arguments["version"],
                digest=arguments["digest"],
                start=datetime.fromisoformat(arguments["start"]).astimezone(UTC),
                end=datetime.fromisoformat(arguments["end"]).astimezone(UTC),
                limits=Limits(
                    {DriftMethod(one["method"]): float(one["maximum"]) for one in arguments["drift"]},
                    float(arguments["significance"]),
                    float(arguments["nullsMaximumIncrease"]),
                    float(arguments["unseenMaximumRatio"]),
                ),
                minimum_samples=int(arguments["minimumSamples"]),
                redact=frozenset(arguments["redact"]),
                retention_days=int(arguments["retentionDays"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StepError(
                FailureClass.INVALID_CONTAINER,
                f"the window's arguments are not usable ({type(error).__name__}): use images and operator of "
                "the same release",
            ) from None

    @property
    def keeps_from(self) -> date:
        """The first day of the log that is kept."""
        return (self.end - timedelta(days=self.retention_days)).date()


@dataclass(frozen=True)
class Reading:
    """What the log holds of the window, in rows."""

    rows: int = 0
    judged: int = 0  # a uniform sample of `rows` where those are too many
    requests: int = 0  # rows of one request are not independent of each other
    lost: int = 0  # known to have been lost before they reached the log
    batches: int = 0  # objects of the log that were read
    of_others: int = 0  # rows of another model in batches that were read
    absent: Sequence[str] = ()  # columns that the log does not hold: redacted


@dataclass(frozen=True)
class Outcome:
    """The verdict with its reason and the sentence for the status."""

    verdict: WindowVerdict
    reason: Reason
    message: str


@dataclass(frozen=True)
class Judged:
    """All that the report tells of a window."""

    window: Window
    outcome: Outcome
    reading: Reading | None
    findings: Sequence[Finding] = field(default_factory=tuple)
    expired: int | None = None  # objects of the log that were deleted; None where that failed
