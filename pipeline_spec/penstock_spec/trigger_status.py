"""What a Pipeline remembers and says of its triggers."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from penstock_spec.base import Name40, SpecModel
from penstock_spec.probed import REVISION_LENGTH

VERSIONS_REMEMBERED = 64
STARTS_REMEMBERED = 64
TROUBLE_LENGTH = 512
_Time = Annotated[str, StringConstraints(max_length=32)]

_Revision = Annotated[str, StringConstraints(max_length=REVISION_LENGTH)]


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
    starts: Annotated[Sequence[_Time], Field(max_length=STARTS_REMEMBERED)] = Field(
        default=(), description="When it started runs in the last seven days."
    )
    counted_run: Annotated[str, StringConstraints(max_length=63)] = Field(
        default="", description="PipelineRun whose end has been counted."
    )
    lost: int = Field(default=0, description="Models in a row that did not pass their gate.")
    lost_at: _Time = Field(default="", description="When the newest of these was judged.")
    seen: _Revision = Field(
        default="", description="Of data, a branch or an image: the revision that needs no decision."
    )
    found: _Revision = Field(
        default="", description="Another revision, for which no run has been started yet; or absent."
    )
    change: int = Field(default=0, description="Number of the newest change that has been decided.")
    looks_at: _Time = Field(default="", description="When it looks, or has begun to look, RFC 3339 in UTC.")
    failures: int = Field(default=0, description="Looks in a row that have failed.")
    reason: Annotated[str, StringConstraints(max_length=64)] = Field(
        default="", description="One word for why the last look failed: SourceUnreachable."
    )
    trouble: Annotated[str, StringConstraints(max_length=TROUBLE_LENGTH)] = Field(
        default="",
        description="The same in words; of an endpoint's episodes, why no run was started for the newest.",
    )
    decided_number: int = Field(
        default=0,
        description="Of a model's versions: those up to this number need no decision; they were there when "
        "it was armed.",
    )
    decided_numbers: Annotated[Sequence[int], Field(max_length=VERSIONS_REMEMBERED)] = Field(
        default=(), description="Numbers above that for which a run was started, or none is to be."
    )
