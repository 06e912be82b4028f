"""What can be found about one attempt.

It goes on, it has ended well, or it has failed and somebody is to blame.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from penstock_spec.contract import Result
from penstock_spec.names import FailureClass
from penstock_spec.status import StepState


@dataclass(frozen=True)
class Underway:
    """The attempt goes on."""

    state: StepState  # Queued, Starting or Running
    reason: str
    message: str = ""
    look_again: datetime | None = None  # when a grace time ends
    inquire: bool = False  # its Events may say more


@dataclass(frozen=True)
class Done:
    """The pod succeeded and told what it made."""

    result: Result
    image: str  # of the program, as pulled


@dataclass(frozen=True)
class Failed:
    """The attempt failed."""

    failure_class: FailureClass
    message: str
    reason: str = ""  # more precise than the class, where something more precise is known
    log: str = ""  # last lines of the program
    image: str = ""
    inquire: bool = False  # its Events may say why
    inputs: Sequence[str] = ()  # of InputMissing: those that are gone
    cells: Mapping[str, Collection[int]] = field(default_factory=dict)  # and which cells' of them, where told
    hint: str = ""  # what to do where it is not tried again

    @property
    def shown_reason(self) -> str:
        """The reason for the status."""
        return self.reason or str(self.failure_class)


Finding = Underway | Done | Failed
