"""The text of what is sent: JSON exactly as the API server writes it itself.

It keeps the data of a ControllerRevision as the bytes that came, and writes them anew whenever somebody
patches anything of the object. If these are other bytes the data counts as changed, which is forbidden: a
label is refused, and `kubectl delete --cascade=orphan` of its owner waits for ever.
"""

import json
import re
from decimal import Decimal
from typing import Any

# Go escapes these in texts, so that JSON may stand in HTML and JavaScript.
_ESCAPED = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}
# A text, which is passed over, or a number with an exponent.
_EXPONENTS = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9.]+e[-+][0-9]+')


def encoded(body: Any) -> bytes:
    """Sorted names, no blanks, Unicode as it is; numbers and texts in the spelling of Go's encoding/json."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return _EXPONENTS.sub(_spelled, text).translate(_ESCAPED).encode()


def _spelled(found: re.Match[str]) -> str:
    word = found.group()
    if word.startswith('"'):
        return word
    if 1e-6 <= abs(float(word)) < 1e21:
        return f"{Decimal(word):f}"
    return word.replace("e-0", "e-")
