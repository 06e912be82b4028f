"""How runs are executed and kept. Nothing here changes a result, so changing it starts no run."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from penstock_spec.base import Between, Duration, ObjectName, SpecModel

Deadline = Annotated[Duration, Between("1s", "365d")]
# As Duration, or 0s: not at all.
Keeping = Annotated[
    str,
    StringConstraints(pattern=r"^(0s|[1-9][0-9]{0,4}(s|m|h|d))$", min_length=2, max_length=6),
    Between("0s", "365d"),
]


class OnFailure(StrEnum):
    """What a failed step means for those that do not need it."""

    FINISH = "Finish"
    STOP = "Stop"


class OnChange(StrEnum):
    """What a change of the pipeline does."""

    RUN = "Run"
    PLAN = "Plan"
    WAIT = "Wait"


class Concurrency(StrEnum):
    """What becomes of a run that comes while another one of the pipeline is unfinished."""

    ALLOW = "Allow"
    QUEUE = "Queue"
    REPLACE = "Replace"
    FORBID = "Forbid"


class Archive(StrEnum):
    """Whether runs leave a record in the store."""

    BEFORE_DELETION = "BeforeDeletion"
    NEVER = "Never"


class KeepPods(SpecModel):
    """How long the Jobs of ended steps stay, and with them their pods and what kubectl logs shows."""

    succeeded: Keeping = Field(
        default="1h",
        description="Of a step that ended well, from its end, as 0s, 30m, 12h or 7d.",
    )
    failed: Keeping = Field(
        default="24h",
        description="Of a step that did not end well, and of attempts that were tried again.",
    )


class Queue(SpecModel):
    """The queue of Kueue in which Jobs wait for room."""

    local_queue: ObjectName = Field(
        description="Name of a LocalQueue of Kueue in the same namespace. Each Job waits in it, suspended, "
        "until Kueue admits it."
    )
    priority_class: ObjectName | None = Field(
        default=None,
        description="Name of a WorkloadPriorityClass of Kueue: who comes first in the queue, and who may be "
        "suspended again for others. Left out, what Kueue takes.",
    )


class Policy(SpecModel):
    """How runs are executed and kept. Changing it starts no run; a run keeps what it started with."""

    concurrency: Concurrency = Field(
        default=Concurrency.QUEUE,
        description="What becomes of a run that comes while another is unfinished. Allow: both run. Queue: "
        "it waits for its turn. Replace: the older one is cancelled, unless it is rolling a model out. "
        "Forbid: it does not run; a change still waits and is not lost.",
    )
    on_change: OnChange = Field(
        default=OnChange.RUN,
        description="What a change of the pipeline does. Run: it starts a run. Plan: it starts a run of mode "
        "Plan, which says what would happen. Wait: nothing, until a trigger or a person starts a run.",
    )
    keep_runs: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="Finished runs to keep; older ones are deleted with their Jobs and pods.",
    )
    keep_pods: KeepPods = Field(
        default_factory=KeepPods,
        description="How long the Jobs and pods of steps stay after their end. Their logs go with them; the "
        "last lines of a failed program stay in the status of the run.",
    )
    archive: Archive = Field(
        default=Archive.BEFORE_DELETION,
        description="Whether a record of each run is written to the store, where it outlives keepRuns. "
        "BeforeDeletion: a finished run beyond keepRuns is deleted once its record is written. Never: it is "
        "deleted without one.",
    )
    on_failure: OnFailure = Field(
        default=OnFailure.FINISH,
        description="When a step has failed. Finish: what does not need it goes on. Stop: nothing else "
        "starts, and what runs is ended; steps with always run all the same.",
    )
    max_parallel: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="How many Jobs of one run may be under way at a time, counting each cell of a step; the "
        "rest are Queued. Left out, any number.",
    )
    deadline: Deadline | None = Field(
        default=None,
        description="Time that a run may take, from its first step, as 90s, 30m or 12h. Then what runs is "
        "ended, and "
        "the outcome is Expired. Time in which the run is suspended, or all that it does waits in queues of "
        "Kueue, does not count. Left out, any time.",
    )
    queue: Queue | None = Field(
        default=None,
        description="Queue of Kueue in which the Jobs of steps wait for room; needs Kueue in the cluster. "
        "Left out, they start at once.",
    )
