"""How much of a run's status its steps and cells take when all has been given up that can be.

What decisions rest on is never given up: states, digests, outputs, results. A pipeline for which that could
not fit is refused when it is applied, not when its status is written.
"""

from collections.abc import Mapping, Sequence

from penstock_spec.references import StepFacts
from penstock_spec.values import ParameterType

STATUS_BYTES = 256 * 1024
_FIXED = 12 * 1024  # conditions, snapshot and the run's own words
_STEP = 420  # an entry without outputs and results
_GROUP = 1200  # more where it has cells: the words about them
_CELL = 74  # number, state and digest
_OUTPUT_OF_STEP, _OUTPUT_OF_CELL = 77, 46  # a digest; of a step with its name
_TEXT, _VALUE = 264, 26  # a result: a text of 256 characters, anything else
_AGE = 34  # when the result was made
# Model; model and verdict; revision; model and what was executed.
_OF_KIND: Mapping[str, int] = {"train": 64, "validate": 81, "ingest": 180, "pipeline": 124}


def status_bytes(steps: Sequence[StepFacts], counts: Mapping[str, int]) -> int:
    """Bytes of the status of a run with these steps and so many cells in each that has any."""
    return _FIXED + sum(
        _step_bytes(one) + (_GROUP + counts[one.name] * cell_bytes(one) if one.name in counts else 0)
        for one in steps
    )


def cell_bytes(step: StepFacts) -> int:
    """Bytes of one cell of the step that has ended well."""
    outputs = len(step.outputs or ()) * _OUTPUT_OF_CELL
    age = _AGE if "reuse" in step.data else 0
    return _CELL + outputs + _result_bytes(step) + _OF_KIND.get(step.kind, 0) + age


def _step_bytes(step: StepFacts) -> int:
    if step.gives_lists:
        return _STEP
    outputs = sum(len(name) + _OUTPUT_OF_STEP for name in step.outputs or ())
    return _STEP + outputs + _result_bytes(step)


def _result_bytes(step: StepFacts) -> int:
    text = ParameterType.STRING
    results = step.results or {}
    return sum(len(name) + 6 + (_TEXT if type_ == text else _VALUE) for name, type_ in results.items())
