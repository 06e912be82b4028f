"""Deploys: a step that compares what an endpoint serves with what it should serve. It has no Job and is
never reused.
"""

from dataclasses import replace

from penstock_operator.core.actions import Apply
from penstock_operator.core.context import Decision, RunContext
from penstock_operator.core.deploy_fields import asked_fields, differs, left_to_others
from penstock_operator.core.observed import EndpointView, Ref, VersionView
from penstock_operator.core.record import StepRecord
from penstock_operator.core.registered import unfit, version_read
from penstock_operator.core.retry import refused
from penstock_operator.core.text import one_line, sentence
from penstock_operator.core.times import after
from penstock_operator.core.watched_first import watched_first
from penstock_operator.manifests.endpoints import Wish, endpoint
from penstock_spec import names
from penstock_spec.kinds.deploy import Deploy
from penstock_spec.model_version import Lifecycle
from penstock_spec.names import FailureClass, Reason
from penstock_spec.status import StepState

_OTHER_BYTES = frozenset((Reason.MODEL_VERSION_NOT_FOUND, Reason.DIGEST_MISMATCH))


def deploys(context: RunContext, record: StepRecord) -> Decision | None:
    """Rule: asks the endpoint for the version, then waits until exactly that version serves."""
    body = context.pipeline.spec.step(record.name).body
    if not isinstance(body, Deploy):
        return None
    version = version_read(context, record)
    if version is None:
        what = "the model to deploy is not in the registry; somebody deleted its ModelVersion"
        return Decision(_failed(context, record, Reason.MODEL_VERSION_NOT_FOUND, what))
    refusal = context.observed.refusals.get(body.endpoint)
    if refusal is not None:
        return refused(context, record, refusal)
    live = context.observed.endpoints.get(body.endpoint)
    if live is not None and live.pinned is not None:
        return _pinned(context, record, body, live)
    if record.state is StepState.WAITING:
        words = unfit(context, record.name, version)
        if words:
            return _unfit(context, record, version, words)
        return _ask(context, record, body, version, live)
    return _wait(context, record, body, version, live)


def _unfit(context: RunContext, record: StepRecord, version: VersionView, words: str) -> Decision:
    """The version's standing is read live first: a gate may have spoken just now."""
    ref = Ref(names.MODEL_VERSION, version.meta.name)
    if not context.is_live(ref):
        return Decision(record, confirm=(ref,))
    return Decision(_failed(context, record, Reason.MODEL_NOT_APPROVED, words))


def _ask(
    context: RunContext, record: StepRecord, body: Deploy, version: VersionView, live: EndpointView | None
) -> Decision:
    """The endpoint's spec first, where it differs; then the step counts as running."""
    begun = replace(
        record,
        state=StepState.RUNNING,
        reason=Reason.DEPLOYING,
        message=f"endpoint {body.endpoint} is to serve {version.meta.name}",
        model_version=version.meta.name,
        started_at=context.stamp,
    )
    fields, asked_by = asked_fields(body, live), _words(context, record)
    left = left_to_others(body, live)
    # A version that came too late is tried again, once: the words of another run are another request. Not one
    # that serves, though other settings of its server were refused.
    late = live is not None and live.refused and not serves(live)
    if live is not None and _asked(live, version) and (not late or live.asked_by == asked_by):
        if not differs(fields, live):
            # Where this very step has asked, and that was never written down, it was not there already.
            already = serves(live) and live.asked_by != asked_by
            words = f"endpoint {body.endpoint} already serves it: nothing to do" if already else left
            return Decision(replace(begun, why=one_line(words, 256)), look_again=context.now)
        asked_by = live.asked_by or asked_by  # its scale changes, not who asked for the version
    wish = Wish(version.meta.name, version.digest, asked_by, fields)
    first = watched_first(context, record, body.endpoint) if live is None else ()
    manifest = endpoint(context.namespace, body.endpoint, wish, monitoring_follows=bool(first))
    begun = replace(begun, why=one_line(left, 256))
    return Decision(begun, actions=(Apply(manifest, names.MANAGER_DEPLOY), *first), look_again=context.now)


def _words(context: RunContext, record: StepRecord) -> str:
    """Who asks, for the endpoint's history."""
    return f"run {context.observed.run.meta.name}, step {record.name}"


def _pinned(context: RunContext, record: StepRecord, body: Deploy, live: EndpointView) -> Decision:
    """Somebody has rolled the endpoint back: no step may undo that."""
    ref = Ref(names.MODEL_ENDPOINT, body.endpoint)
    if not context.is_live(ref):
        return Decision(record, confirm=(ref,))
    patch = """'[{"op": "remove", "path": "/spec/rollbackTo"}]'"""
    command = f"kubectl patch me -n {context.namespace} {body.endpoint} --type=json -p {patch}"
    what = f"endpoint {body.endpoint} is pinned to revision {live.pinned} by spec.rollbackTo"
    way_out = f"to let it go: {command}"
    return Decision(_failed(context, record, Reason.ENDPOINT_PINNED, sentence(what, way_out)))


def _wait(
    context: RunContext, record: StepRecord, body: Deploy, version: VersionView, live: EndpointView | None
) -> Decision:
    """The endpoint has been asked: it serves, or cannot, or somebody else has asked for another version
    since.
    """
    if live is None or not _asked(live, version):
        ref = Ref(names.MODEL_ENDPOINT, body.endpoint)
        if not context.is_live(ref):
            return Decision(record, confirm=(ref,))
        other = f"now asks for {live.version}" if live is not None else "was deleted"
        return Decision(_failed(context, record, Reason.REPLACED, f"endpoint {body.endpoint} {other}"))
    if serves(live):
        ended = replace(
            record,
            state=StepState.SUCCEEDED,
            reason=Reason.COMPLETED,
            message=f"endpoint {body.endpoint} serves {version.meta.name}",
            finished_at=context.stamp,
        )
        return Decision(ended)
    # A version that was refused when its endpoint was last looked at may have been approved since.
    outdated = live.stalled_reason == Reason.MODEL_NOT_APPROVED and version.lifecycle != Lifecycle.REJECTED
    if live.stalled_reason and live.observed_generation == live.meta.generation and not outdated:
        command = f"kubectl describe me -n {context.namespace} {body.endpoint}"
        what = sentence(f"endpoint {body.endpoint}: {live.stalled_message}", command)
        return Decision(_failed(context, record, live.stalled_reason, what))
    return Decision(record, look_again=after(context.now, context.settings.resync))


def _asked(live: EndpointView, version: VersionView) -> bool:
    return live.version == version.meta.name and live.digest == version.digest


def serves(live: EndpointView) -> bool:
    """Whether the endpoint serves what its spec asks for, and says so of this very spec."""
    return (
        live.ready
        and live.observed_generation == live.meta.generation
        and live.stable == live.version
        and live.stable_digest == live.digest
    )


def _failed(context: RunContext, record: StepRecord, reason: str, message: str) -> StepRecord:
    blamed = FailureClass.INVALID_RESULT if reason in _OTHER_BYTES else ""
    return replace(
        record,
        state=StepState.FAILED,
        reason=str(reason),
        failure_class=str(blamed),
        message=message,
        started_at=record.started_at or context.stamp,
        finished_at=context.stamp,
    )
