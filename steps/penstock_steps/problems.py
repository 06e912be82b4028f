"""What is wrong with a table, collected before anything is said: one entry per column and check, with its
count.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

# A status keeps 1,024 characters of a message.
_MESSAGE_LENGTH = 900
_NAME_LENGTH = 60


@dataclass(frozen=True)
class Problem:
    """One violated condition. A smaller `weight` stands first: what makes other findings meaningless."""

    weight: int
    words: str


def columns_problem(words: str) -> Problem:
    """The file does not have the columns that it must have."""
    return Problem(0, words)


def table_problem(words: str) -> Problem:
    """A check of the whole table failed."""
    return Problem(1, words)


def value_problem(name: str, count: int, first: int, words: str) -> Problem:
    """`count` cells of column `name` are what `words` say (`missing`, `below the minimum 2`), the first in
    row `first`, counted from 1 below the names.
    """
    cells = "1 value is" if count == 1 else f"{count:,} values are"
    where = f"row {first:,}" if count == 1 else f"the first in row {first:,}"
    return Problem(2, f"column {shown(name)}: {cells} {words} ({where})")


def shown(name: str) -> str:
    """A column's name in quotes, shortened."""
    return repr(name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…")


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """` (did you mean 'x'?)` for the nearest of `known`, else empty."""
    near = [one for one in known if one.strip().lower() == name.lower()]
    near = near or difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f" (did you mean {shown(near[0])}?)" if near else ""


def ordered(problems: Sequence[Problem]) -> list[str]:
    """The words of all problems, most important first."""
    return [one.words for one in sorted(problems, key=lambda one: one.weight)]


def summary(problems: Sequence[Problem], head: str) -> str:
    """One message with as many problems as fit in a status; the rest is counted and stands in the log."""
    words = ordered(problems)
    count = "1 problem" if len(words) == 1 else f"{len(words)} problems"
    text = f"{head}: {count}: "
    for index, one in enumerate(words):
        rest = len(words) - index
        addition = one if index == 0 else f"; {one}"
        if index > 0 and len(text) + len(addition) > _MESSAGE_LENGTH:
            return f"{text}; and {rest} more (see the log)"
        text += addition
    return text
