"""train: fit an estimator on training rows and register what serves: ONNX, signature, data profile."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import (
    ColumnName,
    FromValue,
    JsonMap,
    MapLimits,
    Name40,
    OutputRef,
    Rule,
    SpecModel,
    at_most_one,
    exactly_one,
)
from penstock_spec.kinds.container import Container

Columns = tuple[ColumnName, ...]
ParameterName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", min_length=1, max_length=63)
]


class FillStrategy(StrEnum):
    """What stands in for a missing value. Mean and Median are for numbers only."""

    MEAN = "Mean"
    MEDIAN = "Median"
    MOST_FREQUENT = "MostFrequent"
    CONSTANT = "Constant"


class FillNulls(SpecModel):
    """Replaces missing values by a figure learned from the training rows, or by a constant."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.strategy == 'Constant') == has(self.value)",
            "value is set exactly when strategy is Constant",
            ".value",
            holds=lambda data: (data.get("strategy") == FillStrategy.CONSTANT) == ("value" in data),
        ),
    )

    strategy: FillStrategy = Field(description="Mean, Median, MostFrequent, or Constant with a value.")
    value: Annotated[str, StringConstraints(max_length=128)] | None = Field(
        default=None, description="The constant; read as a number for number columns."
    )
    columns: Columns = Field(
        default=(),
        max_length=1000,
        description="Columns to fill. Empty means every feature that the strategy fits: numbers for Mean and "
        "Median.",
    )


class Scale(SpecModel):
    """Shifts numbers to mean 0 and scales them to standard deviation 1, learned from the training rows."""

    columns: Columns = Field(
        default=(), max_length=1000, description="Columns to scale. Empty means every number."
    )


class EncodeMethod(StrEnum):
    """How a text becomes numbers."""

    ONE_HOT = "OneHot"
    ORDINAL = "Ordinal"


class Encode(SpecModel):
    """Turns texts into numbers.

    A text that training did not see becomes all zeros (OneHot) or -1 (Ordinal).
    """

    method: EncodeMethod = Field(
        default=EncodeMethod.ONE_HOT, description="One column per text, or one number per text."
    )
    columns: Columns = Field(
        default=(), max_length=1000, description="Columns to encode. Empty means every String feature."
    )


class Preprocess(SpecModel):
    """One fitted operation; exactly one of the fields is set."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (exactly_one("fillNulls", "scale", "encode"),)

    fill_nulls: FillNulls | None = Field(default=None, description="Replace missing values.")
    scale: Scale | None = Field(default=None, description="Standardise numbers.")
    encode: Encode | None = Field(default=None, description="Turn texts into numbers.")


class Estimator(SpecModel):
    """The class that learns, and its settings."""

    class_: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$", min_length=1, max_length=128)
    ] = Field(
        alias="class",
        description="Class from the allow-list in docs/estimators.md: "
        "sklearn.ensemble.RandomForestClassifier",
    )
    parameters: JsonMap = Field(
        default_factory=dict,
        description="Constructor arguments of the class, any JSON; null is refused. Example: {max_depth: 8}.",
    )
    parameters_from: Annotated[Mapping[ParameterName, FromValue], MapLimits(properties=64)] = Field(
        default_factory=dict,
        description="Constructor arguments whose values come from parameters, results or the cell.",
    )


class Train(SpecModel):
    """Fits preprocessing and estimator on the training rows only, and gives `model`."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        at_most_one("seed", "seedFrom"),
        exactly_one("estimator", "container"),
        Rule(
            "!(has(self.container) && has(self.preprocess))",
            "preprocess belongs to estimator, not to container",
            ".preprocess",
            holds=lambda data: not ("container" in data and "preprocess" in data),
        ),
    )

    model: Name40 = Field(
        description="Name of the model; the result is registered as ModelVersion <name>-<number>."
    )
    train: OutputRef = Field(description="Table with the training rows, as <step>.<output>: split.train")
    validation: OutputRef | None = Field(
        default=None, description="Table whose rows only measure the fit during training: split.validation"
    )
    preprocess: tuple[Preprocess, ...] = Field(
        default=(),
        max_length=32,
        description="Operations fitted on the training rows, in this order; they travel with the model. "
        "Empty means: numbers filled by Median, texts filled by MostFrequent and encoded OneHot.",
    )
    estimator: Estimator | None = Field(default=None, description="The scikit-learn class that learns.")
    seed: int = Field(
        default=0,
        ge=0,
        le=4294967295,
        description="Seed of every random choice, so that a run repeats.",
    )
    seed_from: FromValue | None = Field(
        default=None, description="The seed, from a parameter, result or cell."
    )
    container: Container | None = Field(
        default=None,
        description="Your own program in any language: reads /penstock/in/train (and "
        "/penstock/in/validation), "
        "writes /penstock/out/model/model.onnx; signature and profile are computed from the training table.",
    )
