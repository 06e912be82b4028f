"""Pairs: steps that are done for the same cells; each cell takes what the same cell of another gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock_spec.references import StepFacts


def origin_of(steps: Mapping[str, StepFacts], name: str) -> StepFacts | None:
    """The step whose own cells the step has: itself, or one that `sameAs` leads to.

    None where it has no cells, where there is no such step, and in a circle.
    """
    seen: set[str] = set()
    step = steps.get(name)
    while step is not None and step.same_as:
        if step.name in seen:
            return None
        seen.add(step.name)
        step = steps.get(step.same_as)
    return step if step is not None and step.gives_lists else None


def paired(steps: Mapping[str, StepFacts], before: str, after: str) -> bool:
    """Whether what step `after` takes of step `before` is what the same cell of it gave."""
    if before == after or after not in steps or not steps[after].same_as:
        return False
    origin = origin_of(steps, after)
    return origin is not None and origin is origin_of(steps, before)
