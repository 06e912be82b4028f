"""Rows through the model that would serve: its very bytes, through the server's own code."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock_artifacts.model import InputError, ModelError, Predictor, Signature, Task
from penstock_spec.kinds.ingest import ColumnType
from penstock_steps.errors import invalid_result, user_error
from penstock_steps.metrics import Answers, Classified, Measured, positions
from penstock_steps.problems import shown
from penstock_steps.signatures import target_of
from penstock_steps.tables import Table

# Keeps the memory of a prediction small whatever the table; larger batches are not faster.
_BATCH = 8192


def score(predictor: Predictor, table: Table, positive: str | None = None) -> Answers:
    """What the model answers for the table's rows, beside the truth. StepError where table and model do not
    fit.

    `positive` is the text of the label that counts as positive; None for the last (true of a Boolean).
    """
    signature = predictor.signature
    target = target_of(table)
    if target.name != signature.target.name:
        raise user_error(
            f"the table's target is {shown(target.name)}, the model's {shown(signature.target.name)}"
        )
    columns = {column.name: cells(table, column.name) for column in _needed(table, signature)}
    labels, probabilities, values = _predict(predictor, columns, table.frame.height)
    if signature.task is Task.REGRESSION:
        truth = table.frame[target.name].cast(float).to_numpy()
        return Measured(truth, np.concatenate(values))
    return Classified(
        truth=_truth(table, signature),
        predicted=positions(labels, signature.labels),
        probabilities=np.concatenate(probabilities) if probabilities else None,
        classes=len(signature.labels),
        positive=positive_position(signature, positive),
    )


def cells(table: Table, name: str) -> Any:
    """A column's cells as the Predictor takes them: floats with NaN for null, or JSON values with None."""
    series = table.frame[name]
    if next(one.type for one in table.columns if one.name == name) is ColumnType.STRING:
        return series.to_list()
    return series.cast(float).fill_null(float("nan")).to_numpy()


def positive_position(signature: Signature, positive: str | None) -> int:
    """Where the positive label stands. UserError when `positive` is none of the labels."""
    texts = [label_text(label) for label in signature.labels]
    if positive is None:
        return len(texts) - 1
    if positive not in texts:
        raise user_error(
            f"positive is none of the model's {len(texts)} labels; write one of them as text, e.g. true"
        )
    return texts.index(positive)


def label_text(label: Any) -> str:
    """A label as people write it: true, 3, setosa."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def _needed(table: Table, signature: Signature) -> Sequence[Any]:
    known = {column.name for column in table.columns}
    missing = [column.name for column in signature.inputs if column.name not in known]
    if missing:
        raise user_error(
            f"the table lacks {len(missing)} columns of the model, the first is {shown(missing[0])}"
        )
    return signature.inputs


def _truth(table: Table, signature: Signature) -> Any:
    values = table.frame[signature.target.name].to_list()
    known = set(signature.labels)
    strange = sum(value not in known for value in values)
    if strange:
        raise user_error(
            f"{strange:,} rows have a label that the training rows do not have: stratify the split "
            "by the target"
        )
    return positions(values, signature.labels)


def _predict(
    predictor: Predictor, columns: dict[str, Any], rows: int
) -> tuple[list[Any], list[Any], list[Any]]:
    labels: list[Any] = []
    probabilities: list[Any] = []
    values: list[Any] = []
    try:
        for start in range(0, rows, _BATCH):
            answer = predictor.predict({name: part[start : start + _BATCH] for name, part in columns.items()})
            labels += answer.labels or []
            if answer.probabilities is not None:
                probabilities.append(answer.probabilities)
            if answer.values is not None:
                values.append(answer.values)
    except (InputError, ModelError) as error:
        raise invalid_result(f"the model cannot answer rows of the table: {error}") from error
    return labels, probabilities, values
