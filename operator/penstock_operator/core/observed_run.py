"""The world of one PipelineRun, gathered before a decision is made. Frozen values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from penstock_operator.core.earlier import Earlier, Previous
from penstock_operator.core.observed import (
    EndpointView,
    JobView,
    Meta,
    PipelineObject,
    Ref,
    Refusal,
    Revision,
    RunObject,
    Trouble,
    VersionView,
)
from penstock_spec.defaults import Defaults
from penstock_spec.digest import key_of
from penstock_spec.graph import CompiledPipeline


@dataclass(frozen=True)
class ChildView:
    """A run that is a step of the planned one."""

    run: RunObject
    pipeline: CompiledPipeline | None = None  # what it executes, once that is frozen and can be read


@dataclass(frozen=True)
class ObservedRun:
    """The world of plan_run."""

    run: RunObject
    pipeline: PipelineObject | None  # of that name, now; may be another object than the one at the start
    # The one that its snapshot names, else that the run names. Read live: None means that it does not exist.
    revision: Revision | None = None
    jobs: Mapping[str, JobView] = field(default_factory=dict)  # by name; those controlled by this run
    # The names of those that are gone, or not seen yet, while a pod of theirs has not ended.
    ending: frozenset[str] = frozenset()
    services: Sequence[Meta] = ()  # those controlled by this run
    job_sets: bool = False  # whether the API server serves JobSets, as far as this operator knows
    # What was read live for this observation, as the plan before it asked. A Job among these that is not in
    # `jobs` does not exist, or is not ours.
    live: frozenset[Ref] = frozenset()
    troubles: Mapping[str, Trouble] = field(default_factory=dict)  # by name of the Job
    refusals: Mapping[str, Refusal] = field(default_factory=dict)  # by name of the object
    versions: Sequence[VersionView] = ()  # all of the namespace
    endpoints: Mapping[str, EndpointView] = field(default_factory=dict)  # all of the namespace, by name
    earlier: Sequence[Earlier] = ()  # newest first
    previous: Sequence[Previous] = ()  # history.previous_runs
    origin: RunObject | None = None  # the run that this one repeats
    repeated: Sequence[RunObject] = ()  # the runs that are steps of that one
    siblings: Sequence[RunObject] = ()  # of a backfill: all runs of the Pipeline's name
    children: Mapping[str, ChildView] = field(default_factory=dict)  # by name; those controlled by this run
    parents: Sequence[RunObject] = ()  # the run that this one is a step of, then that one's, and so on
    made_by: RunObject | None = None  # the backfill that it is part of
    ahead: Sequence[str] = ()  # unfinished runs of the same Pipeline that come first: ahead.runs_ahead
    held_ahead: frozenset[str] = frozenset()  # those of them that are suspended: ahead.held_ahead
    behind: Sequence[str] = ()  # those that come after this one: ahead.runs_behind
    defaults: Defaults = field(default_factory=Defaults)  # of the namespace, now
    # Where the installation bounds how many Jobs live at a time: the names of those of all runs of the
    # namespace, and room.older_claims.
    live_jobs: frozenset[str] = frozenset()
    older_claims: int = 0
    # When this operator looked for the first time. What was wrong before may have been put right since, and
    # the kubelet, which tries again after pauses, has not noticed.
    watched_since: datetime | None = None

    @cached_property
    def earlier_by_key(self) -> Mapping[str, Sequence[Earlier]]:
        """What earlier steps and cells made, by the key of their digests, newest first."""
        found: dict[str, list[Earlier]] = {}
        for one in self.earlier:
            for part in one.parts():
                found.setdefault(key_of(part.digest), []).append(part)
        return found
