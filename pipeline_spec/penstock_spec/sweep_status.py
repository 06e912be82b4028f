"""What a Pipeline's status says of the sweeper. One Pipeline of a namespace says it: the oldest."""

from typing import Annotated

from pydantic import Field, StringConstraints

from penstock_spec.base import SpecModel

Word = Annotated[str, StringConstraints(max_length=64)]
Time = Annotated[str, StringConstraints(max_length=32)]


class SweepStatus(SpecModel):
    """When artifacts are looked through next, and what came of the last time."""

    schedule: Annotated[str, StringConstraints(max_length=128)] = Field(
        description="Cron line by which it is armed, in UTC."
    )
    next: Time = Field(default="", description="When the next sweep begins, RFC 3339 in UTC.")
    ended_at: Time = Field(default="", description="When the last sweep ended.")
    mode: Word = Field(default="", description="Report or Delete: how the last sweep was asked for.")
    blobs: int = Field(default=0, ge=0, description="Files and manifests in the namespace's store.")
    bytes_: int = Field(default=0, ge=0, alias="bytes", description="What they take.")
    found: int = Field(default=0, ge=0, description="Those that nothing refers to and that are old enough.")
    found_bytes: int = Field(default=0, ge=0, description="What these take.")
    deleted: int = Field(default=0, ge=0, description="Those that were deleted.")
    deleted_bytes: int = Field(default=0, ge=0, description="What these took.")
    reason: Word = Field(default="", description="One word for how it ended.")
    message: Annotated[str, StringConstraints(max_length=1024)] = Field(
        default="", description="The same in words."
    )
