"""deploy: put a model version behind an endpoint."""

from typing import ClassVar

from pydantic import Field

from penstock_spec.base import Cpu, FromParameter, Memory, Name45, OutputRef, Rule, SpecModel, at_most_one


class EndpointScale(SpecModel):
    """How many pods serve."""

    replicas: int = Field(default=1, ge=1, le=100, description="Number of pods of the served version.")


class Resources(SpecModel):
    """What a pod asks of the cluster."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        at_most_one("cpu", "cpuFrom"),
        at_most_one("memory", "memoryFrom"),
    )

    cpu: Cpu = Field(
        default="250m",
        description="CPU reserved, in cores: 500m or 2. The limit is twice this, and at least 2 cores.",
    )
    cpu_from: FromParameter | None = Field(default=None, description="The CPU is this parameter's value.")
    memory: Memory = Field(
        default="1Gi",
        description="Memory reserved, and the limit: more than this and the kernel ends the program.",
    )
    memory_from: FromParameter | None = Field(
        default=None, description="The memory is this parameter's value."
    )


class Deploy(SpecModel):
    """Asks the endpoint to serve the model and waits until it does.

    Waits for every gate of that model first.
    """

    model: OutputRef = Field(description="The model to serve, as <step>.<output>: fit.model")
    endpoint: Name45 = Field(description="ModelEndpoint to create or update; its Service has the same name.")
    scale: EndpointScale | None = Field(
        default=None,
        description="How many pods serve. Left out, the endpoint keeps what it has: one at first, or what "
        "somebody set on the endpoint itself.",
    )
