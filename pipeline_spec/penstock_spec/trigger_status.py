"""What a Pipeline remembers and says of its triggers."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from penstock_spec.base import Name40, SpecModel

_Time = Annotated[str, StringConstraints(max_length=32)]


class TriggerStatus(SpecModel):
    """One trigger: what it will do next, and the memory that keeps it from doing anything twice."""

    name: Name40 = Field(description="As in spec.triggers.")
    armed: Annotated[str, StringConstraints(max_length=256)] = Field(
        default="", description="What it was armed for; when that changes, it is armed anew from then on."
    )
    suspended: bool = Field(
        default=False, description="True while it starts nothing: suspended, or the spec is refused."
    )
    decided_until: _Time = Field(
        default="", description="Every start up to this time has been decided, RFC 3339 in UTC."
    )
    next: _Time = Field(default="", description="When it starts a run next, RFC 3339 in UTC.")
    last_run: Annotated[str, StringConstraints(max_length=63)] = Field(
        default="", description="The newest PipelineRun that this trigger has made or found made."
    )
    last_skipped: _Time = Field(default="", description="The newest start that was skipped.")
    message: Annotated[str, StringConstraints(max_length=1024)] = Field(
        default="", description="What it waits for, in words."
    )
    endpoint_uid: Annotated[str, StringConstraints(max_length=64)] = Field(
        default="", description="Uid of the endpoint whose episodes are counted."
    )
    episode: int = Field(default=0, description="Newest episode of the endpoint that has been decided.")
    starts: Annotated[Sequence[_Time], Field(max_length=64)] = Field(
        default=(), description="When it started runs in the last seven days."
    )
    counted_run: Annotated[str, StringConstraints(max_length=63)] = Field(
        default="", description="PipelineRun whose end has been counted."
    )
    lost: int = Field(default=0, description="Models in a row that did not pass their gate.")
    lost_at: _Time = Field(default="", description="When the newest of these was judged.")
