"""The pod's figures: the sums over all incarnations, those that have ended included.

What an ended incarnation counted moves into `totals.json` before its folder goes. The file names the folders
that it holds, so a kill between the two counts nothing twice.
"""

import json
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from penstock_server.prediction_log import counters
from penstock_server.prediction_log.counters import Cell
from penstock_server.prediction_log.spool import incarnations

_TOTALS = "totals.json"
_TRIES = 20  # a folder that goes while it is read is rare; the figures are then read anew


@dataclass(frozen=True)
class Counts:
    """Rows, and times in milliseconds since the epoch (0: never)."""

    accepted: int = 0
    dropped: int = 0
    stored: int = 0
    lost: int = 0
    opened: int = 0  # the first incarnation
    uploaded: int = 0  # the newest upload

    def plus(self, cells: list[int]) -> "Counts":
        """With those of one more incarnation."""
        opened = [time for time in (self.opened, cells[Cell.OPENED]) if time]
        return Counts(
            self.accepted + cells[Cell.ACCEPTED],
            self.dropped + cells[Cell.DROPPED],
            self.stored + cells[Cell.STORED],
            self.lost + cells[Cell.LOST],
            min(opened, default=0),
            max(self.uploaded, cells[Cell.UPLOADED]),
        )


def read(root: Path) -> Counts:
    """The figures now."""
    for _ in range(_TRIES):
        before = _read_totals(root)
        counts, folded = before
        with suppress(OSError, ValueError):
            for folder in incarnations(root):
                if folder.name not in folded:
                    counts = counts.plus(counters.read_cells(folder / counters.NAME))
            if _read_totals(root) == before:
                return counts
    return before[0]


def fold(root: Path, folder: Path) -> None:
    """Keep the figures of an incarnation that has ended, and remove its folder. OSError on a full disk."""
    counts, folded = _read_totals(root)
    if folder.name not in folded:
        counts = counts.plus(counters.read_cells(folder / counters.NAME))
        names = [name for name in folded if (root / name).exists()]
        draft = root / f".{_TOTALS}"
        draft.write_text(json.dumps({**asdict(counts), "folded": [*names, folder.name]}))
        draft.replace(root / _TOTALS)
    shutil.rmtree(folder, ignore_errors=True)


def _read_totals(root: Path) -> tuple[Counts, list[str]]:
    try:
        data = json.loads((root / _TOTALS).read_text())
    except FileNotFoundError:
        return Counts(), []
    folded = data.pop("folded")
    return Counts(**data), folded
