"""The Services by which the workers of gangs find each other: there while an attempt lives, and no longer."""

from collections.abc import Sequence

from penstock_operator.core.actions import Action, Create, Delete
from penstock_operator.core.context import RunContext
from penstock_operator.core.observed import Meta
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.record import StepRecord
from penstock_operator.core.work import service_manifest
from penstock_spec.status import StepState

_LIVE = frozenset({StepState.QUEUED, StepState.STARTING, StepState.RUNNING})


def needed(context: RunContext, record: StepRecord) -> Sequence[Action]:
    """The creation of the Service that the record's attempt lacks; nothing where it has it, or needs none."""
    if record.state not in _LIVE or not record.job:
        return ()
    there = any(one.name == record.job for one in context.observed.services)
    if there or record.job in context.observed.refusals:
        return ()
    manifest = service_manifest(context, record)
    return () if manifest is None else (Create(manifest),)


def left_over(observed: ObservedRun, records: Sequence[StepRecord]) -> Sequence[Delete]:
    """Deletions of the Services whose attempts have ended."""
    wanted = {one.job for one in records if one.state in _LIVE}
    return tuple(_deletion(one) for one in observed.services if one.name not in wanted and not one.deleting)


def _deletion(meta: Meta) -> Delete:
    return Delete("Service", meta.namespace, meta.name, meta.uid)
