"""The diagram of step states, drawn from the table: `python -m penstock_spec.states docs/`."""

import sys

from penstock_spec import generated
from penstock_spec.status import SATISFYING, TERMINAL, TRANSITIONS, StepState

NOTE = "<!-- Drawn from status.TRANSITIONS by `make generate`; changes here are overwritten. -->\n"
MEANINGS = {
    StepState.WAITING: "it needs steps that have not ended, or its first attempt has not been created",
    StepState.QUEUED: "it may run; the cluster has no room for it yet",
    StepState.STARTING: "its Job exists; the program does not run yet",
    StepState.RUNNING: "its program runs",
    StepState.RETRYING: "an attempt failed; the next one waits for its time",
    StepState.SUCCEEDED: "it ended well; it is made again only if what it had taken over is lost and needed",
    StepState.REUSED: "an earlier run's result holds; it is made again only if that is lost and needed",
    StepState.SKIPPED: "it was not meant to run this time",
    StepState.BLOCKED: "a step that it needs failed or is blocked",
    StepState.FAILED: "it ended badly, and no attempt is left",
    StepState.CANCELLED: "the run was stopped before it ended",
    StepState.PLANNED: "the run only says what would become of it",
}


def render() -> dict[str, str]:
    """File name -> text of the page."""
    lines = [NOTE, "# States of a step", "", "```mermaid", "stateDiagram-v2", "    [*] --> Waiting"]
    for state, following in TRANSITIONS.items():
        lines += [f"    {state} --> {after}" for after in StepState if after in following]
    lines += [f"    {state} --> [*]" for state in StepState if state in TERMINAL]
    lines += ["```", "", "| state | meaning | final | satisfies what needs it |", "|---|---|---|---|"]
    for state in StepState:
        final, satisfies = _yes(state in TERMINAL), _yes(state in SATISFYING)
        lines.append(f"| {state} | {MEANINGS[state]} | {final} | {satisfies} |")
    return {"engine-states.md": "\n".join(lines) + "\n"}


def _yes(holds: bool) -> str:  # noqa: FBT001 - a word for a truth value
    return "yes" if holds else ""


if __name__ == "__main__":
    sys.exit(generated.main(render, "the diagram of step states", NOTE, sys.argv[1:]))
