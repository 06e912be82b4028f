"""A model's signature: what it takes, what it answers, in which order. `signature.json` beside `model.onnx`.

It is the contract between training, validation and serving; `model.py` holds the ONNX file to it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

SIGNATURE_VERSION = 1
# Stands for a missing text: ONNX has no null strings. Control characters keep it apart from real texts.
NULL_TOKEN = "\x02null\x03"  # noqa: S105 - a marker, not a credential

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
# A JSON value of a cell or a label. None is a missing cell.
Scalar = bool | int | float | str


class SignatureError(ValueError):
    """The signature is not usable; the message says where and what is wrong."""


class Task(StrEnum):
    """What the model answers."""

    CLASSIFICATION = "Classification"
    REGRESSION = "Regression"


class Layout(StrEnum):
    """How the ONNX graph takes its features: one input per column, or one matrix [rows, columns]."""

    COLUMNS = "Columns"
    MATRIX = "Matrix"


class ValueType(StrEnum):
    """Type of a column's values; the same words as in a table's schema."""

    NUMBER = "Number"
    INTEGER = "Integer"
    BOOLEAN = "Boolean"
    STRING = "String"


# Python types that a JSON value of each type may have.
PYTHON_TYPES: Mapping[ValueType, frozenset[type]] = {
    ValueType.NUMBER: frozenset({float, int}),
    ValueType.INTEGER: frozenset({int}),
    ValueType.BOOLEAN: frozenset({bool}),
    ValueType.STRING: frozenset({str}),
}


@dataclass(frozen=True)
class ColumnSignature:
    """A feature or the target: its name as in the training table, and its type."""

    name: str
    type: ValueType


@dataclass(frozen=True)
class Signature:
    """What a model takes and answers. Raises SignatureError when its parts contradict each other.

    `inputs` are in the training table's order, which is the order of a matrix's columns. `labels` are in the
    order of the probability columns, with the JSON type of the target; empty for regression.
    """

    model: str
    task: Task
    layout: Layout
    inputs: tuple[ColumnSignature, ...]
    target: ColumnSignature
    labels: tuple[Scalar, ...] = ()
    null_token: str = field(default=NULL_TOKEN)

    def __post_init__(self) -> None:
        """Hold the parts against each other."""
        names = [column.name for column in self.inputs]
        if not names:
            raise SignatureError("signature: inputs is empty; a model takes at least one column")
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise SignatureError(f"signature: inputs names {repeated[0]!r} twice")
        self._check_labels()
        if self.layout is Layout.MATRIX:
            texts = [column.name for column in self.inputs if column.type is ValueType.STRING]
            if texts:
                raise SignatureError(
                    f"signature: layout Matrix takes numbers only, but column {texts[0]!r} is a String"
                )

    def _check_labels(self) -> None:
        if self.task is Task.REGRESSION:
            if self.labels:
                raise SignatureError("signature: labels belong to task Classification, not Regression")
            return
        if len(self.labels) < 2:
            raise SignatureError(
                f"signature: a classification needs at least 2 labels, found {len(self.labels)}"
            )
        allowed = PYTHON_TYPES[self.target.type]
        if any(type(label) not in allowed for label in self.labels):
            raise SignatureError(f"signature: labels must all be of the target's type {self.target.type}")
        if len(set(self.labels)) < len(self.labels):
            raise SignatureError("signature: labels must differ from each other")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The feature columns' names in order."""
        return tuple(column.name for column in self.inputs)

    @cached_property
    def known(self) -> frozenset[str]:
        """The feature columns' names as a set."""
        return frozenset(self.names)

    def to_json(self) -> str:
        """The text of signature.json; the same signature always gives the same bytes."""
        data: dict[str, Any] = {
            "version": SIGNATURE_VERSION,
            "model": self.model,
            "task": self.task,
            "layout": self.layout,
            "inputs": [{"name": column.name, "type": column.type} for column in self.inputs],
            "target": {"name": self.target.name, "type": self.target.type},
            "nullToken": self.null_token,
        }
        if self.task is Task.CLASSIFICATION:
            data["labels"] = list(self.labels)
        return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"

    def save(self, path: Path) -> None:
        """Write signature.json."""
        path.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def from_json(cls, text: str | bytes) -> "Signature":
        """The signature that `to_json` wrote. SignatureError names the field that is missing or wrong."""
        try:
            data = json.loads(text)
        except ValueError as error:
            raise SignatureError(f"signature: not JSON ({error})") from error
        if not isinstance(data, dict):
            raise SignatureError("signature: not a JSON object")
        if data.get("version") != SIGNATURE_VERSION:
            raise SignatureError(
                f"signature: version {data.get('version')!r}, but this release reads {SIGNATURE_VERSION}; "
                "use images of the release that trained the model"
            )
        inputs = _get(data, "inputs", list)
        return cls(
            model=_get(data, "model", str),
            task=_enum(Task, _get(data, "task", str), "task"),
            layout=_enum(Layout, _get(data, "layout", str), "layout"),
            inputs=tuple(_column(one, f"inputs[{index}]") for index, one in enumerate(inputs)),
            target=_column(_get(data, "target", dict), "target"),
            labels=_labels(data.get("labels", [])),
            null_token=_get(data, "nullToken", str),
        )

    @classmethod
    def load(cls, path: Path) -> "Signature":
        """Read signature.json. SignatureError also when the file is not there."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SignatureError(f"signature: cannot read {path.name}: {error.strerror}") from error
        return cls.from_json(content)


def _get(data: Mapping[str, Any], key: str, kind: type[T]) -> T:
    value = data.get(key)
    if not isinstance(value, kind):
        found = "missing" if key not in data else f"of type {type(value).__name__}"
        raise SignatureError(f"signature: {key} must be of type {kind.__name__}, but it is {found}")
    return value


def _enum(kind: type[E], value: str, where: str) -> E:
    try:
        return kind(value)
    except ValueError as error:
        raise SignatureError(
            f"signature: {where} is {value!r}; it must be one of {', '.join(kind)}"
        ) from error


def _column(data: Any, where: str) -> ColumnSignature:
    if not isinstance(data, dict):
        raise SignatureError(f"signature: {where} must be an object with name and type")
    return ColumnSignature(
        _get(data, "name", str), _enum(ValueType, _get(data, "type", str), f"{where}.type")
    )


def _labels(data: Any) -> tuple[Scalar, ...]:
    if not isinstance(data, list) or any(not isinstance(one, bool | int | float | str) for one in data):
        raise SignatureError("signature: labels must be a list of texts, numbers or booleans")
    return tuple(cast("Sequence[Scalar]", data))
