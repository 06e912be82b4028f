"""What a step with cells gives to others: one artifact per cell, known together by one digest."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock_spec.matrix import CellValues, expand
from penstock_spec.plain import canonical, digest_text

VARIABLE_PREFIX = "PENSTOCK_CELLS_"


def gathered_variable(name: str) -> str:
    """The variable of fetch that holds the Gathered of the input `name`: too long for the task's own."""
    return f"{VARIABLE_PREFIX}{name.upper()}"


@dataclass(frozen=True)
class Gathered:
    """The digests of one output of all cells in their order, and the matrix, where they come from one."""

    digests: Sequence[str]
    matrix: Mapping[str, Any] | None = None

    @property
    def digest(self) -> str:
        """Over the cells with their values and digests: what whoever gathers them depends on."""
        return digest_text(canonical({"gathered": list(self.entries())}))

    def entries(self) -> Iterator[dict[str, Any]]:
        """Each cell as it stands in index.json: number, values where it has any, digest."""
        values: Iterator[CellValues | None]
        values = iter([None] * len(self.digests)) if self.matrix is None else expand(self.matrix)
        for number, (digest, cell) in enumerate(zip(self.digests, values, strict=True), start=1):
            valued = {} if cell is None else {"values": dict(cell)}
            yield {"number": number, **valued, "digest": digest}

    def to_json(self) -> str:
        """The text of a variable; digests without their prefix."""
        short = [one.removeprefix("sha256:") for one in self.digests]
        return canonical({"digests": short, **({} if self.matrix is None else {"matrix": self.matrix})})

    @classmethod
    def from_json(cls, text: str) -> "Gathered":
        """What `to_json` wrote."""
        data = json.loads(text)
        return cls(tuple(f"sha256:{one}" for one in data["digests"]), data.get("matrix"))
