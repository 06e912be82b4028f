"""What is reported of an endpoint's monitoring. A few KB at most: columns are named, values never."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from penstock_spec.base import ColumnName, MapLimits, SpecModel
from penstock_spec.monitoring import WINDOWS_KEPT

COLUMNS_NAMED = 8  # in each list of columns; counts say how many there are
_Word = Annotated[str, StringConstraints(max_length=64)]
_Time = Annotated[str, StringConstraints(max_length=32)]
_Columns = Annotated[Sequence[ColumnName], Field(max_length=COLUMNS_NAMED)]


class WindowStatus(SpecModel):
    """One judged window."""

    end: _Time = Field(description="When it ended, RFC 3339 in UTC; it began one `every` before.")
    verdict: _Word = Field(description="Drifted, NotDrifted or Unknown.")
    reason: _Word = Field(default="", description="One word for why; of a failure its class.")
    version: Annotated[str, StringConstraints(max_length=63)] = Field(
        default="", description="ModelVersion that served at its end; only rows of that version count."
    )
    rows: int = Field(default=0, description="Logged rows that were judged.")
    lost: int = Field(default=0, description="Rows of the window known to have been lost before the log.")
    drifted: _Columns = Field(
        default=(), description="Columns that drifted in it, the worst first; in windows that still count."
    )
    drifted_count: int = Field(default=0, description="How many columns drifted, named or not.")
    report: Annotated[str, StringConstraints(max_length=71)] = Field(
        default="", description="Digest of its report, an HTML page in the store."
    )


class UnitStatus(SpecModel):
    """A column whose unit seems to have changed."""

    column: ColumnName = Field(description="Which input it is.")
    factor: float = Field(description="Its values are about so many times those of the training data.")
    offset: float = Field(default=0.0, description="And so much more: degrees Fahrenheit for Celsius.")


class QualityStatus(SpecModel):
    """What the newest judged window found beside drift."""

    unseen: _Columns = Field(default=(), description="Columns with too many texts that training never saw.")
    nulls: _Columns = Field(default=(), description="Columns with too many missing values.")
    units: Annotated[Sequence[UnitStatus], Field(max_length=COLUMNS_NAMED)] = Field(
        default=(), description="Columns whose unit seems to have changed."
    )


class WindowAttempt(SpecModel):
    """The window that has to be judged again, while it is."""

    end: _Time = Field(description="Which window: its end, RFC 3339 in UTC.")
    number: int = Field(description="Number of the next or current attempt to judge it, from 2.")
    retry_at: _Time = Field(default="", description="When that attempt starts, RFC 3339 in UTC.")
    reason: _Word = Field(default="", description="Why the attempt before it failed, in one word.")
    message: Annotated[str, StringConstraints(max_length=1024)] = Field(
        default="", description="Why the attempt before it failed, in words."
    )
    memory: Annotated[str, StringConstraints(max_length=20)] = Field(
        default="", description="Memory of the attempt where it grew after running out."
    )


class MonitoringStatus(SpecModel):
    """What has been seen of the served model's traffic."""

    since: _Time = Field(default="", description="When the serving pods had taken the log over.")
    last_window: _Time = Field(
        default="", description="End of the newest window that was judged or given up."
    )
    windows: Annotated[Sequence[WindowStatus], Field(max_length=WINDOWS_KEPT)] = Field(
        default=(), description="The last windows, newest last."
    )
    message: Annotated[str, StringConstraints(max_length=1024)] = Field(
        default="", description="What is to say of the newest window, in words."
    )
    columns: int = Field(default=0, description="How many columns the newest judged window compared.")
    statistics: Annotated[Mapping[_Word, float], MapLimits(properties=3)] = Field(
        default_factory=dict,
        description="Of the newest judged window: each method's largest value over the columns.",
    )
    quality: QualityStatus | None = Field(
        default=None, description="Findings beside drift in the newest judged window."
    )
    attempt: WindowAttempt | None = Field(
        default=None, description="Set while a window whose first attempt failed is judged again."
    )
    counts: Annotated[Mapping[_Word, int], MapLimits(properties=3)] = Field(
        default_factory=dict, description="Windows so far by verdict, since monitoring was switched on."
    )
    drifting: bool = Field(
        default=False, description="Whether the last definite answer was that the data drifts."
    )
    episodes: int = Field(default=0, description="How often Drifted has turned True.")
    skipped: int = Field(
        default=0, description="Windows that nobody judged: the operator was away for too long."
    )
