"""How a step says that it cannot go on: who is to blame, and words for the status."""

from collections.abc import Collection, Mapping, Sequence

from penstock_spec.names import FailureClass


class StepError(Exception):
    """The step ends here. `message` says what, where, what next, and holds no value of any row and no
    secret.
    """

    def __init__(
        self,
        failure_class: FailureClass,
        message: str,
        inputs: Sequence[str] = (),
        cells: Mapping[str, Collection[int]] | None = None,
    ) -> None:
        """Blame `failure_class`; it decides whether the operator tries again. `inputs` are those that are
        gone, `cells` of those that are gathered the ones that are.
        """
        super().__init__(message)
        self.failure_class = failure_class
        self.message = message
        self.inputs = tuple(inputs)
        self.cells = dict(cells or {})


def user_error(message: str) -> StepError:
    """The pipeline or its data must change before another try makes sense."""
    return StepError(FailureClass.USER_ERROR, message)


def invalid_result(message: str) -> StepError:
    """What a program left behind is not what its step promises."""
    return StepError(FailureClass.INVALID_RESULT, message)
