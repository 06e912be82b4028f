"""A plain spec with what every check needs to know of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import networkx as nx
from pydantic import ValidationError

from penstock_spec.edges import build_graph
from penstock_spec.errors import Problem, SpecReason
from penstock_spec.facts import Reference
from penstock_spec.pairs import origin_of, paired
from penstock_spec.paths import Path, show
from penstock_spec.pipeline import Parameter, PipelineSpec
from penstock_spec.references import StepFacts, read_steps
from penstock_spec.shapes import Object, object_shape
from penstock_spec.structure import objects

MAX_HINTS = 200


@dataclass(frozen=True)
class Document:
    """`parameters` holds those that are declared well, `declared` the names of all."""

    data: Mapping[str, Any]
    steps: tuple[StepFacts, ...]
    parameters: Mapping[str, Parameter]
    declared: frozenset[str]
    secrets: frozenset[str]
    name: str = ""  # of the pipeline itself, where that is known

    @cached_property
    def by_name(self) -> Mapping[str, StepFacts]:
        """The steps by name."""
        return {one.name: one for one in self.steps}

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the steps."""
        return frozenset(self.by_name)

    @cached_property
    def hints(self) -> Iterator[int]:
        """Runs dry after as many names as are worth looking for: a file of mistakes must not cost seconds."""
        return iter(range(MAX_HINTS))

    @cached_property
    def graph(self) -> nx.DiGraph[str]:
        """Who waits for whom."""
        return build_graph(self.steps)

    def origin_of_cells(self, step: str) -> StepFacts | None:
        """The step whose own cells it has: see `pairs.origin_of`."""
        return origin_of(self.by_name, step)

    def paired(self, before: str, after: str) -> bool:
        """Whether what `after` takes of `before` is what the same cell of it gave."""
        return paired(self.by_name, before, after)

    @cached_property
    def objects(self) -> tuple[tuple[Object, Mapping[str, Any], Path], ...]:
        """Every object with known fields."""
        return tuple(objects(object_shape(PipelineSpec), self.data, ("spec",)))

    def step_at(self, reference: Reference | None) -> StepFacts | None:
        """The step that a reference names, where both exist."""
        return None if reference is None else self.by_name.get(reference.step)

    def lineage(self, reference: Reference | None) -> Iterator[tuple[str, str]]:
        """The table that is referred to, then what it was split from, and so on."""
        seen: set[tuple[str, str]] = set()
        while reference is not None and reference.source not in seen:
            seen.add(reference.source)
            yield reference.source
            step = self.by_name.get(reference.step)
            reference = step.inputs.get("table") if step is not None and step.kind == "split" else None

    def origin(self, reference: Reference | None) -> StepFacts | None:
        """The ingest that a table comes from by splits alone; None where there is none."""
        for name, _ in self.lineage(reference):
            step = self.by_name.get(name)
            if step is not None and step.kind == "ingest":
                return step
        return None


def read_document(data: Mapping[str, Any], name: str = "") -> Document:
    """What can be understood of a plain spec."""
    parameters = {one.name: one for one in map(_parameter, _dicts(data.get("parameters"))) if one is not None}
    return Document(
        data=data,
        steps=tuple(read_steps(data)),
        parameters=parameters,
        declared=frozenset(_names(data.get("parameters"))),
        secrets=frozenset(_names(data.get("secrets"))),
        name=name,
    )


def problem(path: Path, reason: SpecReason, message: str, hint: str) -> Problem:
    """A problem at a path that is not text yet."""
    return Problem(show(path), reason, message, hint)


def number(value: Any) -> float | None:
    """The value where it is a number (true and false are none)."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def dicts(value: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The items of a list that are mappings, with their positions."""
    for position, one in enumerate(value if isinstance(value, list) else ()):
        if isinstance(one, Mapping):
            yield position, one


def _dicts(value: Any) -> Iterator[Mapping[str, Any]]:
    return (one for _, one in dicts(value))


def _names(value: Any) -> Iterator[str]:
    return (one["name"] for one in _dicts(value) if isinstance(one.get("name"), str))


def _parameter(raw: Mapping[str, Any]) -> Parameter | None:
    try:
        return Parameter.model_validate(raw, by_alias=True, by_name=False)
    except ValidationError:
        return None  # reported by the check of its shape
