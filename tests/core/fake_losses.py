"""Artifacts that the store of the fake cluster has lost, and what fetch says of them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock_spec.contract import Failure
from penstock_spec.gathered import Gathered, gathered_variable
from penstock_spec.names import FailureClass

# The cells that fetch tells of an input, and those that are lost: images of an earlier release tell none.
Teller = Callable[[str, Sequence[int]], Collection[int]]


@dataclass
class Losses:
    """The digests of what is gone, until somebody makes the same again."""

    gone: set[str] = field(default_factory=set)
    tells: Teller = lambda _name, lost: lost

    def found(self, task: Any, environment: Mapping[str, str]) -> Failure | None:
        """What fetch says for this task; None where it finds everything."""
        missing: list[str] = []
        cells: dict[str, Collection[int]] = {}
        for name, one in task["inputs"].items() if self.gone else ():
            if not one.get("gathered"):
                missing += [name] if one["digest"] in self.gone else []
                continue
            text = environment[gathered_variable(name)]
            digests = Gathered.from_json(text).digests
            lost = [number for number, digest in enumerate(digests, start=1) if digest in self.gone]
            if lost:
                missing.append(name)
                cells[name] = self.tells(name, lost)
        if not missing:
            return None
        return Failure(FailureClass.INPUT_MISSING, "gone", inputs=tuple(missing), cells=cells)

    def made(self, digests: Collection[str]) -> None:
        """These have been stored, perhaps again."""
        self.gone -= set(digests)
