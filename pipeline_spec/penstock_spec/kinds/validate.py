"""validate: the gate. Measures the bytes that would serve and compares with thresholds."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import FromParameter, OutputRef, Rule, SpecModel, at_most_one, exactly_one
from penstock_spec.kinds.container import Container
from penstock_spec.registered import FromRegistry


class Metric(StrEnum):
    """Figures of merit. Classification first, then regression; definitions are in docs/metrics.md."""

    ACCURACY = "accuracy"
    BALANCED_ACCURACY = "balanced_accuracy"
    PRECISION = "precision"
    RECALL = "recall"
    F1 = "f1"
    ROC_AUC = "roc_auc"
    LOG_LOSS = "log_loss"
    BRIER = "brier"
    R2 = "r2"
    RMSE = "rmse"
    MAE = "mae"
    MEDIAN_ABSOLUTE_ERROR = "median_absolute_error"


CLASSIFICATION_METRICS = frozenset(list(Metric)[:8])
REGRESSION_METRICS = frozenset(list(Metric)[8:])


class Threshold(SpecModel):
    """One bound on one metric; met when the figure on the test rows lies on the right side."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        at_most_one("minimum", "minimumFrom"),
        at_most_one("maximum", "maximumFrom"),
        Rule(
            "has(self.minimum) || has(self.minimumFrom) || has(self.maximum) || has(self.maximumFrom)",
            "set minimum or maximum (or both)",
            holds=lambda data: any(
                name in data for name in ("minimum", "minimumFrom", "maximum", "maximumFrom")
            ),
        ),
    )

    metric: Metric = Field(description="Which figure is compared: roc_auc, rmse, ...")
    minimum: float | None = Field(default=None, description="The figure must be at least this.")
    minimum_from: FromParameter | None = Field(
        default=None, description="The minimum is this parameter's value."
    )
    maximum: float | None = Field(default=None, description="The figure must be at most this.")
    maximum_from: FromParameter | None = Field(
        default=None, description="The maximum is this parameter's value."
    )


class OnInconclusive(StrEnum):
    """What too little evidence means."""

    FAIL = "Fail"
    PASS = "Pass"  # noqa: S105 - a verdict


class Validate(SpecModel):
    """Scores the served ONNX bytes on test rows and ends Pass, Fail or Inconclusive; gives `report`."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (exactly_one("model", "modelFrom"),)

    model: OutputRef | None = Field(
        default=None, description="The model to judge, as <step>.<output>: fit.model"
    )
    model_from: FromRegistry | None = Field(
        default=None,
        description="The model to judge is one of the registry; the verdict is written into its record.",
    )
    test: OutputRef = Field(description="Table with rows that training never saw: split.test")
    thresholds: tuple[Threshold, ...] = Field(
        min_length=1, max_length=32, description="Bounds that must all be met for the verdict Pass."
    )
    minimum_rows: int = Field(
        default=30, ge=1, le=1000000000, description="With fewer test rows the verdict is Inconclusive."
    )
    minimum_per_class: int = Field(
        default=5,
        ge=1,
        le=1000000000,
        description="With fewer test rows of any class the verdict is Inconclusive.",
    )
    positive: Annotated[str, StringConstraints(max_length=128)] | None = Field(
        default=None,
        description="Label that counts as positive for precision, recall, f1, brier with two classes. "
        "Without it: true for Booleans, else the last label in sorted order.",
    )
    on_inconclusive: OnInconclusive = Field(
        default=OnInconclusive.FAIL,
        description="Whether an Inconclusive verdict stops the steps that need this one.",
    )
    container: Container | None = Field(
        default=None,
        description="Your own program: reads /penstock/in/model and /penstock/in/test, writes figures to "
        "/penstock/out/metrics.json; the thresholds are then compared with those.",
    )
