"""Budgets: how often a class of failure is retried, and what the next attempt gets that this one lacked."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from penstock_operator.core.child_remakes import is_made_here, is_settled
from penstock_operator.core.child_runs import KIND, RUNS
from penstock_operator.core.context import RunContext
from penstock_operator.core.findings import Failed
from penstock_operator.core.lost_cells import lost_cells, parts_of, words_of
from penstock_operator.core.observed import Ref
from penstock_operator.core.pins import read_by
from penstock_operator.core.record import StepRecord, is_remade
from penstock_operator.core.settings import Budget
from penstock_operator.core.taking import giver, previous_of
from penstock_operator.core.work import memory_of, scratch_of
from penstock_operator.manifests.quantity import bounded, grown_memory, is_more
from penstock_spec.base import seconds_of
from penstock_spec.cell_numbers import text_of
from penstock_spec.names import FailureClass
from penstock_spec.retry import GrowingBudget
from penstock_spec.status import StepState


@dataclass(frozen=True)
class Change:
    """What is different about the next attempt, in words; why there can be none where it is not
    `possible`; what has to be read live before that can be said.
    """

    words: str = ""
    possible: bool = True
    memory: str = ""
    scratch: str = ""
    remakes: tuple[str, ...] = ()
    remake_cells: Mapping[str, str] = field(default_factory=dict)
    confirm: tuple[Ref, ...] = ()


def budget_of(context: RunContext, record: StepRecord, failure_class: FailureClass) -> Budget:
    """The installation's budget for the class, with what the step itself says."""
    budget = context.settings.budgets[failure_class]
    retry = context.pipeline.spec.step(record.name).retry
    own = None if retry is None else retry.budget(failure_class)
    if own is None:
        return budget
    if own.limit is not None:
        budget = replace(budget, retries=own.limit)
    if own.backoff is None:
        return budget
    first, factor, longest = own.backoff.first, own.backoff.factor, own.backoff.maximum
    return replace(
        budget,
        first=budget.first if first is None else float(seconds_of(first)),
        factor=budget.factor if factor is None else factor,
        maximum=_longest(budget, first, longest),
    )


def _longest(budget: Budget, first: str | None, longest: str | None) -> float:
    """The longest pause; a first pause that is longer than the usual longest is meant."""
    if longest is not None:
        return float(seconds_of(longest))
    return budget.maximum if first is None else max(budget.maximum, float(seconds_of(first)))


def change_of(context: RunContext, record: StepRecord, failure: Failed) -> Change:
    """What the next attempt gets after this failure."""
    if failure.failure_class is FailureClass.OUT_OF_MEMORY:
        given = memory_of(context, record)
        grown = _grown(context, record, failure.failure_class, given)
        return _more("memory", given, grown, Change(memory=grown))
    if failure.failure_class is FailureClass.OUT_OF_DISK:
        given = scratch_of(context, record)
        if not given:
            return Change("resources.scratch says no size that could grow", possible=False)
        grown = _grown(context, record, failure.failure_class, given)
        return _more("scratch space", given, grown, Change(scratch=grown))
    if failure.failure_class is FailureClass.INPUT_MISSING:
        return _remade(context, record, failure)
    return Change()


def _grown(context: RunContext, record: StepRecord, failure_class: FailureClass, given: str) -> str:
    retry = context.pipeline.spec.step(record.name).retry
    own = None if retry is None else retry.budget(failure_class)
    factor, maximum = context.settings.memory_factor, ""
    if isinstance(own, GrowingBudget):
        factor, maximum = own.factor or factor, own.maximum or ""
    return bounded(grown_memory(given, factor), maximum)


def _more(what: str, given: str, grown: str, change: Change) -> Change:
    if not is_more(grown, given):
        return Change(f"it has had the most {what} that its retries may get, {given}", possible=False)
    return replace(change, words=f"the next attempt gets {grown}")


def _remade(context: RunContext, record: StepRecord, failure: Failed) -> Change:
    """The steps that are run again: those of which this run has only taken over the outputs."""
    for name, pin in read_by(context.pipeline, record.name, context.values, context.pins).items():
        if name in failure.inputs:
            return Change(f"nothing makes the bytes of ModelVersion {pin.version} again", possible=False)
    sources = dict(context.pipeline.inputs(record.name))
    sources |= {name: (record.name, name) for name in previous_of(context, record)}
    lost = [sources[one] for one in failure.inputs if one in sources]
    names = tuple(dict.fromkeys(step for step, _ in lost))
    records = [giver(context, context.records[one], record) for one in names]
    if any(one.kind == KIND and not is_settled(context, one) for one in records):
        return Change(confirm=(RUNS,))
    missed = {name: {output for step, output in lost if step == name} for name in names}
    cells = lost_cells(context, record, failure, sources)
    parts = [part for one in records for part in parts_of(one, cells.get(one.name, ()))]
    if not names or any(_made_here(context, one, missed[one.name]) for one in parts):
        return Change("it was made in this run, so something has removed it since", possible=False)
    words = ", ".join(f"{name}{words_of(context.records[name], cells.get(name, ()))}" for name in names)
    told = {name: text_of(numbers) for name, numbers in cells.items()}
    return Change(f"made again first: {words}", remakes=names, remake_cells=told)


def _made_here(context: RunContext, source: StepRecord, outputs: Collection[str]) -> bool:
    """Whether this very run has made what is lost: a step, or one cell of it."""
    # One that is being made again, or was while the attempt ran, is as good as one that is to be.
    if is_remade(source) or is_remade(context.records[source.name]):
        return False
    if any(leaf.state is StepState.REUSED for leaf in source.leaves):
        return False
    return source.kind != KIND or all(is_made_here(context, leaf, outputs) for leaf in source.leaves)
