"""Text from programs and clusters, made fit for a status: no control characters, bounded, in one piece."""

import re

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
# The last ones turn the direction of what follows: a line could then read as another than it is.
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]|[\ud800-\udfff]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
MESSAGE_LENGTH = 1024  # of a sentence in a status


def clean(text: str) -> str:
    """The text without terminal escapes and control characters; line ends and tabs stay."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def one_line(text: str, length: int = MESSAGE_LENGTH) -> str:
    """The text on one line of at most `length` characters, cut with an ellipsis."""
    return clip(" ".join(clean(text).split()), length)


def clip(text: str, length: int) -> str:
    """At most `length` characters, ending in an ellipsis where something was cut."""
    if len(text) <= length:
        return text
    return text[: length - 1].rstrip() + "…" if length > 0 else ""


def tail(text: str, size: int) -> str:
    """The last lines of a program's output in at most `size` bytes; a first line that was cut is left out."""
    kept = clean(text).strip("\n")
    encoded = kept.encode()
    if len(encoded) <= size:
        return kept
    cut = encoded[-size:].decode(errors="ignore")
    head, found, rest = cut.partition("\n")
    return rest if found and rest else head


def last_line(text: str, length: int = 200) -> str:
    """The last line that says something, for a message."""
    lines = [line.strip() for line in clean(text).splitlines() if line.strip()]
    return clip(lines[-1], length) if lines else ""


def sentence(what: str, *following: str, length: int = MESSAGE_LENGTH) -> str:
    """`what; next; next`, with the last part (the command to try) kept whole when the first must be cut."""
    rest = "; ".join(part for part in following if part)
    if not rest:
        return one_line(what, length)
    room = length - len(rest) - 2
    return f"{one_line(what, max(room, 40))}; {rest}"[:length]
