"""Who waits for whom, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import networkx as nx

if TYPE_CHECKING:
    from penstock_spec.references import StepFacts

# Why a step waits for another one.
INPUT, DEPENDS_ON = "input", "dependsOn"
GATE, ENDPOINT = "gate", "endpoint"  # a deploy for the gates of its model, a monitor for its deploys
VALUE = "value"  # a field takes the value of a result of the other one
RESULT, STATE = "result", "state"  # its `when` asks for a result of the other one, or how that ended
SAME = "sameAs"  # it is done for the cells of the other one

Source = tuple[str, str]  # a step and one of its outputs


def build_graph(steps: Sequence[StepFacts]) -> nx.DiGraph[str]:
    """The edges among the steps that exist; `kinds` of an edge is why: see the names above.

    A deploy waits for every gate of its model, a monitor for every deploy to its endpoint, asked for or not.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(one.name for one in steps)

    def connect(before: str, after: str, kind: str) -> None:
        if before in graph and before != after:
            kinds = graph.edges[before, after]["kinds"] if graph.has_edge(before, after) else frozenset()
            graph.add_edge(before, after, kinds=kinds | {kind})

    for one in steps:
        for name, kind in _said(one):
            connect(name, one.name, kind)
        model = model_key(one)
        if one.kind == "deploy" and model is not None:
            for gate in gates_of(steps, model):
                connect(gate, one.name, GATE)
        if one.kind == "monitor":
            for deploy in deploys_to(steps, one.body.get("endpoint")):
                connect(deploy.name, one.name, ENDPOINT)
    return graph


def _said(step: StepFacts) -> Iterator[tuple[str, str]]:
    """The steps that this one names, and why."""
    yield from ((one.step, INPUT) for one in step.inputs.values())
    yield from ((name, DEPENDS_ON) for _, name in step.depends_on)
    yield from ((one.step, VALUE) for one in step.taken)
    yield from ((name, SAME) for name in (step.same_as,) if name)
    yield from ((one.step, RESULT if one.result else STATE) for one in step.tests if one.step)


def deploys_to(steps: Sequence[StepFacts], endpoint: Any) -> tuple[StepFacts, ...]:
    """The deploy steps among `steps` that name this endpoint, in the order of the file."""
    return tuple(one for one in steps if one.kind == "deploy" and one.body.get("endpoint") == endpoint)


def gates_of(steps: Sequence[StepFacts], model: Source) -> tuple[str, ...]:
    """The validate steps among `steps` that judge the model, in the order of the file."""
    return tuple(one.name for one in steps if one.kind == "validate" and model_key(one) == model)


def model_key(step: StepFacts) -> Source | None:
    """What tells the model that the step reads from others: step and output, or its name in the registry
    behind an empty text. None where that is not known.
    """
    if "model" in step.inputs:
        return step.inputs["model"].source
    return ("", step.registered["model"].key) if "model" in step.registered else None
