"""One run at a time per Pipeline: which unfinished runs a run has to wait for. The shell fills
`ObservedRun.ahead` by it.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from penstock_operator.core.observed import PipelineObject, RunObject
from penstock_operator.core.run_sorts import RunSort
from penstock_spec.defaults import Defaults
from penstock_spec.policy import Concurrency


def runs_ahead(run: RunObject, runs: Iterable[RunObject]) -> tuple[str, ...]:
    """Names of the unfinished runs of the same Pipeline that come before `run`.

    A run that has started comes before all that have not; then the older one, then the smaller name. So of
    any two
    exactly one waits for the other. Runs of a Pipeline's predecessor of the same name do not count.
    """
    if _started(run):
        return ()
    return tuple(
        sorted(
            other.meta.name
            for other in runs
            if other.meta.uid != run.meta.uid
            and other.pipeline == run.pipeline
            and not other.finished
            and not other.meta.deleting
            and _may_share(run, other)
            and _rank(other) < _rank(run)
        )
    )


def held_ahead(ahead: Collection[str], runs: Iterable[RunObject]) -> frozenset[str]:
    """Names of those of `runs_ahead` that are suspended: they end only after somebody has lifted that."""
    return frozenset(one.meta.name for one in runs if one.holds and one.meta.name in ahead)


def runs_behind(run: RunObject, runs: Iterable[RunObject]) -> tuple[str, ...]:
    """Names of the unfinished runs of the same Pipeline that come after `run`, the newest last."""
    found = [
        other
        for other in runs
        if other.meta.uid != run.meta.uid
        and other.pipeline == run.pipeline
        and not other.finished
        and not other.meta.deleting
        and _may_share(run, other)
        and _rank(other) > _rank(run)
    ]
    return tuple(one.meta.name for one in sorted(found, key=_rank))


def concurrency_of(pipeline: PipelineObject | None, defaults: Defaults) -> Concurrency:
    """The policy as it is now, also of a spec that is refused for another reason; else the namespace's, else
    Queue.
    """
    policy = pipeline.spec.get("policy") if pipeline is not None else None
    said = policy.get("concurrency") if isinstance(policy, Mapping) else None
    if said in set(Concurrency):
        return Concurrency(said)
    return defaults.values.policy.concurrency or Concurrency.QUEUE


def pipeline_uid(run: RunObject) -> str:
    """The uid of the Pipeline object that a run belongs to; empty for one that a person made and nobody took
    up yet.
    """
    snapshot: Any = run.status.get("snapshot") or {}
    return str(snapshot.get("pipelineUid", "")) or run.pipeline_owner


def _may_share(one: RunObject, other: RunObject) -> bool:
    """Whether one of them can be in the other's way. Plans never are; backfills count for themselves."""
    if not one.sort is other.sort is RunSort.ORDINARY:
        return False
    first, second = pipeline_uid(one), pipeline_uid(other)
    return not first or not second or first == second


def _started(run: RunObject) -> bool:
    return bool(run.status.get("startedAt"))


def _rank(run: RunObject) -> tuple[bool, Any, str]:
    return (not _started(run), run.meta.created, run.meta.name)
