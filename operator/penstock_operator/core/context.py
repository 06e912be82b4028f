"""What the rules about one step look at, and the form of their answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from penstock_operator.core.actions import Action
from penstock_operator.core.observed import JobView, Ref, VersionView
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.pins import Pins
from penstock_operator.core.record import StepRecord
from penstock_operator.core.settings import Settings
from penstock_operator.core.times import stamp
from penstock_spec.defaults import NamespaceDefaults
from penstock_spec.graph import CompiledPipeline
from penstock_spec.policy import Policy


@dataclass(frozen=True)
class Halt:
    """Why a run goes no further: what has not ended is ended, and nothing starts but steps with `always`."""

    reason: str
    message: str


@dataclass(frozen=True)
class Room:
    """What this pass may still begin.

    It follows from the recorded status alone: whoever dies after a creation and before the status is written
    gives the room to the same steps again.
    """

    jobs: int | None = None  # more Jobs of the run under way; None: any number
    begins: int = 50  # cells looked at for the first time: a pass is short, and shows itself

    def less(self, *, jobs: int = 0, begins: int = 0) -> "Room":
        """The room that is left."""
        left = None if self.jobs is None else max(0, self.jobs - jobs)
        return Room(left, max(0, self.begins - begins))


@dataclass(frozen=True)
class RunContext:
    """One run at one moment.

    `records` are the steps as far as they have been decided in this pass, `recorded` as the status has them:
    nothing is
    built upon an end that a crash could still undo.
    """

    observed: ObservedRun
    now: datetime
    settings: Settings
    pipeline: CompiledPipeline
    values: Mapping[str, Any]  # of all parameters
    records: Mapping[str, StepRecord]
    recorded: Mapping[str, StepRecord]
    policy: Policy = field(default_factory=Policy)
    pins: Pins = field(default_factory=dict)  # the registered models that it reads
    halt: Halt | None = None  # why the run goes no further
    room: Room = field(default_factory=Room)
    # What has lost outputs that a step waits for, a step and a cell of it or 0: by whom.
    wanted: Mapping[tuple[str, int], str] = field(default_factory=dict)
    defaults: NamespaceDefaults = field(default_factory=NamespaceDefaults)  # those that the run has frozen

    @property
    def namespace(self) -> str:
        """Namespace of the run and of everything it makes."""
        return self.observed.run.meta.namespace

    @property
    def stamp(self) -> str:
        """Now, as it stands in a status."""
        return stamp(self.now)

    def with_record(self, record: StepRecord) -> "RunContext":
        """The context in which this has been decided about a step."""
        return replace(self, records={**self.records, record.name: record})

    def job(self, name: str) -> JobView | None:
        """The Job of this name, if this run is its controller."""
        found = self.observed.jobs.get(name)
        return found if found is not None and found.meta.owner_uid == self.observed.run.meta.uid else None

    def is_live(self, ref: Ref) -> bool:
        """Whether the object was read live for this decision, so that its absence may be believed."""
        return ref in self.observed.live

    def version_of(self, source: StepRecord, output: str) -> VersionView | None:
        """The ModelVersion of a model that a step or cell gave: by its name, of another run's also by its
        bytes.
        """
        digest, version = source.outputs.get(output), self.version(source.model_version)
        if version is None or version.digest != digest:
            version = next((one for one in self.observed.versions if one.digest == digest), None)
            return version if source.kind == "pipeline" else None
        return version

    def version(self, name: str) -> VersionView | None:
        """The ModelVersion of this name."""
        return next((one for one in self.observed.versions if one.meta.name == name), None)


@dataclass(frozen=True)
class Decision:
    """What becomes of one step now. The fields mean what they mean in Plan."""

    record: StepRecord
    actions: Sequence[Action] = ()
    after: Sequence[Action] = ()
    confirm: Sequence[Ref] = ()
    inquire: Sequence[str] = ()
    look_again: datetime | None = None


Rule = Callable[[RunContext, StepRecord], Decision | None]
