"""deploy: put a model version behind an endpoint."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from penstock_spec.base import (
    Cpu,
    Duration,
    FromParameter,
    Memory,
    Name45,
    OutputRef,
    Rule,
    SpecModel,
    at_most_one,
    exactly_one,
)
from penstock_spec.registered import FromRegistry

MOST_PODS = 100


def _autoscales(scale: Mapping[str, Any]) -> bool:
    return "maxReplicas" in scale or not {"minReplicas", "targetCPUUtilization"} & scale.keys()


def _in_order(scale: Mapping[str, Any]) -> bool:
    least, most = scale.get("minReplicas"), scale.get("maxReplicas")
    return not (isinstance(least, int) and isinstance(most, int)) or least <= most


# What holds for every scale, on an endpoint and in a step.
SCALE_RULES = (
    Rule(
        "has(self.maxReplicas) || (!has(self.minReplicas) && !has(self.targetCPUUtilization))",
        "minReplicas and targetCPUUtilization speak of autoscaling, which maxReplicas turns on: set it too",
        holds=_autoscales,
    ),
    Rule(
        "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
        "minReplicas may not be greater than maxReplicas",
        holds=_in_order,
    ),
)


class StepScale(SpecModel):
    """How many pods serve: a fixed number, or as many as the load asks for."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (*SCALE_RULES, at_most_one("replicas", "maxReplicas"))

    replicas: int | None = Field(
        default=None, ge=1, le=MOST_PODS, description="Number of pods of the served version."
    )
    min_replicas: int | None = Field(
        default=None, ge=1, le=MOST_PODS, description="Fewest pods while autoscaling. Left out, one."
    )
    max_replicas: int | None = Field(
        default=None,
        ge=1,
        le=MOST_PODS,
        description="Most pods. Setting it turns autoscaling on; the number is then not the step's any more.",
    )
    target_cpu_utilization: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        alias="targetCPUUtilization",
        description="CPU that the pods should use on average, in percent of what they reserve. Left out, 80.",
    )


class Rollout(SpecModel):
    """How a new version takes over."""

    deadline: Duration = Field(
        default="10m",
        description="Time in which a new version must get ready, as 90s, 10m or 1h. One that does not never "
        "takes traffic; what serves goes on.",
    )


class Resources(SpecModel):
    """What a pod asks of the cluster."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        at_most_one("cpu", "cpuFrom"),
        at_most_one("memory", "memoryFrom"),
        at_most_one("scratch", "scratchFrom"),
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
    scratch: Memory | None = Field(
        default=None,
        description="Space in /tmp and in /penstock, each; a program that writes more is ended. The node "
        "must have "
        "as much to spare. Left out, no bound but the node's.",
    )
    scratch_from: FromParameter | None = Field(
        default=None, description="The scratch space is this parameter's value."
    )


class Deploy(SpecModel):
    """Asks the endpoint to serve the model and waits until it does.

    Waits for every gate of that model first.
    """

    cel_rules: ClassVar[tuple[Rule, ...]] = (exactly_one("model", "modelFrom"),)

    model: OutputRef | None = Field(
        default=None, description="The model to serve, as <step>.<output>: fit.model"
    )
    model_from: FromRegistry | None = Field(
        default=None,
        description="The model to serve is one of the registry. It must be Approved or in Production by "
        "then.",
    )
    endpoint: Name45 = Field(description="ModelEndpoint to create or update; its Service has the same name.")
    scale: StepScale | None = Field(
        default=None,
        description="How many pods serve. Left out, or where somebody else has set it on the endpoint, the "
        "endpoint keeps what it has: one pod at first.",
    )
    rollout: Rollout | None = Field(
        default=None,
        description="How the new version takes over. Left out, or where somebody else has set it on the "
        "endpoint itself, the endpoint keeps what it has.",
    )
