"""Where predictions are told to the prediction log. Without one they are told to nobody."""

from collections.abc import Mapping
from typing import Protocol

from penstock_artifacts.columns import Cells
from penstock_artifacts.model import Prediction
from penstock_artifacts.signature import Signature


class Log(Protocol):
    """What the server asks of a prediction log. One object per worker process."""

    def start(self, signature: Signature) -> None:
        """The model is loaded: called once, before the first `add`, in a thread."""

    def add(self, columns: Mapping[str, Cells], prediction: Prediction, request_id: str, rows: int) -> None:
        """Take note of an answered request. It never waits and never raises.

        Called on the event loop or in a thread. A column is a list (None is a missing cell) or an array
        (NaN is one); nobody changes either afterwards. `request_id` is never empty.
        """

    def close(self) -> None:
        """The last request is answered: write what is left, within a second or two."""


class NoLog:
    """Keeps nothing."""

    def start(self, signature: Signature) -> None:
        """Nothing to prepare."""

    def add(self, columns: Mapping[str, Cells], prediction: Prediction, request_id: str, rows: int) -> None:
        """Nothing to note."""

    def close(self) -> None:
        """Nothing to write."""
