"""Places in a user's file, written as the user would write them: spec.steps[2].train.seed."""

import json
import re

Path = tuple[str | int, ...]
_PLAIN = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]*$")


def show(path: Path) -> str:
    """The path as text; a key that is no plain word stands in brackets and quotes."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN.match(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(clip(part, 80))}]"
    return text


def clip(text: str, length: int) -> str:
    """At most `length` characters of text, ending in an ellipsis where something was cut."""
    return text if len(text) <= length else text[: length - 1] + "…"
