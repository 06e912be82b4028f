"""A stored model that answers: signature and ONNX graph from one folder, run by ONNX Runtime on the CPU.

The same code predicts in `validate` and in the model server, so a gate judges exactly what will be served.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penstock_artifacts.columns import Cells, InputError, check_names, quoted, row_count
from penstock_artifacts.feed import DTYPES, Feed, Slot
from penstock_artifacts.signature import (
    NULL_TOKEN,
    ColumnSignature,
    Layout,
    Scalar,
    Signature,
    SignatureError,
    Task,
    ValueType,
)
from penstock_spec.contract import MODEL_ONNX, MODEL_SIGNATURE

if TYPE_CHECKING:
    import onnxruntime

__all__ = [
    "NULL_TOKEN",
    "Cells",
    "ColumnSignature",
    "Halt",
    "InputError",
    "Layout",
    "ModelError",
    "Prediction",
    "Predictor",
    "Scalar",
    "Signature",
    "SignatureError",
    "Task",
    "ValueType",
    "graph_of",
]

_WARM_UP: Mapping[ValueType, Scalar] = {
    ValueType.NUMBER: 0.0,
    ValueType.INTEGER: 0,
    ValueType.BOOLEAN: False,
    ValueType.STRING: "",
}


class ModelError(RuntimeError):
    """The model itself is unusable or broke its signature; the message says how. Not the rows' fault."""


@dataclass(frozen=True)
class Prediction:
    """Answers for n rows.

    Classification: `labels` (n values of the target's JSON type) and, where the model gives them,
    `probabilities` [n, labels] float64 in the order of the signature's labels.
    Regression: `values` [n] float64.
    """

    labels: list[Scalar] | None = None
    probabilities: NDArray[np.float64] | None = None
    values: NDArray[np.float64] | None = None


class Halt:
    """Ends a prediction that runs in another thread, at its next operator."""

    def __init__(self) -> None:
        """For one prediction."""
        import onnxruntime  # noqa: PLC0415 - heavy; only who predicts pays for it

        self.options = onnxruntime.RunOptions()

    def now(self) -> None:
        """End it: `answer` raises ModelError. Does nothing to one that has ended."""
        self.options.terminate = True


class Predictor:
    """A loaded model. Safe to use from several threads at once."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """Load `model.onnx` and `signature.json` of `folder`. ModelError or SignatureError in words.

        One thread is the default because sums over trees then always run in the same order: same rows, same
        bits.
        """
        self.signature = Signature.load(folder / MODEL_SIGNATURE)
        self._session = _open(folder / MODEL_ONNX, threads)
        self._inputs = self._session.get_inputs()
        self._outputs = _output_names(self.signature, [one.name for one in self._session.get_outputs()])
        self._check_inputs()
        slots = [Slot(one.name, DTYPES[one.type], flat=len(one.shape) != 2) for one in self._inputs]
        self._feed = Feed(self.signature, slots)

    def predict(self, columns: Mapping[str, Cells]) -> Prediction:
        """The answers for rows given by column. InputError when they do not fit the signature."""
        check_names(self.signature, columns)
        rows = row_count(columns)
        return self.answer(self.feed(columns), rows)

    def answer(self, feed: Mapping[str, NDArray[Any]], rows: int, halt: "Halt | None" = None) -> Prediction:
        """The answers for what `feed` made of that many rows. ModelError when it fails or is halted."""
        return self._decode(self._run(feed, halt), rows)

    @property
    def answers(self) -> tuple[str, ...]:
        """What a prediction holds: `prediction`, or `label` and, if the graph gives them, `probabilities`."""
        if self.signature.task is Task.REGRESSION:
            return ("prediction",)
        return ("label", "probabilities")[: len(self._outputs)]

    def warm_up(self, rows: int = 1) -> None:
        """Answer made-up rows, so that a model that cannot answer is found at once. ModelError."""
        made_up: dict[str, Sequence[Scalar]] = {
            column.name: [_WARM_UP[column.type]] * rows for column in self.signature.inputs
        }
        try:
            self.predict(made_up)
        except InputError as error:
            raise ModelError(f"the model refused a row that fits its signature: {error}") from error

    def feed(self, columns: Mapping[str, Cells]) -> dict[str, NDArray[Any]]:
        """The arrays given to ONNX Runtime, by name of the graph's input.

        InputError for a cell of the wrong type. Names and row counts must have been checked.
        """
        return self._feed(columns)

    def _run(self, feed: Mapping[str, NDArray[Any]], halt: "Halt | None") -> list[Any]:
        try:
            return list(self._session.run(self._outputs, dict(feed), halt and halt.options))
        except Exception as error:  # ONNX Runtime raises classes of its own, made in C++ at run time
            # Its message may hold parts of the input, so only the class is passed on.
            raise ModelError(f"ONNX Runtime could not run the model ({type(error).__name__})") from error

    def _decode(self, outputs: Sequence[Any], rows: int) -> Prediction:
        if self.signature.task is Task.REGRESSION:
            return Prediction(values=_shaped(outputs[0], (rows,), "its first output"))
        labels = self._labels(_flat(outputs[0], rows))
        if len(outputs) == 1:
            return Prediction(labels=labels)
        shape = (rows, len(self.signature.labels))
        return Prediction(labels=labels, probabilities=_shaped(outputs[1], shape, "its probabilities"))

    def _labels(self, raw: NDArray[Any]) -> list[Scalar]:
        """The graph's labels as JSON values of the target's type."""
        known = self.signature.labels
        values: list[Any] = raw.tolist()
        if self.signature.target.type is ValueType.STRING and raw.dtype.kind in "iu":
            # A graph without texts answers with the position of the label.
            by_answer: dict[Any, Scalar] = dict(enumerate(known))
        else:
            by_answer = {label: label for label in known}  # 1, 1.0 and True find the same label
        try:
            return [by_answer[value] for value in values]
        except KeyError as error:
            raise ModelError(
                "the model answered a label that its signature lacks; its first output must be the label"
            ) from error

    def _check_inputs(self) -> None:
        found = {one.name: one for one in self._inputs}
        for one in self._inputs:
            if one.type not in DTYPES:
                raise ModelError(
                    f"{MODEL_ONNX}: input {quoted(one.name)} is a {one.type}, which no table column can feed"
                )
        if self.signature.layout is Layout.MATRIX:
            wanted, one = len(self.signature.inputs), self._inputs[0]
            fits = len(one.shape) == 2 and one.shape[1] in (wanted, None) and one.type != "tensor(string)"
            if len(found) != 1 or not fits:
                raise ModelError(
                    f"{MODEL_ONNX}: layout Matrix needs exactly one input of numbers [rows, {wanted}]"
                )
            return
        unknown = sorted(set(found) - set(self.signature.names))
        if unknown:
            raise ModelError(f"{MODEL_ONNX}: input {quoted(unknown[0])} is not a column of the signature")
        for column in self.signature.inputs:
            one = found.get(column.name)
            if one is not None and (one.type == "tensor(string)") != (column.type is ValueType.STRING):
                raise ModelError(
                    f"{MODEL_ONNX}: input {quoted(column.name)} is a {one.type}, the column a {column.type}"
                )


def graph_of(path: Path) -> tuple[dict[str, tuple[str, int]], dict[str, tuple[str, int]]]:
    """Inputs and outputs of the ONNX graph in order: name to (type as ONNX Runtime writes it, rank).
    ModelError.
    """
    session = _open(path, threads=1)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    return (
        {one.name: (one.type, len(one.shape)) for one in inputs},
        {one.name: (one.type, len(one.shape)) for one in outputs},
    )


def _open(path: Path, threads: int) -> "onnxruntime.InferenceSession":
    # Imported here: the signature alone is read by programs that never predict, and this import takes 0.1 s.
    import onnxruntime  # noqa: PLC0415 - heavy; only who predicts pays for it

    if not path.is_file():
        raise ModelError(f"{path.name} is missing: only ONNX models are served, never pickles")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # errors reach us as exceptions; its own lines on stderr are not JSON
    try:
        # From bytes, not by path: a graph then cannot pull weights from other files.
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        runtime = f"ONNX Runtime {onnxruntime.__version__}"
        raise ModelError(
            f"{path.name} is not an ONNX model that {runtime} can load: {str(error)[:300]}"
        ) from error


def _output_names(signature: Signature, names: Sequence[str]) -> list[str]:
    """The outputs to ask for: by our names where the graph has them, else answer, then probabilities."""
    if signature.task is Task.REGRESSION:
        return ["prediction"] if "prediction" in names else [names[0]]
    if "label" in names and "probabilities" in names:
        return ["label", "probabilities"]
    return list(names[:2])


def _flat(output: Any, rows: int) -> NDArray[Any]:
    array = np.asarray(output)
    if array.shape not in ((rows,), (rows, 1)):
        raise ModelError(
            f"the model answered {list(array.shape)} for {rows} rows; its first output must be [rows]"
        )
    return array.reshape(rows)


def _shaped(output: Any, shape: tuple[int, ...], what: str) -> NDArray[np.float64]:
    array = np.asarray(output)
    if array.dtype.kind not in "fiu" or array.size != prod(shape) or array.shape[:1] != shape[:1]:
        raise ModelError(
            f"the model answered {list(array.shape)} of {array.dtype}; {what} must be numbers {list(shape)}"
        )
    return array.astype(np.float64).reshape(shape)
