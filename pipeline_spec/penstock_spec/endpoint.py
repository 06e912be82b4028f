"""ModelEndpoint: a served model behind one stable name."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import Cpu, Digest, Memory, ObjectName, Rule, SpecModel, StoredDefault
from penstock_spec.kinds.deploy import MOST_PODS, SCALE_RULES, Rollout
from penstock_spec.monitoring import Monitoring
from penstock_spec.server_spec import ServerSpec

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
    asked_by: Annotated[str, StringConstraints(max_length=128)] = Field(
        default="",
        description="Who asks, in words, for the history: run tumour-g3, step serve. Other words are another "
        "request: a version that missed its deadline is tried again.",
    )


class EndpointScale(SpecModel):
    """How many pods serve. With maxReplicas an autoscaler writes replicas."""

    cel_rules: ClassVar[tuple[Rule, ...]] = SCALE_RULES

    replicas: Annotated[int, StoredDefault()] = Field(
        default=1,
        ge=1,
        le=MOST_PODS,
        description="Number of pods of the served version. `kubectl scale` and the autoscaler write it.",
    )
    min_replicas: int | None = Field(
        default=None, ge=1, le=MOST_PODS, description="Fewest pods while autoscaling. Left out, one."
    )
    max_replicas: int | None = Field(
        default=None,
        ge=1,
        le=MOST_PODS,
        description="Most pods. Setting it turns autoscaling on, removing it turns it off.",
    )
    target_cpu_utilization: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        alias="targetCPUUtilization",
        description="CPU that the pods should use on average, in percent of what they reserve. Left out, 80.",
    )


class EndpointResources(SpecModel):
    """What each serving pod asks of the cluster."""

    cpu: Cpu = Field(
        default="100m",
        description="CPU reserved per pod, in cores. The limit is twice this, and at least 2 cores, or one "
        "for each worker.",
    )
    memory: Memory = Field(default="512Mi", description="Memory reserved per pod, and its limit.")


class Authentication(SpecModel):
    """Who may call the model."""

    secret: ObjectName = Field(
        description="Secret of this namespace with one entry per client, its value the token that the client "
        "sends as `Authorization: Bearer <token>`."
    )


class ModelEndpointSpec(SpecModel):
    """Which model serves, and with how many pods."""

    cel_rules: ClassVar[tuple[Rule, ...]] = ()

    model: ServedModel = Field(
        description="The version that should serve. A new one takes over only when it is ready."
    )
    scale: Annotated[EndpointScale, StoredDefault()] = Field(
        default_factory=EndpointScale, description="How many pods serve, fixed or by load."
    )
    resources: EndpointResources = Field(
        default_factory=EndpointResources, description="CPU and memory of each pod."
    )
    rollout: Rollout = Field(default_factory=Rollout, description="How a new version takes over.")
    rollback_to: int | None = Field(
        default=None,
        ge=1,
        description="Serve what this revision of status.history served, whatever spec.model says, until the "
        "field is removed. Deploy steps fail meanwhile.",
    )
    authentication: Authentication | None = Field(
        default=None,
        description="Tokens that callers must show. Left out, everybody who reaches the port may call.",
    )
    server: ServerSpec = Field(
        default_factory=ServerSpec, description="The program that serves: Penstock's own, or another image."
    )
    monitoring: Monitoring | None = Field(
        default=None,
        description="Log and judge the traffic. A monitor step or you set it; without it nothing is logged.",
    )
