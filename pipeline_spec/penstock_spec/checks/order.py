"""The order of the steps: it exists, and says which of two deployments comes last."""

from collections.abc import Iterator

import networkx as nx

from penstock_spec.checks.document import Document, problem
from penstock_spec.errors import Problem, SpecReason
from penstock_spec.paths import Path
from penstock_spec.references import StepFacts


def cycles(document: Document) -> Iterator[Problem]:
    """One problem per knot of steps that wait for each other, at a reference that is part of it."""
    for knot in nx.strongly_connected_components(document.graph):
        if len(knot) < 2:
            continue
        first = min(knot, key=lambda name: document.by_name[name].position)
        # Edges run from a step to those that wait for it; reversed, they read "waits for".
        waits_for = nx.reverse_view(nx.subgraph(document.graph, knot))
        circle = [after for after, _ in nx.find_cycle(waits_for, source=first)]
        start = circle.index(min(circle, key=lambda name: document.by_name[name].position))
        circle = circle[start:] + circle[:start]
        step = document.by_name[circle[0]]
        said = " -> ".join([*circle[:12], *(["..."] if len(circle) > 12 else []), circle[0]])
        message = f"these steps wait for each other: {said}"
        hint = (
            "Remove one of these references (a deploy also waits for every gate of its model, a monitor for "
            "every deploy to its endpoint)."
        )
        yield problem(_edge(step, circle[1]), SpecReason.CYCLE, message, hint)


def _edge(step: StepFacts, other: str) -> Path:
    """Where a step says that it waits for the other; the step itself where it is only implied."""
    return next((path for path, name in _references(step) if name == other), step.path)


def last(document: Document) -> Iterator[Problem]:
    """What runs after everything else cannot come before something."""
    for step in document.steps:
        if step.always:
            continue
        for path, name in _references(step):
            other = document.by_name.get(name)
            if other is not None and other.always and other is not step:
                message = f'step "{name}" always runs after all others, so this one cannot wait for it'
                hint = "Set always: true here as well, or remove it there."
                yield problem(path, SpecReason.CONFLICTING_FIELDS, message, hint)


def _references(step: StepFacts) -> list[tuple[Path, str]]:
    """Every place in which the step names another one."""
    inputs = [(one.path, one.step) for one in step.inputs.values()]
    taken = [(one.path, one.step) for one in step.taken]
    tests = [(one.place, one.step) for one in step.tests if one.step]
    same = [((*step.path, "matrix", "sameAs"), step.same_as)] if step.same_as else []
    return [*inputs, *step.depends_on, *taken, *tests, *same]


def deploys(document: Document) -> Iterator[Problem]:
    """Of two deploys to one endpoint one must come after the other, or chance decides what serves."""
    if not nx.is_directed_acyclic_graph(document.graph):
        return
    last: dict[str, StepFacts] = {}
    order = nx.lexicographical_topological_sort(
        document.graph, key=lambda name: document.by_name[name].position
    )
    for name in order:
        step = document.by_name[name]
        endpoint = step.body.get("endpoint")
        if step.kind != "deploy" or not isinstance(endpoint, str):
            continue
        before = last.get(endpoint)
        if before is not None and not nx.has_path(document.graph, before.name, name):
            message = f'step "{before.name}" deploys to "{endpoint}" too, and neither waits for the other'
            hint = f"Add dependsOn: [{before.name}], or deploy to another endpoint."
            yield problem((*step.body_path, "endpoint"), SpecReason.UNORDERED_DEPLOYS, message, hint)
        last[endpoint] = step
