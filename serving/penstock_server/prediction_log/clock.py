"""Where the prediction log reads the clock; decisions are given the time as an argument."""

import time


def milliseconds() -> int:
    """Now, since the epoch."""
    return time.time_ns() // 1_000_000
