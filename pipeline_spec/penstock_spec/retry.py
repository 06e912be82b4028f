"""How often a failed attempt of a step is tried again, by whose fault it was. Each class has its own
budget.
"""

from typing import Annotated

from pydantic import Field

from penstock_spec.base import Between, Duration, Memory, SpecModel
from penstock_spec.names import FailureClass

Limit = Annotated[int, Field(ge=0, le=100)]
Pause = Annotated[Duration, Between("1s", "1d")]


class Backoff(SpecModel):
    """The pause before a retry: the first one, then each so many times the one before, up to the longest."""

    first: Pause | None = Field(
        default=None, description="Pause before the first retry. Left out, the installation's for the class."
    )
    factor: float | None = Field(
        default=None, ge=1, le=10, description="How much longer each further pause is. Left out, 2."
    )
    maximum: Pause | None = Field(default=None, description="Longest pause. Left out, one minute.")


class Budget(SpecModel):
    """Retries of one class of failure."""

    limit: Limit | None = Field(
        default=None,
        description="How often an attempt that failed so is retried. Left out, the installation's for the "
        "class "
        "(docs/failures.md).",
    )
    backoff: Backoff | None = Field(default=None, description="Pauses between the attempts.")


class GrowingBudget(Budget):
    """Retries that get more of what ran out."""

    factor: float | None = Field(
        default=None, gt=1, le=10, description="How much more the next attempt gets. Left out, 1.5 times."
    )
    maximum: Memory | None = Field(
        default=None,
        description="Never more than this; an attempt that had it is not retried. Left out, no bound.",
    )


class Retry(SpecModel):
    """Budgets by class of failure."""

    user_error: Budget | None = Field(
        default=None, description="The program ended with another exit code than 0."
    )
    out_of_memory: GrowingBudget | None = Field(
        default=None, description="The program needed more memory than resources.memory."
    )
    out_of_disk: GrowingBudget | None = Field(
        default=None, description="The program wrote more than resources.scratch."
    )
    disruption: Budget | None = Field(default=None, description="Its pod or node was taken away.")
    image_unavailable: Budget | None = Field(default=None, description="The image could not be pulled.")
    invalid_container: Budget | None = Field(default=None, description="The container could not be made.")
    unschedulable: Budget | None = Field(
        default=None, description="No node took the pod within the start deadline."
    )
    deadline: Budget | None = Field(default=None, description="The attempt ran longer than deadline.")
    store_unavailable: Budget | None = Field(default=None, description="The artifact store did not answer.")
    invalid_result: Budget | None = Field(
        default=None, description="The program ended well, but what it left is not what the step promises."
    )
    input_missing: Budget | None = Field(
        default=None,
        description="An input that an earlier run had made is gone from the store; the step that made it "
        "runs "
        "first.",
    )

    def budget(self, failure_class: FailureClass) -> Budget | None:
        """What is said about this class."""
        found: Budget | None = getattr(self, attribute_of(failure_class))
        return found


def attribute_of(failure_class: FailureClass) -> str:
    """The field of Retry for a class: OutOfMemory -> out_of_memory."""
    return "".join(f"_{one.lower()}" if one.isupper() else one for one in failure_class).lstrip("_")
