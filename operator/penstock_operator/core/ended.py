"""Pods that have ended: what they made, or whose fault it is that they made nothing."""

import re

from penstock_operator.core.expectation import Expectation
from penstock_operator.core.findings import Done, Failed, Finding
from penstock_operator.core.observed import ContainerView, JobView, PodView
from penstock_operator.core.settings import Settings
from penstock_operator.core.text import last_line, one_line, sentence, tail
from penstock_spec import contract
from penstock_spec.contract import Failure, Result
from penstock_spec.names import FailureClass, Reason
from penstock_spec.plain import is_exact, is_finite
from penstock_spec.references import LIST
from penstock_spec.scalars import said
from penstock_spec.status import RESULT_LENGTH
from penstock_spec.values import ParameterType, is_of

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# Reasons of a container that never started its program. StartError comes with exit code 128.
_START_ERRORS = frozenset({"StartError", "ContainerCannotRun", "RunContainerError"})


def well(pod: PodView, expected: Expectation) -> Finding:
    """The finding for a pod of phase Succeeded: its result, if it is one."""
    teller = pod.container(expected.teller)
    try:
        told = contract.decode(teller.message if teller else "")
    except (ValueError, TypeError) as error:
        return _invalid(f"the pod succeeded but left no result: {error}", expected)
    if isinstance(told, Failure):
        return Failed(told.failure_class, sentence(told.message, expected.logs(expected.teller)))
    wrong = _wrong_outputs(told, expected) or _wrong_results(told, expected)
    if wrong:
        return _invalid(wrong, expected)
    return Done(told, _image(pod))


def _wrong_outputs(result: Result, expected: Expectation) -> str:
    """What is wrong with the outputs that the result names.

    Empty where they are those that the step declares.
    """
    if result.unchanged and not result.outputs:
        return ""
    missing = sorted(set(expected.outputs) - set(result.outputs) - expected.optional)
    if missing:
        return f"the result lacks the declared output {', '.join(missing)}"
    unknown = sorted(set(result.outputs) - set(expected.outputs))
    if unknown:
        return f"the result names {', '.join(unknown)}, which the step does not declare"
    lists = [name for name, type_ in expected.outputs.items() if type_ == LIST and name in result.outputs]
    uncounted = sorted(name for name in lists if not _is_count(result.counts.get(name)))
    if uncounted:
        return f"the result does not say how many items the list {', '.join(uncounted)} has"
    odd = sorted(name for name, digest in result.outputs.items() if not _DIGEST.fullmatch(str(digest)))
    return f"the digest of output {', '.join(odd)} is none" if odd else ""


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= contract.MOST_ITEMS


def _wrong_results(result: Result, expected: Expectation) -> str:
    """What is wrong with the small values. Those that the step does not declare are nobody's business."""
    for name, type_ in expected.results.items():
        if name not in result.results:
            return f"{contract.RESULTS_FILE} lacks the declared result {name}"
        value = result.results[name]
        if not is_of(ParameterType(type_), value):
            return f"the result {name} in {contract.RESULTS_FILE} is {said(value)}, not of type {type_}"
        if isinstance(value, str) and len(value) > RESULT_LENGTH:
            return f"the result {name} has {len(value)} characters, more than {RESULT_LENGTH}"
        if isinstance(value, int | float) and not is_finite(value):
            return f"the result {name} is not a finite number"
        if type_ == ParameterType.INTEGER and not is_exact(value):
            return f"the result {name} does not fit 64 bits, so it would be rounded; declare it as String"
    return ""


def _invalid(what: str, expected: Expectation) -> Failed:
    return Failed(FailureClass.INVALID_RESULT, sentence(what, expected.logs(expected.teller)))


def badly(job: JobView, pod: PodView, expected: Expectation, settings: Settings) -> Failed:
    """The finding for a pod of phase Failed: the first rule that knows the cause."""
    for rule in (_out_of_memory, _disrupted, _out_of_disk, _out_of_time, _not_started, _ours, _users):
        found = rule(job, pod, expected, settings)
        if found is not None:
            return found
    words = one_line(pod.message or pod.reason or "no container says why", 300)
    return Failed(FailureClass.DISRUPTION, f"its pod failed from outside: {words}")


def _out_of_memory(_: JobView, pod: PodView, expected: Expectation, settings: Settings) -> Failed | None:
    """By the kernel's word, whatever the exit code.

    The parent of a killed child ends with a code of its own.
    """
    killed = next((one for one in pod.containers if one.terminated_reason == "OOMKilled"), None)
    if killed is None:
        return None
    limit = f" of {expected.memory}" if expected.memory and killed.name == contract.MAIN else ""
    what = f"{killed.name} needed more than its memory limit{limit} and was ended by the kernel"
    log = _log(killed, expected, settings)
    hint = "give the step more with resources.memory" if limit else ""
    return Failed(FailureClass.OUT_OF_MEMORY, what, log=log, image=_image(pod), hint=hint)


def _disrupted(job: JobView, pod: PodView, _: Expectation, __: Settings) -> Failed | None:
    if pod.disrupted:
        words = one_line(pod.message, 300)
        what = f"its pod was taken away ({pod.disrupted})"
        return Failed(FailureClass.DISRUPTION, f"{what}: {words}" if words else what)
    if pod.meta.deleting or job.meta.deleting:
        return Failed(FailureClass.DISRUPTION, "its pod was deleted while it ran")
    return None


def _out_of_disk(_: JobView, pod: PodView, expected: Expectation, __: Settings) -> Failed | None:
    """Eviction for a limit of the pod's own, not for the node's need."""
    if pod.reason != "Evicted":
        return None
    words = one_line(pod.message, 400)
    if "ephemeral" not in words.lower() and "emptydir" not in words.lower():
        return None
    hint = "write less to /tmp and /penstock, or raise resources.scratch of the step"
    return Failed(FailureClass.OUT_OF_DISK, sentence(words, hint, expected.describe()), reason=Reason.EVICTED)


def _out_of_time(_: JobView, pod: PodView, expected: Expectation, __: Settings) -> Failed | None:
    """Ended by the kubelet at the pod's own deadline."""
    if pod.reason != "DeadlineExceeded":
        return None
    what = f"it took longer than its deadline{f' of {expected.deadline}' if expected.deadline else ''}"
    return Failed(FailureClass.DEADLINE, sentence(what, expected.logs()), reason=Reason.DEADLINE_EXCEEDED)


def _not_started(_: JobView, pod: PodView, expected: Expectation, __: Settings) -> Failed | None:
    broken = next((one for one in pod.containers if one.terminated_reason in _START_ERRORS), None)
    if broken is None:
        return None
    what = f"{broken.name} could not be started: {one_line(broken.message, 500)}"
    hint = (
        "check command and image"
        if not expected.is_ours(broken.name)
        else "check the image of Penstock's steps"
    )
    return Failed(
        FailureClass.INVALID_CONTAINER, sentence(what, hint, expected.describe()), image=_image(pod)
    )


def _culprit(pod: PodView) -> ContainerView | None:
    """The container that failed first, in the order in which they run."""
    return next((one for one in pod.containers if one.exit_code not in (None, 0)), None)


def _ours(_: JobView, pod: PodView, expected: Expectation, settings: Settings) -> Failed | None:
    culprit = _culprit(pod)
    if culprit is None or not expected.is_ours(culprit.name):
        return None
    logs = expected.logs(culprit.name)
    try:
        told = contract.decode(culprit.message)
    except (ValueError, TypeError):
        told = None
    if isinstance(told, Failure):
        words = sentence(told.message, logs)
        return Failed(told.failure_class, words, image=_image(pod), inputs=told.inputs, cells=told.cells)
    what = f"{culprit.name} ended with exit code {culprit.exit_code} without saying why"
    line = last_line(culprit.message)
    log = tail(culprit.message, settings.log_bytes)
    return Failed(
        FailureClass.INVALID_RESULT,
        sentence(f"{what}: {line}" if line else what, logs),
        log=log,
        image=_image(pod),
    )


def _users(_: JobView, pod: PodView, expected: Expectation, settings: Settings) -> Failed | None:
    culprit = _culprit(pod)
    if culprit is None:
        return None
    return Failed(
        FailureClass.USER_ERROR,
        sentence(f"the program ended with exit code {culprit.exit_code}", expected.logs()),
        log=_log(culprit, expected, settings),
        image=_image(pod),
    )


def _log(container: ContainerView, expected: Expectation, settings: Settings) -> str:
    """The last lines of a program; of ours only where they are no message of the contract."""
    if expected.is_ours(container.name):
        return ""
    return tail(container.message, settings.log_bytes)


def _image(pod: PodView) -> str:
    main = pod.container(contract.MAIN)
    return main.image[:512] if main else ""


def store_reason(words: str, expected: Expectation) -> str:
    """The precise reason for a Secret or ConfigMap that is missing, or lacks a key.

    Empty for one of the user's.
    """
    if f'"{expected.store_secret}"' in words or f"/{expected.store_secret}" in words:
        return Reason.STORE_NOT_CONFIGURED
    if expected.connection and (
        f'"{expected.connection}"' in words or words.rstrip().endswith(f"/{expected.connection}")
    ):
        return Reason.CONNECTION_NOT_FOUND
    return ""
