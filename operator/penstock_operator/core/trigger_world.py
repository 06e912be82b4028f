"""What a trigger looks at, and the form of its answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from penstock_operator.core.actions import EventNote
from penstock_operator.core.changes import RUNS, own_runs
from penstock_operator.core.frozen import Definition
from penstock_operator.core.observed import Ref, Refusal, RunObject
from penstock_operator.core.observed_pipeline import ObservedPipeline
from penstock_operator.core.settings import Settings
from penstock_operator.core.times import stamp
from penstock_operator.manifests.runs import Start, run
from penstock_spec import names, object_names
from penstock_spec.names import Reason
from penstock_spec.run import RunMode
from penstock_spec.triggers import Trigger

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What one trigger asks for now."""

    entry: Entry
    runs: Sequence[Mapping[str, Any]] = ()  # manifests
    confirm: Sequence[Ref] = ()
    jobs: Sequence[Mapping[str, Any]] = ()  # manifests of Jobs that look
    awaits: str = ""  # the Job that looks, whose end is not in the entry yet
    inquire: Sequence[str] = ()
    notes: Sequence[EventNote] = ()
    look_again: datetime | None = None


@dataclass(frozen=True)
class TriggerWorld:
    """One trigger at one moment. `entry` is its memory, None before it is armed; `taken` are the names that
    triggers before it start in the same plan.
    """

    observed: ObservedPipeline
    definition: Definition
    now: datetime
    settings: Settings
    trigger: Trigger
    entry: Entry | None
    taken: frozenset[str] = frozenset()

    @cached_property
    def runs(self) -> Sequence[RunObject]:
        """The Pipeline's own runs, the oldest first."""
        return own_runs(self.observed)

    @property
    def mine(self) -> Sequence[RunObject]:
        """Those that this trigger started."""
        return [one for one in self.runs if one.trigger == self.trigger.name]

    @property
    def unfinished(self) -> str:
        """The oldest of the Pipeline's runs that has not ended, or the one that is about to be made."""
        going = (one.meta.name for one in self.runs if not one.finished and not one.meta.deleting)
        return next(going, next(iter(sorted(self.taken)), ""))

    @property
    def unseen(self) -> tuple[Ref, ...]:
        """What must be read live before anything is started.

        A run that a cache does not show must not be doubled, nor a start that an older status does not know.
        """
        wanted = (RUNS, Ref(names.PIPELINE, self.observed.pipeline.meta.name))
        return tuple(one for one in wanted if one not in self.observed.live)

    def armed_anew(self, armed_for: str) -> bool:
        """Whether it is armed only now: it is new, has changed, or was suspended."""
        entry = self.entry
        return entry is None or bool(entry.get("suspended")) or entry.get("armed") != armed_for

    def free_name(self, plain: str, distinct: str) -> str:
        """`plain`, or `distinct` where a run that is not this start's holds it."""
        refused = self.observed.refusals.get(plain)
        held = any(one.meta.name == plain for one in self.observed.runs)
        return distinct if held or (refused and refused.reason == Reason.NAME_COLLISION) else plain

    def refusal(self, name: str) -> Refusal | None:
        """The API server's answer to the creation of this run, or of what it is to execute."""
        meta = self.observed.pipeline.meta
        frozen = object_names.revision_name(meta.name, meta.uid, self.definition.digest)
        return self.observed.refusals.get(name) or self.observed.refusals.get(frozen)

    def manifest(
        self,
        name: str,
        moment: datetime | None = None,
        episode: Mapping[str, Any] | None = None,
        triggered_by: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """The run to be made, for a logical time, an episode or something else that was seen."""
        meta = self.observed.pipeline.meta
        start = Start(
            namespace=meta.namespace,
            name=name,
            pipeline=meta.name,
            pipeline_uid=meta.uid,
            revision=object_names.revision_name(meta.name, meta.uid, self.definition.digest),
            generation=meta.generation,
            trigger=self.trigger.name,
            scheduled_time=stamp(moment) if moment is not None else "",
            episode=episode or {},
            triggered_by=triggered_by or {},
            mode=str(RunMode.PLAN) if self.trigger.suggest else "",
        )
        return run(start)
