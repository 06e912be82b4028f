"""What can be wrong with a user's pipeline, and how it is said: where, what, and what to do next.

    SpecError          raised with every problem found, never with only the first
      └─ Problem       one of them: path, reason, message, hint

Only a user's file raises SpecError. Anything else that escapes from this package is a bug of ours.
"""

import difflib
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from penstock_spec.paths import clip

# The Accepted condition carries all problems; the API bounds its message (status.ConditionStatus).
MESSAGE_LIMIT = 8192


class SpecReason(StrEnum):
    """Kinds of problems; a closed list, so that programs may act on them."""

    # the shape of the file
    UNKNOWN_FIELD = "UnknownField"
    MISSING_FIELD = "MissingField"
    WRONG_TYPE = "WrongType"
    INVALID_VALUE = "InvalidValue"
    OUT_OF_RANGE = "OutOfRange"
    TOO_LARGE = "TooLarge"
    TOO_FEW = "TooFew"
    CONFLICTING_FIELDS = "ConflictingFields"
    NULL_VALUE = "NullValue"
    BOOLEAN_KEY = "BooleanKey"
    DUPLICATE = "Duplicate"
    RESERVED_NAME = "ReservedName"
    # what refers to something
    UNKNOWN_STEP = "UnknownStep"
    UNKNOWN_OUTPUT = "UnknownOutput"
    UNKNOWN_RESULT = "UnknownResult"
    UNKNOWN_PARAMETER = "UnknownParameter"
    UNKNOWN_TRIGGER = "UnknownTrigger"
    UNKNOWN_SECRET = "UnknownSecret"  # noqa: S105 - a reason
    UNKNOWN_AXIS = "UnknownAxis"
    UNKNOWN_COLUMN = "UnknownColumn"
    UNKNOWN_ESTIMATOR = "UnknownEstimator"
    UNKNOWN_ZONE = "UnknownZone"
    TYPE_MISMATCH = "TypeMismatch"
    SELF_REFERENCE = "SelfReference"
    CYCLE = "Cycle"
    # what contradicts itself
    EMPTY_RANGE = "EmptyRange"
    UNREACHABLE_THRESHOLD = "UnreachableThreshold"
    FRACTIONS_DO_NOT_ADD_UP = "FractionsDoNotAddUp"
    METRIC_MISMATCH = "MetricMismatch"
    MISSING_TARGET = "MissingTarget"
    TEST_LEAKS_TRAINING = "TestLeaksTraining"
    UNORDERED_DEPLOYS = "UnorderedDeploys"
    # the values of one run
    MISSING_PARAMETER = "MissingParameter"


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong: `path` as a user would point at it (spec.steps[2].split.fractions.tset)."""

    path: str
    reason: SpecReason
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """One line: where, what, what to do next."""
        said = f"{self.path}: {self.message}"
        return f"{said}. {self.hint}" if self.hint else said


class SpecError(Exception):
    """A pipeline, or the parameters of a run, that cannot be executed as written. Carries every problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """`problems` must not be empty; they keep their order."""
        self.problems = tuple(problems)
        super().__init__(format_problems(self.problems))


def format_problems(problems: Sequence[Problem], limit: int = MESSAGE_LIMIT) -> str:
    """All problems as text of at most `limit` characters, one a line; says how many did not fit."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"{count}:" if len(problems) > 1 else ""]
    used = len(lines[0])
    reserve = 80  # for the closing line
    for position, problem in enumerate(problems):
        line = clip(f"{problem} [{problem.reason}]", 1024)
        last = position == len(problems) - 1
        if used + 1 + len(line) > limit - (0 if last else reserve):
            lines.append(f"... and {len(problems) - position} more; mend these and apply again to see them")
            break
        lines.append(line)
        used += 1 + len(line)
    return "\n".join(lines).strip()


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`Did you mean "..."?` with the nearest of `known`, else all of them when they are few, else nothing."""
    return _suggestion(word, frozenset(known) - {""})


@lru_cache(maxsize=4096)
def _suggestion(word: str, known: frozenset[str]) -> str:
    # Comparing in full takes long: only the few names that begin or end alike are, or a file full of mistakes
    # would keep the operator busy.
    alike = [one for one in sorted(known) if abs(len(one) - len(word)) <= max(3, len(word) // 2)]
    near = {one.lower(): one for one in heapq.nlargest(8, alike, key=lambda one: _closeness(word, one))}
    match = difflib.get_close_matches(word.lower()[:80], list(near), n=1, cutoff=0.6)
    return f'Did you mean "{near[match[0]]}"?' if match else one_of(known)


def _closeness(word: str, other: str) -> int:
    """How many letters agree at both ends, less the difference in length."""
    return _agreeing(word, other) + _agreeing(word[::-1], other[::-1]) - abs(len(word) - len(other))


def _agreeing(one: str, other: str) -> int:
    count = 0
    for mine, others in zip(one, other, strict=False):
        if mine != others:
            break
        count += 1
    return count


def one_of(known: Iterable[str]) -> str:
    """`Use one of a, b, c.` for a short list, nothing for an empty or long one."""
    names = sorted(known)
    return f"Use one of {', '.join(names)}." if 0 < len(names) <= 16 else ""
