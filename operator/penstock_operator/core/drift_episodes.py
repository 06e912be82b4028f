"""From windows to an answer: the data has drifted when a column did so in k of the last n judged windows.

One window's verdict may be chance; the promise is about episodes, and two of three windows agree by chance
far less often than one is wrong. Once there is an episode, what drifted in the newest window is named with
it: its verdicts hold together at the level of significance, and the columns of one cause seldom all reach k
in the same window.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock_operator.core.windows import UNKNOWN
from penstock_spec.monitoring import DriftWindows

Window = Mapping[str, Any]  # an entry of status.monitoring.windows


@dataclass(frozen=True)
class Answer:
    """What the windows of one version say together. `drifted` is None while they say nothing."""

    drifted: bool | None
    newest: Window | None = None  # the newest of that version, judged or not
    columns: Sequence[str] = ()  # the drifted ones, the worst of the newest window first
    suspects: Sequence[str] = ()  # drifted in some window, but in too few
    judged: int = 0  # windows that were counted
    times: int = 0  # in so many of them the most frequent column has drifted
    unnamed: bool = False  # a counted window has more drifted columns than it names


def of_version(windows: Sequence[Window], version: str) -> Sequence[Window]:
    """The newest windows in a row that judged this version: another version in between begins a new count."""
    count = 0
    for one in reversed(windows):
        if one.get("version") != version:
            break
        count += 1
    return windows[len(windows) - count :]


def judged(windows: Sequence[Window]) -> Sequence[Window]:
    """Those that have a verdict."""
    return [one for one in windows if one["verdict"] != UNKNOWN]


def answer(windows: Sequence[Window], version: str, rule: DriftWindows) -> Answer:
    """The answer for the version that serves. Unknown where the newest window of it is, or there is none."""
    own = of_version(windows, version)
    if not own:
        return Answer(None)
    counted = judged(own)[-rule.of :]
    if own[-1]["verdict"] == UNKNOWN:
        return Answer(None, newest=own[-1], judged=len(counted))
    seen: dict[str, int] = {}
    for one in reversed(counted):
        for name in one.get("drifted", ()):
            seen[name] = seen.get(name, 0) + 1
    confirmed = {name for name, times in seen.items() if times >= rule.drifted}
    newest = set(own[-1].get("drifted", ()))
    columns = [name for name in seen if confirmed and name in confirmed | newest]
    return Answer(
        drifted=bool(columns),
        newest=own[-1],
        columns=columns,
        suspects=[name for name in seen if name not in columns],
        judged=len(counted),
        times=max(seen.values(), default=0),
        unnamed=any(one.get("driftedCount", 0) > len(one.get("drifted", ())) for one in counted),
    )
