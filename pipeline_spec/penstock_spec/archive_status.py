"""What the statuses of runs and Pipelines say of the archive."""

from typing import Annotated

from pydantic import Field, StringConstraints

from penstock_spec.base import Digest, SpecModel

Word = Annotated[str, StringConstraints(max_length=64)]
Time = Annotated[str, StringConstraints(max_length=32)]


class ArchivedRun(SpecModel):
    """The record of a run in the store."""

    key: Annotated[str, StringConstraints(max_length=256)] = Field(
        description="Key below the folder of the namespace: archive/<pipeline's uid>/<run's uid>.json."
    )
    digest: Digest = Field(description="Digest that the record has of itself.")


class ArchiveStatus(SpecModel):
    """Records of runs that could not be written yet."""

    failures: int = Field(description="Attempts in a row that failed.")
    retry_at: Time = Field(default="", description="When it is tried again, RFC 3339 in UTC.")
    reason: Word = Field(default="", description="One word for why the last attempt failed.")
    message: Annotated[str, StringConstraints(max_length=1024)] = Field(
        default="", description="The same in words."
    )
