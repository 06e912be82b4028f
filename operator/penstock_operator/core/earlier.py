"""What earlier runs of a Pipeline have made, as the planner sees it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from penstock_operator.core.record import StepRecord
from penstock_spec.graph import CompiledPipeline
from penstock_spec.status import SATISFYING, StepState


@dataclass(frozen=True)
class Earlier:
    """A step of an earlier run of the same Pipeline that ended well, for reuse; or a registered model's."""

    run: str
    created: datetime
    step: str
    digest: str
    outputs: Mapping[str, str]
    source_revision: str = ""
    results: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    verdict: str = ""
    model_version: str = ""
    image: str = ""
    made: str = ""  # when the result was really made, as `stamp` writes it; empty where that is not known
    registered: bool = False  # known by its ModelVersion alone
    counts: Mapping[str, int] = field(default_factory=dict)
    entry: Mapping[str, Any] = field(default_factory=dict)  # of a step with cells: read when it is asked for

    def whence(self, taken_by: str) -> str:
        """Where the result that a step takes over comes from, in words; also of which step, if it is not of
        the one of its own name.
        """
        run = f"run {self.run}"
        if self.registered:
            return f"ModelVersion {self.model_version} of {run}"
        return run if self.step == taken_by else f"step {self.step} of {run}"

    def parts(self) -> Iterator["Earlier"]:
        """What can be taken over: the step, or each of its cells that ended well."""
        if not self.entry:
            yield self
            return
        for one in StepRecord.from_status(self.entry).cells.values():
            if one.state in SATISFYING and one.digest:
                yield replace(
                    self,
                    digest=one.digest,
                    made=one.made_at or (self.made if one.state is StepState.SUCCEEDED else ""),
                    outputs=one.outputs,
                    source_revision=one.source_revision,
                    results=one.results,
                    metrics=one.metrics,
                    verdict=one.verdict,
                    model_version=one.model_version,
                    entry={},
                )


@dataclass(frozen=True)
class Previous:
    """A finished run before this one, so that a step can say what has changed since then."""

    run: str
    pipeline: CompiledPipeline  # of its frozen revision
    parameters: Mapping[str, Any]  # as given; defaults come from the pipeline
    scheduled_time: str  # RunObject.logical_time
    steps: Sequence[Mapping[str, Any]]  # its status.steps
    pinned: Sequence[Mapping[str, Any]] = ()  # its status.pinned
    cause: str = ""  # RunObject.cause

    @cached_property
    def records(self) -> Mapping[str, StepRecord]:
        """Its steps by name."""
        return {one["name"]: StepRecord.from_status(one) for one in self.steps}
