"""The history of an endpoint: one entry for each time during which it served one model. Append-only.

By which settings it was served is no part of it: a revision is a model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock_operator.core.observed_endpoint import Unit
from penstock_operator.core.serving import Scene
from penstock_operator.core.target import Target
from penstock_operator.core.times import read, stamp
from penstock_spec.endpoint_status import HISTORY_LENGTH
from penstock_spec.names import Reason

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class History:
    """The entries as they should be, newest last; `began` is the one that is new in this pass."""

    entries: Sequence[Entry]
    revision: int  # of the newest entry; 0 before the first
    began: Entry | None = None

    @property
    def since(self) -> datetime | None:
        """When what serves took over."""
        return read(self.entries[-1]["from"]) if self.entries else None


def history_of(scene: Scene, shown: Unit | None, now: datetime) -> History:
    """The history, with an entry for `shown` where something else served before."""
    status = scene.observed.status
    entries = [dict(one) for one in status.get("history", ())]
    revision = max([int(status.get("revision") or 0), *(int(one["revision"]) for one in entries)])
    if shown is None or (entries and _of(entries[-1], shown)) or not scene.digest_of(shown):
        return History(entries, revision)
    began = _entry(scene, shown, entries, revision + 1, now)
    if entries:
        entries[-1]["until"] = began["from"]
    return History([*entries, began][-HISTORY_LENGTH:], revision + 1, began)


def _entry(
    scene: Scene, shown: Unit, entries: Sequence[Entry], revision: int, now: datetime
) -> dict[str, Any]:
    source = _source(scene, shown)
    entry = {
        "revision": revision,
        "model": source.model,
        "version": shown.version,
        "digest": scene.digest_of(shown),
        "actor": source.actor,
        "reason": _reason(source, shown, entries),
        "from": stamp(now),
    }
    return {name: value for name, value in entry.items() if value != ""}


def _source(scene: Scene, shown: Unit) -> Target:
    """Who asked for what has taken over: the spec, or the roll-out before it where the spec has moved on."""
    if scene.target is not None and shown.serves(scene.target.version, scene.target.digest):
        return scene.target
    before = scene.observed.status.get("rollout") or {}
    if before and _of(before, shown):
        facts = (before.get(name, "") for name in ("model", "version", "digest", "actor", "reason"))
        return Target(*facts)
    found = scene.deployment(shown)
    model = found.model if found is not None else ""
    return Target(model, shown.version, scene.digest_of(shown), "", str(Reason.REPLACED_BY_HAND))


def _reason(source: Target, shown: Unit, entries: Sequence[Entry]) -> str:
    """Why it serves; the way back from a roll-back has a word of its own."""
    if source.reason != Reason.ROLLED_BACK and entries and entries[-1]["reason"] == Reason.ROLLED_BACK:
        own = [one for one in entries if one["reason"] != Reason.ROLLED_BACK]
        if own and _of(own[-1], shown):
            return str(Reason.ROLLBACK_CLEARED)
    return source.reason


def _of(entry: Entry, shown: Unit) -> bool:
    return shown.serves(entry["version"], entry["digest"])
