"""PipelineRun: one execution of a Pipeline. It refers to steps and never contains any."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import JsonMap, Name40, Rule, SpecModel

_FIXED = ("pipeline", "parameters", "revision", "generation", "trigger")


def _unchanged(field: str) -> str:
    both = f"has(self.{field}) == has(oldSelf.{field})"
    return f"({both} && (!has(self.{field}) || self.{field} == oldSelf.{field}))"


IMMUTABLE = Rule(
    " && ".join(_unchanged(field) for field in _FIXED),
    "the spec of a run cannot change but for suspend and cancel; create another run",
)
ONE_WAY = Rule(
    "!(has(oldSelf.cancel) && oldSelf.cancel) || (has(self.cancel) && self.cancel)",
    "a cancelled run stays cancelled; create another run",
)


class PipelineRunSpec(SpecModel):
    """What to execute, and with which values."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (IMMUTABLE, ONE_WAY)

    pipeline: Name40 = Field(description="Pipeline in the same namespace that this run executes.")
    parameters: JsonMap = Field(
        default_factory=dict,
        description="Values of declared parameters; the rest take their defaults. {trees: 500}",
    )
    revision: Annotated[str, StringConstraints(pattern=r"^[-a-z0-9]*$", max_length=63)] = Field(
        default="",
        description="ControllerRevision that holds the frozen steps. Empty means the Pipeline as it is when "
        "the run starts.",
    )
    generation: int = Field(
        default=0,
        ge=0,
        description="Generation of the Pipeline whose change started this run; 0 when a person started it.",
    )
    trigger: Annotated[str, StringConstraints(pattern=r"^[-a-z0-9]*$", max_length=40)] = Field(
        default="",
        description="Name of the trigger that started this run, for the conditions of steps. Empty: a change "
        "of the Pipeline where generation is set, else a person.",
    )
    suspend: bool = Field(
        default=False,
        description="No step starts while this is true; what runs goes on. May be changed at any time.",
    )
    cancel: bool = Field(
        default=False,
        description="End the run now: its Jobs are deleted, and its outcome is Cancelled. Cannot be taken "
        "back.",
    )
