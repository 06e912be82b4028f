"""From what the user wrote to a graph that can be executed, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import networkx as nx
from pydantic import ValidationError

from penstock_spec.checks import all_problems
from penstock_spec.edges import Source, build_graph, gates_of, model_key
from penstock_spec.errors import Problem, SpecError, SpecReason
from penstock_spec.facts import RegistryFacts
from penstock_spec.matrix import CellValues, expand
from penstock_spec.pairs import origin_of
from penstock_spec.pipeline import PipelineSpec
from penstock_spec.plain import plain
from penstock_spec.references import StepFacts, read_steps
from penstock_spec.shapes import object_shape
from penstock_spec.structure import without_nulls


@dataclass(frozen=True)
class CompiledPipeline:
    """A pipeline without mistakes. Nodes of `graph` are step names; each edge says why in `kinds`.

    `order` is the one topological order in which ties go by position in the file, those with `always` last.
    """

    spec: PipelineSpec
    graph: nx.DiGraph[str]
    order: tuple[str, ...]
    _facts: Mapping[str, StepFacts]

    def needs(self, step: str) -> tuple[str, ...]:
        """The steps that must have ended well before this one, in the order of the file."""
        return tuple(sorted(self.graph.predecessors(step), key=lambda name: self._facts[name].position))

    def needed_by(self, step: str) -> tuple[str, ...]:
        """The steps that wait for this one, in the order of the file."""
        return tuple(sorted(self.graph.successors(step), key=lambda name: self._facts[name].position))

    def inputs(self, step: str) -> Mapping[str, Source]:
        """What the step reads: input name -> (step, output)."""
        return {name: reference.source for name, reference in self._facts[step].inputs.items()}

    def outputs(self, step: str) -> Mapping[str, str]:
        """What the step gives: output name -> Table, Model, Report or Files."""
        return dict(self._facts[step].outputs or {})

    def results(self, step: str) -> Mapping[str, str]:
        """The small values that the step gives: name -> String, Integer, Number or Boolean."""
        return dict(self._facts[step].results or {})

    def results_taken(self, step: str) -> tuple[Source, ...]:
        """The results whose values fields of the step take, as (step, result)."""
        return tuple(dict.fromkeys((one.step, one.result) for one in self._facts[step].taken))

    def has_cells(self, step: str) -> bool:
        """Whether the step is done in cells: one for each value or item, or one iteration after the other."""
        return self._facts[step].has_cells

    def gives_lists(self, step: str) -> bool:
        """Whether who takes an output of the step gets it of many cells."""
        return self._facts[step].gives_lists

    def repeated(self, step: str) -> bool:
        """Whether the step's cells are iterations, of which the last one gives what the step gives."""
        return self._facts[step].repeated

    def cells(self, step: str) -> tuple[CellValues, ...] | None:
        """The values of each cell of the step's matrix; None where it has no matrix."""
        return self._expanded.get(self.origin(step))

    def matrix(self, step: str) -> Mapping[str, Any] | None:
        """The matrix with the axes of the step's cells, its own or another's; None where there is none."""
        found: Mapping[str, Any] | None = self._facts[self.origin(step)].data.get("matrix")
        return found

    @cached_property
    def _expanded(self) -> Mapping[str, tuple[CellValues, ...]]:
        own = {name for name in self._origins.values() if "matrix" in self._facts[name].data}
        return {name: tuple(expand(self._facts[name].data["matrix"])) for name in own}

    def origin(self, step: str) -> str:
        """The step whose own cells it has: itself, but where `sameAs` leads to another."""
        return self._origins.get(step, step)

    @cached_property
    def _origins(self) -> Mapping[str, str]:
        found = {name: origin_of(self._facts, name) for name in self._facts}
        return {name: one.name for name, one in found.items() if one is not None}

    def paired(self, before: str, after: str) -> bool:
        """Whether what `after` takes of `before` is what the same cell of it gave."""
        return before in self.pairs(after)

    def pairs(self, step: str) -> tuple[str, ...]:
        """The steps of which each cell of this one waits for the same cell, in the order of the file."""
        return self._pairs.get(step, ())

    @cached_property
    def _pairs(self) -> Mapping[str, tuple[str, ...]]:
        same = [one for one in self._facts.values() if one.same_as]
        return {
            one.name: tuple(
                before for before in self.needs(one.name) if self.origin(before) == self.origin(one.name)
            )
            for one in same
        }

    def followed(self, step: str) -> bool:
        """Whether cells of other steps begin upon the ends of this one's cells."""
        return any(step in before for before in self._pairs.values())

    def always(self, step: str) -> bool:
        """Whether the step runs after everything else, whatever the outcome."""
        return self._facts[step].always

    def kinds(self, before: str, after: str) -> frozenset[str]:
        """Why `after` waits for `before`: the names in edges.py."""
        found: frozenset[str] = self.graph.edges[before, after]["kinds"]
        return found

    def type_of(self, source: Source) -> str:
        """The type of an output: Table, Model, Report or Files."""
        return self.outputs(source[0])[source[1]]

    def registered(self, step: str) -> Mapping[str, RegistryFacts]:
        """What the step reads of the registry, by input name."""
        return self._facts[step].registered

    def gates_of(self, step: str) -> tuple[str, ...]:
        """The validate steps that judge the model which this step reads, in the order of the file."""
        model = model_key(self._facts[step])
        return () if model is None else gates_of(list(self._facts.values()), model)


def parse(raw: Mapping[str, Any], applied: Mapping[str, Any] | None = None) -> PipelineSpec:
    """The models of a spec. SpecError with every problem; `applied` as in `compile_pipeline`."""
    return compile_pipeline(raw, applied).spec


def compile_pipeline(
    raw: Mapping[str, Any], applied: Mapping[str, Any] | None = None, name: str = ""
) -> CompiledPipeline:
    """The executable form of a raw `spec`. SpecError with every problem, and never any other exception.

    `applied` is the spec as the user sent it, where that is known: the API server silently drops fields that
    it does not know, and a misspelt field must not pass for an absent one. `name` is the
    pipeline's own, where it is known: no step may name it.
    """
    shape = object_shape(PipelineSpec)
    data = without_nulls(shape, plain(raw))
    problems = all_problems(data, applied, name)
    if problems:
        raise SpecError(problems)
    try:
        spec = PipelineSpec.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        # Cannot happen while shapes and models agree (a property test); even so, users get no traceback.
        raise SpecError(
            [
                Problem(
                    "spec", SpecReason.INVALID_VALUE, f"is refused by the model: {error.error_count()} errors"
                )
            ]
        ) from error
    return _compiled(spec, data)


def compiled(spec: PipelineSpec) -> CompiledPipeline:
    """The executable form of a spec that has been compiled before (a frozen one)."""
    return _compiled(spec, spec.as_set())


def _compiled(spec: PipelineSpec, data: Mapping[str, Any]) -> CompiledPipeline:
    steps = read_steps(data)
    facts = {one.name: one for one in steps}
    graph = build_graph(steps)
    sorted_ = nx.lexicographical_topological_sort(graph, key=lambda name: facts[name].position)
    # Nothing needs a step that always runs, so these come last and the order stays topological.
    order = tuple(sorted(sorted_, key=lambda name: facts[name].always))
    return CompiledPipeline(spec, nx.freeze(graph), order, facts)
