"""What must hold beyond the shape of the file. One module per subject; each finds all it can."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from penstock_spec.checks import (
    cells,
    children,
    containers,
    dead,
    deadlines,
    estimators,
    gates,
    jobs,
    memory,
    monitors,
    order,
    pairs,
    parameters,
    pruned,
    references,
    registered,
    repeats,
    retries,
    reuses,
    sizes,
    tables,
    triggers,
    whens,
)
from penstock_spec.checks.document import Document, read_document
from penstock_spec.errors import Problem
from penstock_spec.pipeline import PipelineSpec
from penstock_spec.shapes import object_shape
from penstock_spec.structure import structure_problems

Check = Callable[[Document], Iterator[Problem]]
CHECKS: tuple[Check, ...] = (
    parameters.declarations,
    parameters.uses,
    references.inputs,
    references.waits,
    cells.kinds,
    cells.axes,
    cells.entries,
    cells.totals,
    pairs.others,
    repeats.kinds,
    repeats.tests,
    registered.candidates,
    registered.names,
    registered.parameters,
    registered.totals,
    whens.references,
    whens.types,
    dead.bounds,
    dead.ends,
    order.cycles,
    order.last,
    deadlines.contradictions,
    retries.budgets,
    jobs.queues,
    reuses.policies,
    order.deploys,
    containers.environment,
    containers.names,
    tables.columns,
    tables.row_checks,
    tables.fractions,
    tables.column_names,
    tables.targets,
    estimators.classes,
    estimators.arguments,
    gates.thresholds,
    gates.metrics,
    gates.leaks,
    gates.models,
    memory.steps,
    monitors.endpoints,
    monitors.limits,
    monitors.redacted,
    children.itself,
    children.without_pod,
    triggers.names,
    triggers.schedules,
    sizes.totals,
)


def all_problems(data: Any, applied: Any = None, name: str = "") -> list[Problem]:
    """Every problem of a plain spec, sorted by path. `applied`: see `pruned.unknown_fields`.

    `name` is the pipeline's own, where that is known.
    """
    shape = object_shape(PipelineSpec)
    problems = structure_problems(shape, data, ("spec",))
    if applied is not None:
        problems += pruned.unknown_fields(shape, applied, data)
    if isinstance(data, Mapping):
        document = read_document(data, name)
        found = [problem for check in CHECKS for problem in check(document)]
        # A malformed value at or below the same place may be all that is wrong: one mistake, one problem.
        malformed = {place for one in problems for place in _with_parents(one.path)}
        problems += [one for one in found if one.path not in malformed]
    return sorted(dict.fromkeys(problems), key=lambda one: _natural(one.path))


def _with_parents(path: str) -> Iterator[str]:
    """The path and everything that it lies in: spec.steps[0], spec.steps, spec."""
    yield path
    while (cut := max(path.rfind("."), path.rfind("["))) > 0:
        path = path[:cut]
        yield path


def _natural(path: str) -> list[tuple[int, str]]:
    """Sorts steps[2] before steps[10]."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path)]
