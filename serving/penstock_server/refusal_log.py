"""Why requests are refused, in the log: a line per reason and minute, and no word that a request brought."""

import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from penstock_artifacts.columns import quoted
from penstock_server import logs
from penstock_server.refusals import Refusal

_SECONDS = 60.0  # between two lines of one reason
_REASONS = 64  # remembered; a sender of ever new ones gets no line for each
_REST = "further reasons"
# What `quoted` writes. An apostrophe within a word opens nothing.
_QUOTED = re.compile(r"""(?<!\w)(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")""", re.DOTALL)
# The protocol's own fields, as messages name them.
_FIELDS = frozenset(
    f'"{one}"'
    for one in (
        "binary_data_size",
        "data",
        "datatype",
        "id",
        "inputs",
        "name",
        "nulls",
        "outputs",
        "parameters",
        "shape",
    )
)
_OPEN = re.compile(r"""(?<!\w)['"]""")
_HOLE = "\x00"  # control characters are escaped in messages
_DIGITS = re.compile(r"\d+")


@dataclass
class _Told:
    at: float
    more: int = 0  # times since then


@dataclass
class RefusalLog:
    """Of one process. `known`: names that may stand in the log, for the model has them too."""

    known: Collection[str] = ()
    clock: Callable[[], float] = time.monotonic
    _told: dict[str, _Told] = field(default_factory=dict)

    def tell(self, protocol: str, refusal: Refusal) -> None:
        """A request was refused: write the reason, unless it was written less than a minute ago."""
        reason = masked(refusal.message, self.known)
        key = _DIGITS.sub("0", reason)  # of each row, the same reason
        if key not in self._told and len(self._told) >= _REASONS:
            key = reason = _REST
        now, before = self.clock(), self._told.get(key)
        if before is not None and now - before.at < _SECONDS:
            before.more += 1
            return
        self._told[key] = _Told(now)
        more = before.more if before is not None else 0
        logs.event("refused", protocol=protocol, code=refusal.blame.status, reason=reason, more=more)


def masked(message: str, known: Collection[str]) -> str:
    """The message with every quoted word that is not one of `known` left out."""
    own = _FIELDS | {quoted(one) for one in known}
    # A quote that nothing closes: what follows might be a sender's.
    clear = _OPEN.split(_QUOTED.sub(_HOLE, message), maxsplit=1)
    found = iter(_QUOTED.findall(message))
    shown = re.sub(_HOLE, lambda _: one if (one := next(found, "")) in own else "'…'", clear[0])
    return shown + "…" if len(clear) > 1 else shown
