"""The four kinds as the API server knows them: models, columns of `kubectl get`, limits of names."""

from dataclasses import dataclass

from penstock_spec import names
from penstock_spec.base import DNS_1035, Rule, SpecModel
from penstock_spec.endpoint import ModelEndpointSpec
from penstock_spec.endpoint_status import ModelEndpointStatus
from penstock_spec.model_version import ModelVersionSpec, ModelVersionStatus
from penstock_spec.pipeline import PipelineSpec
from penstock_spec.pipeline_status import PipelineStatus
from penstock_spec.run import PipelineRunSpec
from penstock_spec.run_status import PipelineRunStatus

CATEGORY = "penstock"


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`; a wide one shows with `-o wide` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True)
class Scale:
    """Where `kubectl scale` and autoscalers find the figures of a kind that can be scaled."""

    wanted: str
    found: str
    selector: str


@dataclass(frozen=True)
class ApiKind:
    """One kind of object."""

    kind: str
    description: str
    spec: type[SpecModel]
    spec_description: str
    status: type[SpecModel]
    status_description: str
    name_length: int
    columns: tuple[Column, ...]
    scale: Scale | None = None
    rules: tuple[Rule, ...] = ()  # that need the name of the object beside its spec

    @property
    def plural(self) -> str:
        """The name in URLs and in `kubectl get`."""
        return names.PLURALS[self.kind]

    @property
    def crd_name(self) -> str:
        """The name of its CustomResourceDefinition."""
        return f"{self.plural}.{names.GROUP}"

    def name_rules(self) -> tuple[Rule, ...]:
        """What holds for metadata.name: children are named after it, Services too."""
        return (
            Rule(
                f"self.metadata.name.size() <= {self.name_length}",
                f"the name of a {self.kind} may have at most {self.name_length} characters",
            ),
            Rule(
                f"self.metadata.name.matches('{DNS_1035}')",
                "the name may hold lower-case letters, digits and dashes, and begins with a letter",
            ),
            *self.rules,
        )


def _condition(type_: str) -> str:
    return f'.status.conditions[?(@.type=="{type_}")].status'


def _reason(type_: str) -> str:
    return f'.status.conditions[?(@.type=="{type_}")].reason'


_AGE = Column("Age", ".metadata.creationTimestamp", "Time since the object was created.", type="date")
_MESSAGE = Column("Message", ".status.message", "The same in words, with the next step.", wide=True)

PIPELINE = ApiKind(
    kind=names.PIPELINE,
    description="Pipeline says how data becomes a served model: steps that refer to each other, and gates.",
    spec=PipelineSpec,
    spec_description="What should happen. Applying a change runs what the change affects, and nothing else.",
    status=PipelineStatus,
    status_description="How the pipeline and its last run are doing. Written by the operator only.",
    name_length=40,
    columns=(
        Column("Ready", _condition("Ready"), "True when the spec is accepted and a change of it will run."),
        Column("Status", ".status.status", "Running, Succeeded, Failed or Refused."),
        Column("Step", ".status.step", "The step to look at."),
        Column("Progress", ".status.progress", "Steps that ended well, out of all."),
        Column("Model", ".status.model", "ModelVersion of the last finished training."),
        Column("Endpoint", ".status.endpoint", "ModelEndpoint that the pipeline deploys to."),
        Column("Reason", ".status.reason", "One word for why."),
        _AGE,
        Column("Run", ".status.lastRun", "The run that the other columns speak of.", wide=True),
        Column("Next", ".status.next", "When a trigger starts the next run.", wide=True),
        _MESSAGE,
    ),
    rules=(
        Rule(
            "self.spec.steps.all(step, !has(step.pipeline) || step.pipeline.name != self.metadata.name)",
            "a pipeline cannot be a step of itself: pipeline.name of one of the steps is its own name",
            # A path cannot name an item of a list, and to reckon its place in a message costs too much.
            ".spec.steps",
        ),
    ),
)
PIPELINE_RUN = ApiKind(
    kind=names.PIPELINE_RUN,
    description="PipelineRun is one execution of a Pipeline. It refers to frozen steps, never contains any.",
    spec=PipelineRunSpec,
    spec_description="What is executed, and with which values. Only suspend and cancel can change.",
    status=PipelineRunStatus,
    status_description="How each step is doing. Written by the operator only.",
    name_length=63,
    columns=(
        Column("Pipeline", ".spec.pipeline", "The pipeline that is executed."),
        Column("Status", ".status.status", "Waiting, Running, Suspended, or how it ended."),
        Column("Progress", ".status.progress", "Steps that ended well, out of all."),
        Column("Step", ".status.step", "The step to look at."),
        Column("Reason", ".status.reason", "One word for why."),
        Column(
            "Started", ".status.startedAt", "Time since the first step was allowed to start.", type="date"
        ),
        Column("Duration", ".status.duration", "From start to end."),
        _MESSAGE,
        Column("Parent", ".spec.partOf", "Run that made this one: see spec.partOf.", wide=True),
        Column("Digest", ".status.snapshot.digest", "Digest of the frozen steps.", wide=True),
    ),
)
MODEL_VERSION = ApiKind(
    kind=names.MODEL_VERSION,
    description="ModelVersion is the record of one model's exact bytes and of where they came from.",
    spec=ModelVersionSpec,
    spec_description="The facts, which cannot change.",
    status=ModelVersionStatus,
    status_description="What has happened to the version since. Written by the operator only.",
    name_length=60,
    columns=(
        Column("Model", ".spec.model", "The model that this is a version of."),
        Column("Version", ".spec.number", "Number of the version.", type="integer"),
        Column("Lifecycle", ".status.lifecycle", "Candidate, Approved, Rejected, Production or Archived."),
        Column("Reason", ".status.reason", "One word for why."),
        Column("Run", ".spec.lineage.run", "PipelineRun that trained it."),
        Column("Endpoint", ".status.endpoints[0]", "First of the ModelEndpoints that serve it now."),
        _AGE,
        Column("Digest", ".spec.digest", "Digest of the model's artifact.", wide=True),
        _MESSAGE,
    ),
)
MODEL_ENDPOINT = ApiKind(
    kind=names.MODEL_ENDPOINT,
    description="ModelEndpoint is a served model behind one stable name, the name of its Service.",
    spec=ModelEndpointSpec,
    spec_description="Which version should serve, and with how many pods. A deploy step, or you, write it.",
    status=ModelEndpointStatus,
    status_description="What serves, and what is on its way. Written by the operator only.",
    name_length=45,
    columns=(
        Column("Ready", _condition("Ready"), "True when the stable version answers."),
        Column("Stable", ".status.stable", "ModelVersion that takes all traffic."),
        Column("Next", ".status.next", "ModelVersion that will take over when it is ready."),
        Column("Drifted", ".status.drifted", "True when the data is not what the model was trained on."),
        Column("Quality", ".status.quality", "Ok, or what is wrong with the newest data: UnitChanged."),
        Column("Replicas", ".status.replicas", "Ready pods, out of wanted ones."),
        Column("URL", ".status.url", "Where clients in the cluster reach it."),
        Column("Reason", _reason("Reconciling"), "One word for how the wanted version is doing."),
        _AGE,
        Column("Revision", ".status.revision", "Number of what serves.", type="integer", wide=True),
        Column("Digest", ".status.stableDigest", "Digest of the stable version.", wide=True),
        _MESSAGE,
    ),
    scale=Scale(".spec.scale.replicas", ".status.pods.replicas", ".status.pods.selector"),
)
API_KINDS = (PIPELINE, PIPELINE_RUN, MODEL_VERSION, MODEL_ENDPOINT)
