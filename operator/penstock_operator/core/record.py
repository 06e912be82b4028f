"""One step's entry in the status of a run, as a frozen value.

The planner reads it, makes the next one, writes it back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from pydantic.alias_generators import to_camel

from penstock_spec.status import TERMINAL, StepState


@dataclass(frozen=True)
class StepRecord:
    """The fields of penstock_spec.status.StepStatus, which describes them."""

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
    job: str = ""
    child: Mapping[str, str] = field(default_factory=dict)  # run, revision, digest
    digest: str = ""
    source_revision: str = ""
    made_at: str = ""
    why: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    results: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    verdict: str = ""
    model_version: str = ""
    image: str = ""
    started_at: str = ""
    finished_at: str = ""
    log: str = ""

    @property
    def ended(self) -> bool:
        """True when nothing about the step changes any more."""
        return self.state in TERMINAL

    def to_status(self) -> dict[str, Any]:
        """The entry as plain data under the API's names; what is empty is left out."""
        entry: dict[str, Any] = {}
        for name, key in _KEYS.items():
            value = getattr(self, name)
            if value not in ("", 0, {}, ()):
                entry[key] = _plain(value)
        entry["state"] = str(self.state)
        return entry

    @classmethod
    def from_status(cls, entry: Mapping[str, Any]) -> "StepRecord":
        """The record that `to_status` wrote. Unknown keys, from a newer release, are dropped."""
        known = {name: entry[key] for name, key in _KEYS.items() if key in entry}
        known["remakes"] = tuple(known.get("remakes", ()))
        return cls(**{**known, "state": StepState(entry["state"])})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


_KEYS: Mapping[str, str] = {one.name: to_camel(one.name) for one in fields(StepRecord)}
