"""What every method answers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """How large a difference is, on the method's own scale, and the chance of a difference at least as large
    were both sides of one distribution. Both are finite for whatever rows.
    """

    value: float
    p: float


NOTHING = Measured(0.0, 1.0)
