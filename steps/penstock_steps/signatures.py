"""A model's signature and data profile from the table that it was trained on."""

import json
from collections.abc import Sequence
from pathlib import Path

from penstock_artifacts.signature import (
    NULL_TOKEN,
    ColumnSignature,
    Layout,
    Scalar,
    Signature,
    Task,
    ValueType,
)
from penstock_spec.contract import MODEL_PROFILE, MODEL_SIGNATURE, TABLE_PROFILE
from penstock_spec.kinds.ingest import ColumnType
from penstock_steps.errors import user_error
from penstock_steps.problems import shown
from penstock_steps.profile import restrict
from penstock_steps.tables import Table, TableColumn
from penstock_steps.workspace import write_json


def describe(model: str, table: Table, task: Task, layout: Layout) -> Signature:
    """The signature of a model trained on `table`: its features in order, its target, its labels."""
    target = target_of(table)
    if task is Task.CLASSIFICATION and target.type is ColumnType.NUMBER:
        raise user_error(
            f"target {shown(target.name)} is a Number: a classifier needs a Boolean, Integer or String; "
            "declare its type at ingest, or use a regressor"
        )
    if task is Task.REGRESSION and target.type in (ColumnType.STRING, ColumnType.BOOLEAN):
        raise user_error(
            f"target {shown(target.name)} is a {target.type}: a regressor needs a Number or Integer"
        )
    if not table.features:
        raise user_error("the table has no column of role Feature: nothing to learn from")
    return Signature(
        model=model,
        task=task,
        layout=layout,
        inputs=tuple(_column(one) for one in table.features),
        target=_column(target),
        labels=labels_of(table, target) if task is Task.CLASSIFICATION else (),
        null_token=NULL_TOKEN,
    )


def target_of(table: Table) -> TableColumn:
    """The column to predict, with a value in every row. UserError in words otherwise."""
    if table.target is None:
        raise user_error(
            "the table has no column of role Target: give one that role in ingest.schema.columns"
        )
    nulls = table.frame[table.target.name].null_count()
    if nulls:
        raise user_error(
            f"target {shown(table.target.name)} misses {nulls:,} values: set nulls: Refuse for it "
            "at ingest to find "
            "them, and bring rows with a known outcome"
        )
    return table.target


def labels_of(table: Table, target: TableColumn) -> tuple[Scalar, ...]:
    """The different values of the target in ascending order (false before true). UserError where there is
    only one.
    """
    labels: Sequence[Scalar] = table.frame[target.name].unique().sort().to_list()
    if len(labels) < 2:
        raise user_error(f"target {shown(target.name)} has only one value in all rows: nothing to tell apart")
    return tuple(labels)


def write_description(signature: Signature, table_folder: Path, model_folder: Path) -> None:
    """Write signature.json and profile.json; the profile is that of the training table, features and target
    only.
    """
    signature.save(model_folder / MODEL_SIGNATURE)
    whole = json.loads((table_folder / TABLE_PROFILE).read_text(encoding="utf-8"))
    write_json(model_folder / MODEL_PROFILE, restrict(whole, [*signature.names, signature.target.name]))


def _column(column: TableColumn) -> ColumnSignature:
    return ColumnSignature(column.name, ValueType(column.type.value))
