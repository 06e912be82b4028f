"""Time and chance enter here and nowhere else; decisions are given both as arguments."""

import random
from datetime import UTC, datetime


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place where the clock is read


def spread(low: float, high: float) -> float:
    """Any number between the two, so that things that began together do not go on together."""
    return random.uniform(low, high)  # noqa: S311 - spreads load, guards nothing
