"""The world of one Pipeline, gathered before a decision is made. Frozen values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from penstock_operator.core.ahead import pipeline_uid
from penstock_operator.core.observed import (
    EndpointView,
    JobView,
    PipelineObject,
    Ref,
    Refusal,
    Revision,
    RunObject,
    Trouble,
    VersionView,
)
from penstock_operator.core.run_sorts import RunSort
from penstock_spec.defaults import Defaults


@dataclass(frozen=True)
class ObservedPipeline:
    """The world of plan_pipeline."""

    pipeline: PipelineObject
    runs: Sequence[RunObject] = ()  # of this name, whoever owns them
    revisions: Sequence[Revision] = ()  # owned by this Pipeline; filled when the plan asked to confirm them
    versions: Sequence[VersionView] = ()
    endpoints: Mapping[str, EndpointView] = field(default_factory=dict)  # all of the namespace, by name
    jobs: Mapping[str, JobView] = field(default_factory=dict)  # by name; those controlled by this Pipeline
    troubles: Mapping[str, Trouble] = field(default_factory=dict)  # by name of the Job
    refusals: Mapping[str, Refusal] = field(
        default_factory=dict
    )  # by the name of the object we tried to create
    live: frozenset[Ref] = frozenset()  # what was read live for this observation, as the plan before it asked
    defaults: Defaults = field(default_factory=Defaults)  # of the namespace
    first: bool = False  # whether it is the one of the namespace that has artifacts swept: sweep.first_of
    # What anything in the namespace refers to in the store; filled when the plan asked to confirm it.
    references: frozenset[bytes] = frozenset()

    @cached_property
    def own_runs(self) -> Mapping[RunSort, Sequence[RunObject]]:
        """The runs of this very Pipeline object by their sort, oldest first."""
        found: dict[RunSort, list[RunObject]] = {sort: [] for sort in RunSort}
        for one in sorted(self.runs, key=lambda one: (one.meta.created, one.meta.name)):
            if pipeline_uid(one) in (self.pipeline.meta.uid, ""):
                found[one.sort].append(one)
        return found
