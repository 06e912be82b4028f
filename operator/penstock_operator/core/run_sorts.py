"""Sorts of runs: which of them queue, and tell how a Pipeline is doing."""

from enum import Enum


class RunSort(Enum):
    """Sorts of runs."""

    ORDINARY = "ordinary"
    PLAN = "plan"  # says what would happen
    BACKFILL = "backfill"  # has others made
    PART = "part"  # one of these
    CHILD = "child"  # a step of another run
