"""The property test is worth something only if it catches real mistakes: several are sown here, each as a
change of code.
"""

import inspect
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import FunctionType
from typing import Any

import pytest

from penstock_operator.core import (
    attempts,
    bearing,
    cancels,
    cells,
    classify,
    forms,
    gang_services,
    halts,
    iterations,
    needs,
    pairs,
    parallel,
    plan_cells,
    plan_run,
    registered,
    retry,
    room,
    taking,
)
from penstock_spec import object_names
from tests.core.fake_shell import NotSettled
from tests.core.property_worlds import World, check
from tests.core.simulation import BrokenPromise

CHAIN = {"s0": [], "s1": ["s0"], "s2": ["s1"], "s3": ["s1"]}


def sow(monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], old: str, new: str) -> None:
    """Put `function` with `old` replaced by `new` in its place, wherever it is imported or listed."""
    assert isinstance(function, FunctionType)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{function.__name__} has changed: sow the bug anew"
    scope: dict[str, Any] = {}
    exec(source.replace(old, new), function.__globals__, scope)  # noqa: S102 - our own source, changed on purpose
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()) if module is not None else ():
            if value is function:
                monkeypatch.setattr(module, name, scope[function.__name__])
            elif isinstance(value, tuple) and any(one is function for one in value):
                rules = tuple(scope[function.__name__] if one is function else one for one in value)
                monkeypatch.setattr(module, name, rules)


def worlds_with(
    fates: dict[str, list[str]], kills: float = 0.0, drops: float = 0.0, lags: float = 0.0
) -> Sequence[World]:
    seeds = range(12 if kills or drops or lags else 1)  # without chance they are all the same
    return [World(CHAIN, fates=fates, kills=kills, lags=lags, drops=drops, seed=seed) for seed in seeds]


def check_all(some: Sequence[World]) -> None:
    for world in some:
        check(world)


KILLED = worlds_with({}, kills=0.3)
FAILING = worlds_with({"s1": ["oom", "oom", "oom"], "s3": ["exit3"]})
IMPOSTER = worlds_with({"s1": ["imposter"]})
DEAF = worlds_with({"s1": ["store", "store"], "s2": ["late"]}, drops=1.0)
# s1 is left out, so s2 and s3 have no input; s5 runs all the same, and s6 only because s4 has failed.
CONDITIONS = [
    World(
        {**CHAIN, "s4": [], "s5": [], "s6": [], "s7": []},
        after={"s5": ["s1"], "s7": ["s2"]},
        flags={"s1": False},
        asks={"s6": ("s4", "Failed")},
        fates={"s4": ["exit3"]},
        kills=0.2,
        seed=seed,
    )
    for seed in range(6)
]
HANGING = {"s1": ["hangs"], "s3": ["oom", "hangs"]}
CUT = [
    World(
        CHAIN,
        fates={**HANGING, "s2": ["store"]},
        always=["z0"],
        deadline="20s" if seed % 2 else "",
        cancel_at=None if seed % 2 else 14.0,
        suspended=(1.0, 3.0 + seed),
        lags=0.5,
        kills=0.1,
        seed=seed,
    )
    for seed in range(12)
]
# A run ends when caches may not show yet what it has started, and no event will tell.
UNSEEN = [
    World(
        {"s0": [], "s1": []},
        fates={"s0": ["hangs"], "s1": ["hangs"]},
        deadline="6s",
        lags=0.9,
        drops=1.0,
        seed=seed,
    )
    for seed in range(20)
]
# The same of a run that a person cancels.
CALLED_OFF = [replace(one, deadline="", cancel_at=6.0) for one in UNSEEN[:4]]
# A person cancels when a step has just ended well, and no cache shows pods.
CALLED_OFF_BLIND = [
    World(
        {"s0": [], "s1": ["s0"], "s2": ["s1"], "s3": ["s1", "s2"], "s4": [], "s5": ["s4", "s3"]},
        parallel=1,
        job_sets=0.0,
        room=2,
        cancel_at=23.262772311912713,
        suspended=(5.0, 20.0),
        fates={"s0": ["evicted"], "s1": ["pod_deleted"], "s2": ["job_deleted"], "s5": ["evicted"]},
        kills=0.1,
        away=10,
        blind=True,
        holds=0.9,
        seed=30825,
    )
]
# Cells that fail, cells that wait for room, and whoever gathers them, through kills.
CELLED = [
    World(
        {"s0": [], "s1": ["s0"], "s2": ["s1"], "s3": [], "s4": []},
        cells={"s0": 4, "s1": 3},
        values={"s4": "s3"},
        flags={"s3": seed % 2 == 0},
        most={"s0": 2} if seed % 3 else {},
        parallel=seed % 4,
        items=seed % 3,
        fates={"s0#2": ["oom", "store"], "s1#3": ["exit3"] if seed % 2 else ["job_deleted"]},
        kills=0.2,
        lags=0.3,
        seed=seed,
    )
    for seed in range(16)
]
# An attempt comes due while nobody is there to start it, and a Job has begun of which no status tells.
LEFT_ALONE = [replace(CELLED[9], away=away) for away in (10.0, 30.0)]
# Steps that are done for the cells of another, through cells that fail, wait or are left out.
PAIRED = [
    World(
        {"s6": [], "s0": [], "s1": ["s0", "s6"], "s2": ["s1"], "s3": ["s2"], "s4": [], "s5": []},
        cells={"s0": 4, "s4": 2},
        pairs={"s1": "s0", "s2": "s1", "s5": "s4"},
        after={"s2": ["s1"]} if seed % 3 == 0 else {"s5": ["s0"]} if seed % 3 == 1 else {},
        values={"s2": "s0"},
        flags={"s4": seed % 2 == 0},
        most={"s1": 2},
        parallel=seed % 4,
        items=seed % 3,
        fates={
            "s0#2": ["oom", "store"],
            "s0#3": ["exit3"],
            "s1#4": ["job_deleted"],
            **({"s6": ["late"]} if seed % 2 else {"s0#1": ["late"]}),
        },
        kills=0.2,
        lags=0.3,
        seed=seed,
    )
    for seed in range(6)
]
# Steps that are repeated: one that is good enough in time, one never, one that fails on the way.
REPEATED = [
    World(
        {"s0": [], "s1": ["s0"], "s2": [], "s3": [], "s4": ["s3"]},
        loops={"s0": (3, 4), "s2": (4, 2), "s3": (3, 3)},
        values={"s1": "s0"},
        fates={"s0#2": ["oom", "store"], "s3#2": ["exit3"] if seed % 2 else ["job_deleted"]},
        kills=0.2,
        lags=0.3,
        seed=seed,
    )
    for seed in range(4)
]
# While they run, the registry gets the version that s3 had missed, and a newer one than s2 reads.
READING = [
    World(CHAIN, reads={"s0": "there", "s2": "there", "s3": "missing"}, kills=0.1, seed=seed)
    for seed in range(4)
]
# Longer in a queue than a start may take.
QUEUED = [World(CHAIN, queued=700.0, fates={"s1": ["preempted"]}, lags=0.3, seed=seed) for seed in range(2)]
CROWDED = [
    World(
        {"s0": [], "s1": [], "s2": ["s0"], "s3": []}, room=2, fates={"s1": ["evicted"]}, kills=0.1, seed=seed
    )
    for seed in range(6)
]
# What waits for ten seconds less than anybody's patience, and caches that show it late.
PATIENT = [
    World(
        {"s0": []}, fates={"s0": ["late"]}, lags=0.3, drops=1.0, holds=0.9, suspended=(0.0, 600.0), seed=seed
    )
    for seed in (4, 21, 50)
]
# Its Job is suspended for longer than a start may take, and a cache shows it, or its pod, as it was before.
TAKEN_BACK = [
    World({"s0": []}, fates={"s0": ["preempted"]}, lags=0.3, drops=1.0, holds=0.9, seed=seed)
    for seed in (0, 19, 20, 27)
]
GANGS = [
    World(
        CHAIN,
        gangs=["s0", "s1", "s2"],
        fates={"s0": ["evicted", "oom"], "s1": ["pod_deleted", "no_result"], "s2": ["exit3"]},
        kills=0.1,
        lags=0.3,
        seed=seed,
    )
    for seed in range(8)
]
# The same where a gang is a JobSet, and where that kind comes while a run goes on.
JOB_SETS = [replace(one, job_sets=0.0, queued=float(40 * (seed % 2))) for seed, one in enumerate(GANGS[:4])]
JOB_SETS_COME = [replace(one, job_sets=2.0) for one in GANGS[:2]]
JOB_SETS_CUT = [
    World(
        {"s0": []},
        gangs=["s0"],
        job_sets=0.0,
        fates={"s0": ["hangs"]},
        deadline="3s",
        lags=0.9,
        drops=1.0,
        seed=seed,
    )
    for seed in (2, 13, 17)
]
# The others of a gang that has failed still end, and no cache shows them.
ENDING = [World(CHAIN, gangs=["s0", "s1"], fates={"s0": ["evicted"], "s1": ["oom"]}, blind=True)]
# Its end is seen by a live read, before its Job says so, and no cache shows it.
SEEN_ONCE = [World({"s0": [], "s1": ["s0"]}, fates={"s0": ["late"]}, blind=True)]
# The Job of a JobSet comes on a stream of its own.
SETS_SEEN_LATE = [
    World(
        {"s0": []},
        cells={"s0": 5},
        gangs=["s0"],
        job_sets=0.0,
        parallel=1,
        fates={"s0#1": ["unschedulable"]},
        kills=0.2,
        lags=0.3,
        drops=1.0,
        holds=0.5,
        seed=seed,
    )
    for seed in (12, 18, 49, 126, 127)
]
# What begins upon ends that no status tells of, through kills after which nothing else tells of them either.
BORNE = [
    World(
        {"s0": [], "s1": ["s0"], "s2": ["s0"], "s3": [], "s4": ["s2"], "s5": ["s4"]},
        parallel=3,
        fates={"s2": ["oom"], "s3": ["late"]},
        kills=0.1,
        lags=0.3,
        holds=0.95,
        sweeps=1.0,
        seed=seed,
    )
    for seed in range(12)
]
# Beside them steps begin that no Job bears the beginning of but those that come after.
BEGUN = [
    World(
        {
            "s0": [],
            "s1": ["s0"],
            "s2": ["s0"],
            "s3": [],
            "s4": ["s1"],
            "s5": ["s1", "s4"],
            "s6": ["s3"],
            "s7": ["s5"],
        },
        parallel=2,
        fates={"s5": ["evicted"], "s3": ["late"]},
        kills=0.3,
        away=5.0,
        lags=0.3,
        holds=0.95,
        seed=seed,
    )
    for seed in (3, 6, 7)
]
DELETED = [World(CHAIN, fates={"s1": ["job_deleted"], "s2": ["pod_deleted"]})]
LATE = worlds_with({"s1": ["exit3"], "s2": ["evicted"]}, lags=0.7)


@pytest.mark.parametrize(
    "some",
    [
        KILLED,
        FAILING,
        IMPOSTER,
        DEAF,
        LATE,
        SETS_SEEN_LATE,
        CONDITIONS,
        CUT,
        UNSEEN,
        CALLED_OFF,
        CALLED_OFF_BLIND,
        QUEUED,
        READING,
        CROWDED,
        GANGS,
        JOB_SETS,
        JOB_SETS_COME,
        JOB_SETS_CUT,
        ENDING,
        SEEN_ONCE,
        BORNE,
        BEGUN,
        DELETED,
        PATIENT,
        TAKEN_BACK,
        CELLED,
        LEFT_ALONE,
        REPEATED,
        PAIRED,
    ],
    ids=[
        "killed",
        "failing",
        "imposter",
        "deaf",
        "late",
        "job sets seen late",
        "conditions",
        "cut short",
        "unseen",
        "called off",
        "called off unseen",
        "queued",
        "reading",
        "crowded",
        "gangs",
        "sets",
        "sets that come",
        "sets cut short",
        "ending",
        "seen once",
        "borne",
        "begun",
        "deleted",
        "patient",
        "taken back",
        "celled",
        "left alone",
        "repeated",
        "paired",
    ],
)
def test_without_a_bug_these_worlds_come_to_the_right_rest(some: Sequence[World]) -> None:
    check_all(some)


@pytest.mark.parametrize(
    ("function", "old", "new", "some"),
    [
        pytest.param(
            object_names.job_name,
            "str(attempt), *which)",
            "str(attempt), *which, __import__('secrets').token_hex(4))",
            KILLED,
            id="random Job name",
        ),
        pytest.param(
            attempts._create, "begun, actions=actions", "begun, after=actions", KILLED, id="status before Job"
        ),
        pytest.param(
            classify.own_pods,
            "uid and pod.meta.owner_uid == uid",
            "uid",
            IMPOSTER,
            id="no uid check",
        ),
        pytest.param(
            plan_run._gathered,
            "again, resync, next_end(context), kept.look_again, *(one.look_again for one in decisions)",
            "again",
            DEAF,
            id="lost timer",
        ),
        pytest.param(
            attempts.watches,
            "if unread := _unread(context):",
            "if False:",
            LATE,
            id="absence of a Job taken from a cache",
        ),
        pytest.param(
            attempts.watches,
            "lacks_pods(job) and not context.is_live(PODS)",
            "False",
            LATE,
            id="absence of pods taken from a cache",
        ),
        pytest.param(
            needs.blocked,
            "if not kinds <= any_end(context, record)",
            "",
            CONDITIONS,
            id="who asks for failures is blocked",
        ),
        pytest.param(
            needs._missing_input,
            " and need.reason != Reason.WHEN_NOT_MET",
            "",
            CONDITIONS,
            id="a skip spreads along dependsOn",
        ),
        pytest.param(
            needs.waits,
            "record, context.recorded)",
            "record, context.records)",
            KILLED,
            id="start before the end is written",
        ),
        pytest.param(
            bearing.told_by_jobs, "not job.bears or", "True or", BORNE, id="what Jobs bear is not read"
        ),
        pytest.param(
            bearing.unwritten,
            '(*ended, *(one for one in begun if one not in ended and not one.get("cellCount")))',
            "tuple(ended)",
            BEGUN,
            id="what has begun beside is not borne",
        ),
        pytest.param(
            cancels._cut_short,
            "known[job.step].ended",
            "False",
            CALLED_OFF_BLIND,
            id="a cancel takes the log of what has ended well",
        ),
        pytest.param(
            cancels._cut_short,
            "after=tuple(map(delete, stuck)),",
            "",
            CALLED_OFF,
            id="a cancel leaves Jobs behind",
        ),
        pytest.param(
            halts.halted,
            "not all(map(context.is_live, lists))",
            "False",
            UNSEEN,
            id="ended by a cache",
        ),
        pytest.param(
            cancels.held,
            "not context.observed.run.suspended",
            "True",
            CUT,
            id="suspension holds nothing",
        ),
        pytest.param(
            object_names.job_name,
            "(str(cell),) if cell else ()",
            "()",
            CELLED,
            id="one Job for all cells",
        ),
        pytest.param(
            cells._end,
            "StepState.FAILED, StepState.CANCELLED",
            "StepState.CANCELLED",
            CELLED,
            id="a failed cell does not fail its step",
        ),
        pytest.param(
            cells.folded,
            "len(group.cells) == group.cell_count and ",
            "",
            CELLED,
            id="cells to come are forgotten",
        ),
        pytest.param(
            plan_cells._decided,
            "context.room.less(jobs=1)",
            "context.room",
            CELLED,
            id="cells share one place of the run",
        ),
        pytest.param(
            plan_cells._decided,
            "None if own is None else max(0, own - 1)",
            "own",
            CELLED,
            id="cells share one place of the step",
        ),
        pytest.param(
            taking.input_of,
            "cell_of(record, taker.cell)",
            "cell_of(record, 1)",
            PAIRED,
            id="a cell is given what another one made",
        ),
        pytest.param(
            pairs.waits,
            "context.recorded[name]",
            "context.records[name]",
            PAIRED,
            id="a cell begins before the end of its own is written",
        ),
        pytest.param(
            pairs.broken,
            "one.state not in _MET",
            "False",
            PAIRED,
            id="a cell begins though its own has failed",
        ),
        pytest.param(
            cells._end,
            "StepState.BLOCKED, StepState.SUCCEEDED",
            "StepState.SUCCEEDED",
            PAIRED,
            id="a blocked cell does not block its step",
        ),
        pytest.param(
            needs._lets_begin,
            "by_cell and not",
            "not",
            PAIRED,
            id="what is needed as a whole is not waited for",
        ),
        pytest.param(
            needs._needs,
            "kinds - BY_CELL if by_cell else kinds",
            "kinds",
            PAIRED,
            id="one failed cell blocks all of the next step",
        ),
        pytest.param(
            iterations._iterated,
            "last is not None and not good and",
            "not good and",
            REPEATED,
            id="an iteration beside the one before",
        ),
        pytest.param(
            iterations._iterated,
            "        state=StepState.FAILED,\n",
            "",
            REPEATED,
            id="never good enough is good enough",
        ),
        pytest.param(
            cells.failures,
            "return (record,)",
            "return ()",
            REPEATED,
            id="a step that failed without a failed iteration is forgotten",
        ),
        pytest.param(
            taking.previous_of,
            ".cells[record.cell - 1]",
            ".cells[1]",
            REPEATED,
            id="an iteration goes on from the first",
        ),
        pytest.param(
            plan_run._prepared,
            "parallel.room_of(context.policy.max_parallel, recorded)",
            "parallel.room_of(context.policy.max_parallel, {})",
            CELLED,
            id="what is under way takes no room",
        ),
        pytest.param(
            parallel.goes_on,
            "record.state is StepState.RETRYING and not record.remakes",
            "False",
            LEFT_ALONE,
            id="a retry loses its place",
        ),
        pytest.param(
            needs._missing_input,
            "{INPUT, VALUE} & kinds",
            "INPUT in kinds",
            CELLED,
            id="a skip does not spread along values",
        ),
        pytest.param(
            registered.pins,
            'if "pinned" in run.status:',
            'if run.status.get("startedAt") and len(observed.versions) < 2:',
            READING,
            id="pinned again when the registry changes",
        ),
        pytest.param(
            registered.lacks,
            "record.state is StepState.WAITING",
            "False",
            READING,
            id="a model that is missing is not missed",
        ),
        pytest.param(
            classify.classify,
            "if job.suspended and",
            "if False and",
            QUEUED,
            id="the start deadline counts time in a queue",
        ),
        pytest.param(
            attempts.watches,
            "(*objects_of(context, record.name, record.job), PODS)",
            "objects_of(context, record.name, record.job)",
            PATIENT,
            id="patience lost by a cache of pods",
        ),
        pytest.param(
            attempts.watches,
            "(*objects_of(context, record.name, record.job), PODS)",
            "(PODS,)",
            TAKEN_BACK,
            id="patience lost by a cache of Jobs",
        ),
        pytest.param(
            attempts._seems_to_wait,
            "not is_at_rest(job) if is_over(job) else is_stuck(job)",
            "is_stuck(job)",
            TAKEN_BACK,
            id="patience lost with a pod of a Job that is over",
        ),
        pytest.param(
            classify.is_at_rest,
            "return is_over(job) and all(",
            "return is_over(job) or all(",
            GANGS,
            id="a gang beside the last one's pods",
        ),
        pytest.param(
            attempts.retries,
            "(job is None or lacks_pods(job)) and not context.is_live(PODS)",
            "False",
            ENDING,
            id="a gang beside pods that no cache shows",
        ),
        pytest.param(
            attempts.retries,
            "if record.job in context.observed.ending and",
            "if False and",
            DELETED,
            id="an attempt beside the pod of a Job that was deleted",
        ),
        pytest.param(
            attempts.ended,
            "if unsure else",
            "if False else",
            SEEN_ONCE,
            id="a Job that has ended is taken for one that goes on",
        ),
        pytest.param(
            attempts.doubts,
            "(*(ref for job in stuck if (ref := _inner(job)) is not None), *pods)",
            "pods",
            SETS_SEEN_LATE,
            id="a JobSet that has ended is taken for one that goes on",
        ),
        pytest.param(
            gang_services.needed,
            "return () if manifest is None else (Create(manifest),)",
            "return ()",
            GANGS,
            id="a gang without its Service",
        ),
        pytest.param(
            gang_services.left_over, "one.name not in wanted and", "False and", GANGS, id="Services stay"
        ),
        pytest.param(
            forms.kind_of,
            "has_job_sets(context.observed.run.status)",
            "context.observed.job_sets",
            JOB_SETS_COME,
            id="a gang is what the cluster has by now",
        ),
        pytest.param(
            forms.lists_of,
            "(Ref(JOB), Ref(JOB_SET))",
            "(Ref(JOB),)",
            JOB_SETS_CUT,
            id="an unseen JobSet lives on",
        ),
        pytest.param(
            classify.maker_of_pods,
            "return child.uid if child is not None",
            "return job.meta.uid if child is not None",
            JOB_SETS,
            id="whose pods they are goes by the JobSet",
        ),
        pytest.param(
            attempts.delete, "Delete(job.kind,", 'Delete("Job",', JOB_SETS_CUT, id="a JobSet deleted as a Job"
        ),
        pytest.param(room.full, " < limit", " <= limit", CROWDED, id="one Job too many"),
        pytest.param(room.full, " | unseen", "", CROWDED, id="what this pass starts does not count"),
        pytest.param(
            room._spent,
            "has_succeeded(job)",
            "job.pods",
            CROWDED,
            id="a Job whose pod goes on takes no place",
        ),
        pytest.param(
            retry.failed,
            "used < budget.retries and",
            "used <= budget.retries and",
            FAILING,
            id="retry off by one",
        ),
    ],
)
def test_a_seeded_bug_is_caught(
    monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], old: str, new: str, some: Sequence[World]
) -> None:
    sow(monkeypatch, function, old, new)
    # A planner that trips over what it has done itself is found out too.
    with pytest.raises((BrokenPromise, NotSettled, LookupError)):
        check_all(some)
