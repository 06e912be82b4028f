"""Gangs: several pods that do one step together, each a worker with a number."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from penstock_spec.base import Rule, SpecModel
from penstock_spec.references import KINDS

MOST_WORKERS = 64
WITH_CONTAINER = ("ingest", "split", "train", "validate")  # kinds whose program can be the user's


class Gang(SpecModel):
    """How many workers do the step together; all of them start, or none, and all end well, or the attempt
    fails.
    """

    workers: int = Field(
        ge=1,
        le=MOST_WORKERS,
        description="Number of pods that run the program at the same time, each with the step's resources. "
        "What worker 0 writes is the step's output.",
    )
    processes_per_worker: int = Field(
        default=1,
        ge=1,
        le=MOST_WORKERS,
        description="Processes that a launcher such as torchrun starts in each worker, one per accelerator "
        "as a rule.",
    )


def _has_program(step: Mapping[str, Any]) -> bool:
    """Whether there is no gang without one; that a step has no kind at all, another rule says."""
    if "gang" not in step or "run" in step or not any(kind in step for kind in KINDS):
        return True
    bodies = (step.get(kind) for kind in WITH_CONTAINER)
    return any(isinstance(one, Mapping) and "container" in one for one in bodies)


_CONTAINERS = " || ".join(f"(has(self.{kind}) && has(self.{kind}.container))" for kind in WITH_CONTAINER)
NEEDS_PROGRAM = Rule(
    f"!has(self.gang) || has(self.run) || {_CONTAINERS}",
    "a gang runs a program of yours: run, or a container in place of the built-in program",
    ".gang",
    holds=_has_program,
)
