"""How a step says that it cannot go on: who is to blame, and words for the status."""

from collections.abc import Sequence

from penstock_spec.names import FailureClass


class StepError(Exception):
    """The step ends here. `message` says what, where, what next, and holds no value of any row and no
    secret.
    """

    def __init__(self, failure_class: FailureClass, message: str, inputs: Sequence[str] = ()) -> None:
        """Blame `failure_class`; it decides whether the operator tries again. `inputs` are those that are
        gone.
        """
        super().__init__(message)
        self.failure_class = failure_class
        self.message = message
        self.inputs = tuple(inputs)


def user_error(message: str) -> StepError:
    """The pipeline or its data must change before another try makes sense."""
    return StepError(FailureClass.USER_ERROR, message)


def invalid_result(message: str) -> StepError:
    """What a program left behind is not what its step promises."""
    return StepError(FailureClass.INVALID_RESULT, message)
