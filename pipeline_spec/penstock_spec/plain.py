"""JSON as it comes from anywhere, brought into one form: bounded, and with canonical numbers.

1, 1.0 and 1e0 are the same number, and become the integer 1: the API server, kubectl and YAML readers each
write them in their own way, and a digest must not see the difference. What a container gets is this same
form.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from penstock_spec.errors import Problem, SpecError, SpecReason
from penstock_spec.paths import Path, clip, show

MAX_DEPTH = 40
MAX_BYTES = (
    128 * 1024
)  # of a spec as canonical JSON: it must fit a ControllerRevision and its status beside it
_INT64 = 2**63


def canonical(data: Any) -> str:
    """The one text of a JSON value.

    Sorted keys, no blanks, Unicode as it is. `data` must be plain (see `plain`).
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_text(text: str) -> str:
    """`sha256:<hex>` of a text."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def plain(data: Any, root: Path = ("spec",), limit: int = MAX_BYTES) -> Any:
    """A copy of any JSON value in canonical form.

    SpecError where it is too deep, too large, or no JSON at all.
    """
    reader = _Reader(limit)
    copy = reader.read(data, root)
    if reader.problems:
        raise SpecError(reader.problems)
    return copy


class _Reader:
    """One pass over foreign data that stops early: neither depth nor size of what it reads can harm."""

    def __init__(self, limit: int) -> None:
        self.problems: list[Problem] = []
        self._limit = limit
        self._used = 0

    def read(self, data: Any, path: Path) -> Any:
        """A plain copy; None in place of what is refused."""
        if self._used > self._limit:
            return None
        if len(path) > MAX_DEPTH:
            return self._refuse(
                path[:8], SpecReason.TOO_LARGE, f"is nested deeper than {MAX_DEPTH} levels", "Flatten it."
            )
        if isinstance(data, Mapping):
            return self._read_map(data, path)
        if isinstance(data, list | tuple):
            self._count(2 + len(data), path)
            return [
                self.read(one, (*path, index)) for index, one in enumerate(data) if self._used <= self._limit
            ]
        return self._read_scalar(data, path)

    def _read_map(self, data: Mapping[Any, Any], path: Path) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        for key, value in data.items():
            if self._used > self._limit:
                break
            name = key if isinstance(key, str) else _key_text(key)
            if _encodable(name):
                self._count(3 + len(name.encode()), path)
                copy[name] = self.read(value, (*path, name))
            else:
                self._refuse(
                    path,
                    SpecReason.INVALID_VALUE,
                    "has a key that is not valid Unicode",
                    "Write it in UTF-8.",
                )
        return copy

    def _read_scalar(self, data: Any, path: Path) -> Any:
        if isinstance(data, str):
            if not _encodable(data):
                return self._refuse(
                    path, SpecReason.INVALID_VALUE, "is not valid Unicode", "Write it in UTF-8."
                )
            self._count(2 + len(data.encode()), path)
            return data
        self._count(4, path)
        if data is None or isinstance(data, bool):
            return data
        if isinstance(data, int | float):
            number = _number(data)
            if number is None:
                return self._refuse(
                    path, SpecReason.INVALID_VALUE, "is not a finite number", "Use a finite number."
                )
            return number
        kind = type(data).__name__
        return self._refuse(
            path, SpecReason.WRONG_TYPE, f"is a {kind}, which JSON does not have", "Put it in quotes."
        )

    def _count(self, size: int, path: Path) -> None:
        before, self._used = self._used, self._used + size
        if before <= self._limit < self._used:
            self._refuse(
                path[:1],
                SpecReason.TOO_LARGE,
                f"is larger than {self._limit // 1024} KiB",
                "Move large values into files that steps read, or split the pipeline.",
            )

    def _refuse(self, path: Path, reason: SpecReason, message: str, hint: str) -> None:
        self.problems.append(Problem(show(path), reason, message, hint))


def is_exact(value: int) -> bool:
    """Whether a whole number keeps its value in canonical form: a larger one becomes a rounded float."""
    return -_INT64 <= value < _INT64


def is_finite(value: float) -> bool:
    """Whether a number has a canonical form. A whole number may be too large for any float."""
    return _number(value) is not None


def _number(value: float) -> int | float | None:
    """The canonical number, or None where it is none.

    Whole numbers of 64 bits are integers, all others floats.
    """
    if isinstance(value, int):
        if is_exact(value):
            return value
        try:
            return float(value)
        except OverflowError:
            return None
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and -_INT64 <= value < _INT64 else value


def _key_text(key: Any) -> str:
    """The key as JSON would have it; YAML also knows booleans, numbers and null as keys."""
    if isinstance(key, bool) or key is None:
        return json.dumps(key)
    if isinstance(key, int) and not -_INT64 <= key < _INT64:
        return "number"  # Python refuses to write very long ones
    return clip(str(key), 80)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
