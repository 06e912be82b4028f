"""ModelEndpoint: a served model behind one stable name."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import Cpu, Digest, Memory, Rule, SpecModel
from penstock_spec.kinds.deploy import EndpointScale

VersionName = Annotated[
    str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=60)
]


class ServedModel(SpecModel):
    """The version that should serve."""

    version: VersionName = Field(description="Name of a ModelVersion in the same namespace: tumour-2")
    digest: Digest | None = Field(
        default=None,
        description="Digest that the version must have; a mismatch is refused. Set by the deploy step.",
    )


class EndpointResources(SpecModel):
    """What each serving pod asks of the cluster."""

    cpu: Cpu = Field(
        default="100m",
        description="CPU reserved per pod, in cores. The limit is twice this, and at least 2 cores.",
    )
    memory: Memory = Field(default="512Mi", description="Memory reserved per pod, and its limit.")


class ModelEndpointSpec(SpecModel):
    """Which model serves, and with how many pods."""

    cel_rules: ClassVar[tuple[Rule, ...]] = ()

    model: ServedModel = Field(
        description="The version that should serve. A new one takes over only when it is ready."
    )
    scale: EndpointScale = Field(default_factory=EndpointScale, description="How many pods serve.")
    resources: EndpointResources = Field(
        default_factory=EndpointResources, description="CPU and memory of each pod."
    )
