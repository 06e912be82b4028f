"""Monitor steps: compare how an endpoint is watched with how it should be. They have no Job and are never
reused.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from penstock_operator.core.actions import Apply
from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.observed import EndpointView, Ref
from penstock_operator.core.record import StepRecord
from penstock_operator.core.retry import refused
from penstock_operator.core.text import sentence
from penstock_operator.core.times import after
from penstock_operator.manifests.endpoints import monitored
from penstock_spec import names
from penstock_spec.kinds.monitor import Monitor
from penstock_spec.names import Reason
from penstock_spec.status import StepState


def monitors(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: sets the endpoint's spec.monitoring, then waits until its pods log by it."""
    body = context.pipeline.spec.step(record.name).body
    if not isinstance(body, Monitor):
        return None
    refusal = context.observed.refusals.get(body.endpoint)
    if refusal is not None:
        return refused(context, record, refusal)
    live = context.observed.endpoints.get(body.endpoint)
    if live is None:
        ref = Ref(names.MODEL_ENDPOINT, body.endpoint)
        if not context.is_live(ref):
            return Decision(record, confirm=(ref,))
        what = f"there is no ModelEndpoint {body.endpoint}"
        hint = f"deploy a model to it first; kubectl get me -n {context.namespace}"
        return Decision(_failed(context, record, Reason.ENDPOINT_NOT_FOUND, sentence(what, hint)))
    if record.state is StepState.WAITING:
        return _ask(context, record, body, live)
    return _wait(context, record, body, live)


def _ask(context: RunContext, record: StepRecord, body: Monitor, live: EndpointView) -> Decision:
    """The endpoint's spec first, where it differs; then the step counts as running."""
    begun = replace(
        record,
        state=StepState.RUNNING,
        reason=Reason.WATCHING,
        message=f"endpoint {body.endpoint} is to log and judge its traffic",
        started_at=context.stamp,
    )
    # Exactly: what stands beside it may be this step's own of an earlier run, and goes by applying.
    if live.monitoring == body.monitoring():
        # An own change of a moment ago is equal too, when it is looked at again.
        if live.monitored_at is not None and live.monitored_at >= context.observed.run.meta.created:
            return Decision(begun, look_again=context.now)
        already = f"endpoint {body.endpoint} is monitored like that already: nothing to do"
        return Decision(replace(begun, why=already), look_again=context.now)
    manifest = monitored(context.namespace, body.endpoint, body.monitoring())
    return Decision(begun, actions=(Apply(manifest, names.MANAGER_MONITOR),), look_again=context.now)


def _wait(context: RunContext, record: StepRecord, body: Monitor, live: EndpointView) -> Decision:
    """The endpoint has been asked: it logs, or cannot, or somebody has set it otherwise since."""
    command = f"kubectl describe me -n {context.namespace} {body.endpoint}"
    if not _holds(live.monitoring, body.monitoring()):
        ref = Ref(names.MODEL_ENDPOINT, body.endpoint)
        if not context.is_live(ref):
            return Decision(record, confirm=(ref,))
        what = f"spec.monitoring of endpoint {body.endpoint} was changed by somebody else meanwhile"
        return Decision(_failed(context, record, Reason.REPLACED, sentence(what, command)))
    if live.observed_generation != live.meta.generation:
        return Decision(record, look_again=after(context.now, context.settings.resync))
    if live.drifted_reason == Reason.MONITORING_UNSUPPORTED:
        what = sentence(f"endpoint {body.endpoint}: {live.drifted_message}", command)
        return Decision(_failed(context, record, Reason.MONITORING_UNSUPPORTED, what))
    if live.ready and not live.reconciling and live.watched_since:
        ended = replace(
            record,
            state=StepState.SUCCEEDED,
            reason=Reason.COMPLETED,
            message=f"endpoint {body.endpoint} is watched; kubectl get me -n {context.namespace}",
            finished_at=context.stamp,
        )
        return Decision(ended)
    if live.stalled_reason:
        what = sentence(f"endpoint {body.endpoint}: {live.stalled_message}", command)
        return Decision(_failed(context, record, live.stalled_reason, what))
    return Decision(record, look_again=after(context.now, context.settings.resync))


def _holds(live: Any, wanted: Any) -> bool:
    """Whether the live value is the wanted one, but for what others have set beside it."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            name in live and _holds(live[name], value) for name, value in wanted.items()
        )
    if isinstance(wanted, list) and wanted and isinstance(wanted[0], Mapping):
        # The one list of objects, `drift`, is a map by method to the API server.
        return isinstance(live, list) and all(any(_holds(one, item) for one in live) for item in wanted)
    return bool(live == wanted)


def _failed(context: RunContext, record: StepRecord, reason: str, message: str) -> StepRecord:
    return replace(
        record,
        state=StepState.FAILED,
        reason=str(reason),
        message=message,
        started_at=record.started_at or context.stamp,
        finished_at=context.stamp,
    )
