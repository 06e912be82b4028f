"""An endpoint that a run makes and then watches gets its monitoring as it is made.

Pods keep a log from their start or not at all: set later, by the monitor step, it would have every pod of the
first version started twice.
"""

from penstock_operator.core.actions import Apply
from penstock_operator.core.context import RunContext
from penstock_operator.core.record import StepRecord
from penstock_operator.manifests.endpoints import monitored
from penstock_spec import names
from penstock_spec.kinds.monitor import Monitor
from penstock_spec.status import SATISFYING, StepState


def watched_first(context: RunContext, deploy: StepRecord, endpoint: str) -> tuple[Apply, ...]:
    """What the endpoint's monitor step will apply, in its name, where it has only this deploy to wait for.

    The endpoint waits a moment for it, and the step finds it done. A step that may yet be skipped or blocked
    sets it itself, or never.
    """
    for step in context.pipeline.spec.steps:
        if isinstance(step.body, Monitor) and step.body.endpoint == endpoint and step.when is None:
            waits = context.recorded[step.name].state is StepState.WAITING
            others = set(context.pipeline.needs(step.name)) - {deploy.name}
            if waits and all(context.recorded[one].state in SATISFYING for one in others):
                manifest = monitored(context.namespace, endpoint, step.body.monitoring())
                return (Apply(manifest, names.MANAGER_MONITOR),)
    return ()
