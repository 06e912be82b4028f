"""What decisions may look at, gathered before they are made: views of single objects. Frozen values only.

`observe.py` fills these from the caches (and from live reads where absence is to be believed); tests build
them by hand. The whole worlds: observed_run.py, observed_pipeline.py, observed_endpoint.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from penstock_operator.core.run_sorts import RunSort
from penstock_operator.core.times import stamp
from penstock_spec.graph import CompiledPipeline
from penstock_spec.names import Reason
from penstock_spec.reuse import RunReuse
from penstock_spec.run import RunMode
from penstock_spec.triggers import cause_text
from penstock_spec.when import BY_CHANGE, BY_HAND, BY_PARENT


@dataclass(frozen=True)
class Meta:
    """The part of metadata that decisions use."""

    namespace: str
    name: str
    uid: str
    created: datetime
    generation: int = 1
    resource_version: str = ""
    owner_uid: str = ""  # of the controlling owner; empty where there is none
    deleting: bool = False


@dataclass(frozen=True)
class Ref:
    """Names an object of the planned object's namespace. An empty name means the list of its children of
    that kind.
    """

    kind: str
    name: str = ""


@dataclass(frozen=True)
class ContainerView:
    """One container (or init container) of a pod, as the kubelet reports it."""

    name: str
    init: bool
    waiting_reason: str = ""
    waiting_message: str = ""
    running: bool = False
    started_at: datetime | None = None
    terminated_reason: str = ""
    exit_code: int | None = None
    finished_at: datetime | None = None
    message: str = ""  # termination message
    image: str = ""  # imageID, as pulled
    last_reason: str = ""  # how it ended before it was started again
    last_exit_code: int | None = None
    last_message: str = ""


@dataclass(frozen=True)
class PodView:
    """A pod of a step."""

    meta: Meta
    phase: str  # Pending, Running, Succeeded, Failed, Unknown
    reason: str = ""  # status.reason, e.g. Evicted
    message: str = ""
    unschedulable: str = ""  # the scheduler's words when PodScheduled is False; empty otherwise
    unschedulable_since: datetime | None = None
    scheduled_at: datetime | None = None  # when PodScheduled became True
    disrupted: str = ""  # reason of the condition DisruptionTarget when True
    ready: bool = False
    worker: int = 0  # its number in a gang
    containers: Sequence[ContainerView] = ()

    def container(self, name: str) -> ContainerView | None:
        """The container of this name, init or not."""
        return next((one for one in self.containers if one.name == name), None)


@dataclass(frozen=True)
class JobView:
    """A Job of a step, with the pods whose controller it is; or a JobSet, with the Job that it has made."""

    meta: Meta
    kind: str = "Job"  # or JobSet
    child: Meta | None = None  # of a JobSet: the Job whose controller it is; None where there is none (yet)
    spec_hash: str = ""  # manifests.identity.hash_of the live object; guards adoption after a 409
    version: str = ""  # of a window's Job: the ModelVersion that it judges, from the pod template
    step: str = ""  # that it is an attempt of, from the pod template; empty where it is of none
    # Uid of each run whose record it writes -> digest of the record, from the pod template.
    archives: Mapping[str, str] = field(default_factory=dict)
    sweeps: bool = False  # whether it looks through the store's artifacts, from the pod template
    attempt: int = 0  # its number, from the pod template; 0 where it has none
    bears: str = ""  # bearing.borne, from the pod template
    suspended: bool = False
    workers: int = 1  # pods of a gang
    started: datetime | None = None  # status.startTime: begins anew after a suspension
    complete: bool = False
    failed_reason: str = ""  # reason of the condition Failed (or FailureTarget), e.g. BackoffLimitExceeded
    failed_message: str = ""
    pods: Sequence[PodView] = ()


@dataclass(frozen=True)
class Trouble:
    """Why a stuck Job has no running pod, in the words of its newest warning Event (read on demand)."""

    reason: str  # FailedCreate, FailedMount, ...
    message: str


@dataclass(frozen=True)
class Refusal:
    """The API server's answer to a creation of ours that failed for good or for now."""

    reason: str  # NameCollision, QuotaExceeded, RejectedByCluster, FieldOwned (of an Apply)
    message: str


@dataclass(frozen=True)
class VersionView:
    """A ModelVersion."""

    meta: Meta
    model: str
    number: int
    digest: str
    lifecycle: str = ""
    status: Mapping[str, Any] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict)  # spec.lineage
    metrics: Mapping[str, float] = field(default_factory=dict)  # spec.metrics


@dataclass(frozen=True)
class EndpointView:
    """A ModelEndpoint, as deploy steps see it."""

    meta: Meta
    version: str  # spec.model.version
    digest: str  # spec.model.digest
    asked_by: str = ""  # spec.model.askedBy
    scale: Mapping[str, Any] = field(default_factory=dict)  # spec.scale
    rollout: Mapping[str, Any] = field(default_factory=dict)  # spec.rollout
    pinned: int | None = None  # spec.rollbackTo
    managers: Mapping[str, Sequence[str]] = field(default_factory=dict)  # as in ObservedEndpoint
    refused: bool = False  # status.rollout says that the version came too late
    stable: str = ""  # status.stable
    stable_digest: str = ""
    observed_generation: int = 0
    ready: bool = False  # condition Ready is True
    stalled_reason: str = ""  # reason of the condition Stalled when True
    stalled_message: str = ""
    reconciling: bool = False  # condition Reconciling is True
    monitoring: Mapping[str, Any] | None = None  # spec.monitoring
    monitored_at: datetime | None = None  # when a monitor step last changed spec.monitoring
    watched_since: str = ""  # status.monitoring.since: from then on its pods log
    drifted_reason: str = ""  # of the condition Drifted, whatever its status
    drifted_message: str = ""
    episodes: int = 0  # how often it has begun to drift
    drifting: bool = False  # the last definite answer


@dataclass(frozen=True)
class Revision:
    """A ControllerRevision that froze a pipeline, as frozen.load gives it: compiled once, then kept by the
    shell.

    `pipeline` is None where its data does not match its digest, or no longer compiles.
    """

    meta: Meta
    digest: str
    pipeline: CompiledPipeline | None


@dataclass(frozen=True)
class PipelineObject:
    """A Pipeline as stored. `spec` is the raw mapping; the planner compiles it."""

    meta: Meta
    spec: Mapping[str, Any]
    status: Mapping[str, Any] = field(default_factory=dict)
    # What the user wrote, where the API server pruned unknown fields: from the last-applied annotation, else
    # None.
    applied: Mapping[str, Any] | None = None

    @property
    def suspended(self) -> bool:
        """Whether nothing new begins."""
        return self.spec.get("suspend") is True


@dataclass(frozen=True)
class RunObject:
    """A PipelineRun as stored."""

    meta: Meta
    pipeline: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    revision: str = ""
    generation: int = 0
    trigger: str = ""
    suspend: bool = False
    cancel: bool = False
    status: Mapping[str, Any] = field(default_factory=dict)
    scheduled_time: str = ""  # as given
    episode: Mapping[str, Any] = field(default_factory=dict)  # that started it; empty where none did
    triggered_by: Mapping[str, Any] = field(default_factory=dict)  # spec.triggeredBy; empty where nothing
    mode: str = RunMode.RUN
    rerun: Mapping[str, Any] = field(default_factory=dict)  # spec.rerun; empty where it repeats none
    backfill: Mapping[str, Any] = field(default_factory=dict)  # spec.backfill; empty where it is none
    part_of: str = ""  # the backfill that made it, or the run whose step it is
    step: str = ""  # of that run; empty where it is none
    held_by: str = ""  # the nearest suspended run of those above it; empty where none is (plan_run fills it)
    lifted: str = ""  # why its own suspension holds no longer; empty where it does (plan_run fills it)
    reuse: str = RunReuse.BY_STEP
    spec: Mapping[str, Any] = field(default_factory=dict)  # the raw one, for its record
    cell: int = 0  # of the step that it is; 0 where that has none
    unwritten: Sequence[Mapping[str, Any]] = ()  # the ends in `status` that are not written yet

    @property
    def sort(self) -> RunSort:
        """What sort of run it is: only ordinary ones queue, and tell how a Pipeline is doing."""
        if self.mode == RunMode.PLAN:
            return RunSort.PLAN
        if self.step:
            return RunSort.CHILD
        return RunSort.BACKFILL if self.backfill else RunSort.PART if self.part_of else RunSort.ORDINARY

    @property
    def pipeline_owner(self) -> str:
        """Uid of the Pipeline that controls it; empty where nothing does, or the run whose step it is."""
        return "" if self.step else self.meta.owner_uid

    @property
    def suspended(self) -> bool:
        """Whether nothing new starts: by its own spec, or by that of a run above it."""
        return (self.suspend and not self.lifted) or bool(self.held_by)

    @property
    def holds(self) -> bool:
        """Whether its own spec holds it and what is part of it, as others see it: its status says where a
        newer run has lifted that.
        """
        return self.suspend and self.status.get("reason") != Reason.RUN_REPLACED

    @property
    def logical_time(self) -> str:
        """The time that the run is for: as given or, of a rerun, kept; else when it was created."""
        kept = str(self._snapshot.get("scheduledTime", ""))
        return kept or self.scheduled_time or stamp(self.meta.created)

    @property
    def saw(self) -> Mapping[str, Any]:
        """What a trigger saw: as given or, of a rerun, kept; empty where nothing."""
        kept: Mapping[str, Any] = self._snapshot.get("triggeredBy") or self.triggered_by
        return kept

    @property
    def cause(self) -> str:
        """The same as steps may take it."""
        return cause_text(self.saw)

    @property
    def given(self) -> Mapping[str, Any]:
        """The parameters: as given, and of a rerun with those of the run that it repeats."""
        kept: Mapping[str, Any] = self._snapshot.get("parameters", self.parameters)
        return kept

    @property
    def _snapshot(self) -> Mapping[str, Any]:
        return self.status.get("snapshot") or {}

    @property
    def started_by(self) -> str:
        """The trigger's name as conditions know it: also `change` and `manual`."""
        if self.step:
            return BY_PARENT
        return self.trigger or (BY_CHANGE if self.generation else BY_HAND)

    @cached_property
    def finished(self) -> bool:
        """True when the condition Finished is True; then nothing about the run changes any more."""
        return any(
            one.get("type") == "Finished" and one.get("status") == "True"
            for one in self.status.get("conditions", ())
        )
