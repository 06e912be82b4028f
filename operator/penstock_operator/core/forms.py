"""What an attempt is made as: a Job; in a run that has JobSets, a gang's attempt is one.

The run's snapshot says which, written before anything is made: a name is a lock only among objects of one
kind, so two operators that know different things of the cluster still have to make the same.
"""

from collections.abc import Mapping
from typing import Any

from penstock_operator.core.context import RunContext
from penstock_operator.core.observed import Ref
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.settings import Settings
from penstock_operator.manifests.job_sets import JOB_SET, job_name
from penstock_spec.graph import CompiledPipeline

JOB = "Job"
AUTO = "Auto"


def chosen(observed: ObservedRun, pipeline: CompiledPipeline, settings: Settings) -> dict[str, Any]:
    """What the snapshot of a run that begins says of it."""
    wanted = observed.job_sets and settings.gangs == AUTO
    has_gangs = any(step.gang is not None for step in pipeline.spec.steps)
    return {"gangs": JOB_SET} if wanted and has_gangs else {}


def has_job_sets(status: Mapping[str, Any]) -> bool:
    """Whether the gangs of the run with this status are JobSets."""
    return bool((status.get("snapshot") or {}).get("gangs") == JOB_SET)


def kind_of(context: RunContext, step: str) -> str:
    """The kind of each attempt of this step."""
    gang = context.pipeline.spec.step(step).gang is not None
    return JOB_SET if gang and has_job_sets(context.observed.run.status) else JOB


def objects_of(context: RunContext, step: str, name: str) -> tuple[Ref, ...]:
    """What an attempt of this name is: a Job, or a JobSet and the Job in it."""
    kind = kind_of(context, step)
    return (Ref(kind, name), Ref(JOB, job_name(name))) if kind == JOB_SET else (Ref(kind, name),)


def lists_of(status: Mapping[str, Any]) -> tuple[Ref, ...]:
    """The lists in which every attempt of a run with this status stands."""
    return (Ref(JOB), Ref(JOB_SET)) if has_job_sets(status) else (Ref(JOB),)
