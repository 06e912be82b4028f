"""How a run has gone, told to the steps that always run: the text of /penstock/run.json."""

from typing import Any

from penstock_operator.core.context import RunContext
from penstock_operator.core.record import StepRecord
from penstock_operator.core.run_status import summary_of
from penstock_operator.core.text import clip
from penstock_spec.plain import canonical
from penstock_spec.status import SATISFYING

_MESSAGE = 200  # with 256 steps it must fit a variable of the environment


def outcome_text(context: RunContext) -> str:
    """Outcome and steps as JSON. All but the steps that always run have ended, so it never changes."""
    run, pipeline = context.observed.run, context.pipeline
    others = [context.recorded[one.name] for one in pipeline.spec.steps if not pipeline.always(one.name)]
    summary = summary_of(others, context.namespace)
    return canonical(
        _without_blanks(
            {
                "namespace": context.namespace,
                "pipeline": run.pipeline,
                "run": run.meta.name,
                "trigger": run.started_by,
                "outcome": str(summary.status),
                "reason": summary.reason,
                "message": summary.message,
                "step": summary.step,
                "startedAt": run.status.get("startedAt", ""),
                "steps": [_step(one) for one in others],
            }
        )
    )


def _step(record: StepRecord) -> dict[str, Any]:
    return _without_blanks(
        {
            "name": record.name,
            "kind": record.kind,
            "state": str(record.state),
            "reason": record.reason,
            "message": "" if record.state in SATISFYING else clip(record.message, _MESSAGE),
            "startedAt": record.started_at,
            "finishedAt": record.finished_at,
        }
    )


def _without_blanks(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if value != ""}
