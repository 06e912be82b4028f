"""One step's entry in the status of a run, or one of its cells, as a frozen value.

The planner reads it, makes the next one, writes it back. A step with cells holds a record for each that has
begun or ended; what it says of itself is folded from those (cells.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pydantic.alias_generators import to_camel

from penstock_spec.digest import key_of, packed, unpacked
from penstock_spec.names import FailureClass
from penstock_spec.status import SATISFYING, TERMINAL, StepState

OUTPUT_LOST = "output lost"  # `why` of a step that is made again; it stays through all of its attempts


@dataclass(frozen=True)
class StepRecord:
    """The fields of penstock_spec.status.StepStatus, which describes them.

    `cell` is the number of the cell that this is a record of; 0: it is one of the whole step.
    """

    name: str
    kind: str
    state: StepState = StepState.WAITING
    reason: str = ""
    message: str = ""
    failure_class: str = ""
    attempt: int = 0
    retries: Mapping[str, int] = field(default_factory=dict)
    retry_at: str = ""
    memory: str = ""
    scratch: str = ""
    remakes: Sequence[str] = ()
    remake_cells: Mapping[str, str] = field(default_factory=dict)
    job: str = ""
    child: Mapping[str, str] = field(default_factory=dict)  # run, revision, digest
    digest: str = ""
    source_revision: str = ""
    made_at: str = ""
    why: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    results: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    verdict: str = ""
    model_version: str = ""
    image: str = ""
    started_at: str = ""
    finished_at: str = ""
    log: str = ""
    cell_count: int = 0
    cell_outputs: Sequence[str] = ()
    cells: Mapping[int, "StepRecord"] = field(default_factory=dict)
    cell: int = 0

    @property
    def ended(self) -> bool:
        """True when nothing about the step changes any more."""
        return self.state in TERMINAL

    @property
    def leaves(self) -> Iterator["StepRecord"]:
        """What has attempts: the cells that have begun or ended, else the step itself."""
        return iter(self.cells.values()) if self.cell_count else iter((self,))

    def with_cell(self, cell: "StepRecord") -> "StepRecord":
        """The record with another state of one cell."""
        return replace(self, cells={**self.cells, cell.cell: cell})

    def to_status(self) -> dict[str, Any]:
        """The entry as plain data under the API's names; what is empty is left out."""
        entry = _entry(self, _KEYS)
        if self.cells:
            entry["cells"] = [_packed(self.cells[number], self.cell_outputs) for number in sorted(self.cells)]
        return entry

    @classmethod
    def from_status(cls, entry: Mapping[str, Any]) -> "StepRecord":
        """The record that `to_status` wrote. Unknown keys, from a newer release, are dropped."""
        record = cls(**_known(entry, _KEYS))
        cells = entry.get("cells")
        if not cells:
            return record
        found = (_unpacked(one, record) for one in cells)
        return replace(record, cells={one.cell: one for one in found})


def is_remade(record: StepRecord) -> bool:
    """Whether it is, or was, made again because its outputs were lost; also if an attempt at it failed."""
    return record.why == OUTPUT_LOST or record.failure_class == FailureClass.INPUT_MISSING


def is_under_way(record: StepRecord) -> bool:
    """Whether an attempt of it goes on just now."""
    begun = record.state in (StepState.STARTING, StepState.RUNNING)
    return begun or (record.state is StepState.QUEUED and record.attempt > 0)


def leaves(records: Mapping[str, StepRecord]) -> Iterator[StepRecord]:
    """Everything in these steps that has attempts."""
    return (leaf for record in records.values() for leaf in record.leaves)


def _entry(record: StepRecord, keys: Mapping[str, str]) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    for name, key in keys.items():
        value = getattr(record, name)
        if value not in ("", 0, {}, ()):
            entry[key] = _plain(value)
    entry["state"] = str(record.state)
    return entry


def _known(entry: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    known = {name: entry[key] for name, key in keys.items() if key in entry}
    for name in ("remakes", "cell_outputs"):
        if name in known:
            known[name] = tuple(known[name])
    return {**known, "state": StepState(entry["state"])}


def _packed(cell: StepRecord, outputs: Sequence[str]) -> dict[str, Any]:
    """The entry of a cell: number and state, and what decisions rest on. Thousands of bytes are not much."""
    entry = {"number": cell.cell, "state": str(cell.state)} | _entry(cell, _kept(cell))
    if cell.why == OUTPUT_LOST:
        entry["remade"] = True
    if cell.digest:
        entry["digest"] = key_of(cell.digest)
    if cell.state in SATISFYING and cell.child.get("digest"):
        entry["executed"] = packed(cell.child["digest"])
    if cell.outputs:
        entry["outputs"] = [packed(cell.outputs[name]) for name in outputs]
    return entry


def _kept(cell: StepRecord) -> Mapping[str, str]:
    """Of a cell that failed or lives all, of one that ended otherwise what others may ask of it.

    Why one is blocked says the same cell of the step before.
    """
    if cell.state in SATISFYING:
        return _CELL_KEYS_WELL if cell.attempt < 2 else _CELL_KEYS_RETRIED
    cut = cell.state in (StepState.CANCELLED, StepState.BLOCKED)
    return _CELL_KEYS_CUT if cut else _CELL_KEYS


def _unpacked(entry: Mapping[str, Any], group: StepRecord) -> StepRecord:
    known = _known(entry, _CELL_KEYS)
    if group.kind == "pipeline" and known["state"] is StepState.SUCCEEDED:
        # Another child may have to follow the first; Jobs of cells that ended well are left alone.
        known.setdefault("attempt", 1)
    digests = map(unpacked, entry.get("outputs", ()))
    outputs = dict(zip(group.cell_outputs, digests, strict=False))
    return StepRecord(
        name=group.name,
        kind=group.kind,
        cell=entry["number"],
        why=OUTPUT_LOST if entry.get("remade") else "",
        digest=entry.get("digest", ""),
        child={"digest": unpacked(entry["executed"])} if "executed" in entry else {},
        outputs=outputs,
        **known,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


_OWN = ("cells", "cell")  # written in a way of their own, or not at all
_KEYS: Mapping[str, str] = {
    one.name: to_camel(one.name) for one in fields(StepRecord) if one.name not in _OWN
}


def _keys(*names: str) -> Mapping[str, str]:
    return {name: _KEYS[name] for name in names}


# Of a cell: what the step's entry does not say already, and what cannot be computed.
_CELL_KEYS_WELL = _keys("results", "metrics", "verdict", "model_version", "source_revision", "made_at")
_CELL_KEYS_CUT = _keys("attempt")
# What it needed in the end is what its resources should say from then on.
_CELL_KEYS_RETRIED = {**_CELL_KEYS_WELL, **_CELL_KEYS_CUT, **_keys("memory", "scratch")}
_CELL_KEYS = {
    **_CELL_KEYS_RETRIED,
    **_keys("reason", "message", "failure_class", "retries", "retry_at", "remakes", "remake_cells"),
    **_keys("finished_at", "log"),
}
