"""monitor: judges one window of an endpoint's prediction log against the profile of the model that served.

A window that cannot be judged, for want of rows, of a profile or of a sound log, is a result too: Unknown.
Only a store that cannot be reached fails this program.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from penstock_artifacts.errors import StoreError
from penstock_artifacts.prediction_log import PredictionLog
from penstock_artifacts.signature import Signature, SignatureError
from penstock_artifacts.store import Store
from penstock_spec.contract import MODEL_PROFILE, MODEL_SIGNATURE, Result, Task
from penstock_spec.names import Reason
from penstock_steps import window_report
from penstock_steps.drift.judge import judge
from penstock_steps.drift.reference import ColumnReference, NoProfile, references
from penstock_steps.errors import invalid_result
from penstock_steps.window import Judged, Outcome, Window, WindowVerdict
from penstock_steps.window_log import LogCorrupt, read_window
from penstock_steps.window_result import decided, result, too_few
from penstock_steps.workspace import Workspace, say


def run(task: Task, workspace: Workspace, store: Store) -> Result:
    """Read the input `model` and the log, and write the output `report`."""
    window = Window.from_arguments(task.arguments)
    log = store.prediction_log(window.endpoint)
    judged = _judged(window, log, workspace.input("model"))
    judged = replace(judged, expired=_expire(log, window))
    window_report.write(workspace.output("report"), task, judged)
    say(f"verdict {judged.outcome.verdict}")
    return result(judged)


def _judged(window: Window, log: PredictionLog, model: Path) -> Judged:
    signature = _signature(window, model)
    unknown = sorted(window.redact - signature.known)
    if unknown:
        outcome = Outcome(WindowVerdict.UNKNOWN, Reason.UNKNOWN_COLUMN, _unknown(unknown, signature.names))
        return Judged(window, outcome, None)
    try:
        columns = _columns(window, model, signature)
        reading, observed = read_window(log, window, columns)
    except NoProfile as error:
        return Judged(window, Outcome(WindowVerdict.UNKNOWN, Reason.NO_PROFILE, str(error)), None)
    except LogCorrupt as error:
        return Judged(window, Outcome(WindowVerdict.UNKNOWN, Reason.LOG_CORRUPT, str(error)), None)
    if reading.rows < window.minimum_samples:
        return Judged(window, too_few(window, reading), reading)
    findings = judge(columns, observed, window.limits)
    return Judged(window, decided(findings, reading), reading, findings)


def _signature(window: Window, model: Path) -> Signature:
    try:
        return Signature.load(model / MODEL_SIGNATURE)
    except SignatureError as error:
        raise invalid_result(f"the model of {window.version} cannot be read: {error}") from error


def _unknown(unknown: Sequence[str], known: Sequence[str]) -> str:
    """The server keeps no rows while a name to redact is none of the model's (fail closed)."""
    name = unknown[0]
    more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f'; did you mean "{_short(near[0])}"?' if near else f"; it takes {_listed(known)}."
    return (
        f'spec.monitoring.predictionLog.redact names "{_short(name)}"{more}, which the model does not take'
        f"{hint} Nothing is logged until it is mended"
    )


def _listed(names: Sequence[str]) -> str:
    listed = ", ".join(f'"{_short(one)}"' for one in names[:3])
    return f"{listed} and {len(names) - 3} more" if len(names) > 3 else listed


def _short(name: str) -> str:
    return name if len(name) <= 40 else name[:39] + "…"


def _columns(window: Window, model: Path, signature: Signature) -> Mapping[str, ColumnReference]:
    """The references of the model's inputs that are not redacted. NoProfile."""
    try:
        profile = json.loads((model / MODEL_PROFILE).read_bytes())
    except (OSError, ValueError):
        profile = None
    try:
        return references(profile, [name for name in signature.names if name not in window.redact])
    except NoProfile as error:
        raise NoProfile(f"{error}: train {signature.model} again with this release, and deploy it") from None


def _expire(log: PredictionLog, window: Window) -> int | None:
    """Delete the days of the log that need not be kept. That it fails is told, and left to a later window."""
    try:
        return log.expire(window.keeps_from)
    except StoreError as error:
        say(f"old days of the log could not be deleted: {error}")
        return None
