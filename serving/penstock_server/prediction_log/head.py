"""What all rows of an incarnation have in common: the file `head.json` beside its segments."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass

from penstock_artifacts.signature import Signature, Task, ValueType

NAME = "head.json"


@dataclass(frozen=True)
class Head:
    """Whose answers they are, and which columns are kept, in order, with their types."""

    model: str
    version: str
    digest: str
    endpoint: str
    columns: tuple[tuple[str, ValueType], ...]
    target: ValueType
    labels: tuple[bool | int | float | str, ...]  # empty: the model answers numbers

    @classmethod
    def of(
        cls, signature: Signature, *, version: str, digest: str, endpoint: str, redact: Collection[str]
    ) -> "Head":
        """The head for a model's answers, without the columns of `redact`."""
        kept = tuple((column.name, column.type) for column in signature.inputs if column.name not in redact)
        classifies = signature.task is Task.CLASSIFICATION
        labels = signature.labels if classifies else ()
        return cls(signature.model, version, digest, endpoint, kept, signature.target.type, labels)

    def to_bytes(self) -> bytes:
        """The text of the file."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Head":
        """What `to_bytes` wrote. ValueError, KeyError or TypeError for anything else."""
        data = json.loads(content)
        data["columns"] = tuple((name, ValueType(kind)) for name, kind in data["columns"])
        data["target"] = ValueType(data["target"])
        data["labels"] = tuple(data["labels"])
        return cls(**data)
