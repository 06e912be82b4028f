"""matrix, forEach and repeat as users write them; what a matrix means is in matrix.py."""

from typing import Annotated, ClassVar

from pydantic import Field

from penstock_spec.base import JsonMap, Name40, OutputRef, Rule, SpecModel, exactly_one
from penstock_spec.when import Until

MOST_ITERATIONS = 100


class Matrix(SpecModel):
    """The cells that a step is done for, one by one, each with its own values; or those of another step."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("axes", "sameAs"),
        Rule(
            "!has(self.sameAs) || (!has(self.exclude) && !has(self.include))",
            "with sameAs the cells are those of the other step, without changes",
            ".sameAs",
            holds=lambda data: "sameAs" not in data or not {"exclude", "include"} & set(data),
        ),
    )

    axes: JsonMap = Field(
        default_factory=dict,
        description="Name of each axis, and the list of its values: texts, numbers or truth values, all of "
        "one type. Example: {month: [1, 2, 3], model: [a, b]}. At most 8 axes and 1,000 cells.",
    )
    exclude: Annotated[tuple[JsonMap, ...], Field(max_length=256)] = Field(
        default=(),
        description="Cells to leave out: each entry removes every cell that has all the values which it "
        "names. Example: {month: 1, model: b}.",
    )
    include: Annotated[tuple[JsonMap, ...], Field(max_length=1000)] = Field(
        default=(),
        description="Cells to add: each entry names a value for every axis, also one that the axis does "
        "not list.",
    )
    same_as: Name40 | None = Field(
        default=None,
        description="Name of a step with matrix or forEach: this one is done for the same cells. What it "
        "takes of that step, or of another with these cells, is what the same cell of it gave; each cell "
        "begins when that has ended well.",
    )


class ForEach(SpecModel):
    """A list that is known when the step before has made it: one cell for each of its items."""

    list_: OutputRef = Field(
        alias="list",
        description="Output of type List of a run step, as <step>.<output>. Each cell finds its item in "
        "/penstock/item.json.",
    )


class Repeat(SpecModel):
    """The same step again and again, one iteration after the other, until what it gives is good enough."""

    until: Until = Field(
        description="What the results of an iteration must be for the step to end well. Example: {all: "
        "[{result: fit.loss, lessThan: 0.1}]}"
    )
    limit: int = Field(
        ge=1,
        le=MOST_ITERATIONS,
        description="How many iterations there may be. The step fails with reason NotConverged when the last "
        "of them is not good enough.",
    )
