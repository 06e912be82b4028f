"""Jobs and pods as a cluster reports them, for tables of worlds. Worlds that cannot exist are refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from penstock_operator.core.expectation import Expectation
from penstock_operator.core.observed import ContainerView, JobView, Meta, PodView

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
JOB = "p-g1-fit-0123456789"
BUILT_IN = Expectation(
    kind="train",
    job=JOB,
    namespace="ml",
    users_program=False,
    outputs={"model": "Model"},
    cpu="500",
    memory="1Gi",
)
PROGRAM = Expectation(
    kind="run",
    job=JOB,
    namespace="ml",
    users_program=True,
    outputs={"files": "Files"},
    cpu="500",
    memory="1Gi",
)
DIGEST = "sha256:" + "a" * 64


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def meta(name: str, uid: str, age: float, owner: str = "", *, deleting: bool = False) -> Meta:
    return Meta("ml", name, uid, ago(age), owner_uid=owner, deleting=deleting)


def container(name: str, *, init: bool = False, **fields: object) -> ContainerView:
    """A container in exactly one state: waiting, running or terminated."""
    one = replace(ContainerView(name, init), **fields)  # type: ignore[arg-type]  # checked by the dataclass' own use
    states = [bool(one.waiting_reason), one.running, one.exit_code is not None]
    assert sum(states) <= 1, f"a container cannot be in two states: {one}"
    assert not one.terminated_reason or one.exit_code is not None, "terminated without an exit code"
    return one


def pod(*containers: ContainerView, phase: str = "Pending", age: float = 5, **fields: object) -> PodView:
    """A pod of the Job. Phases that contradict the containers are refused."""
    codes = [one.exit_code for one in containers]
    if phase == "Succeeded":
        assert all(code == 0 for code in codes), "a pod succeeds only when every container has"
    if phase == "Failed" and containers:
        assert any(code not in (None, 0) for code in codes) or "reason" in fields, "nothing failed"
    about = meta(f"{JOB}-x", "pod-uid", age, owner="job-uid", deleting=bool(fields.pop("deleting", False)))
    made = PodView(about, phase, scheduled_at=about.created, containers=containers)
    return replace(made, **fields)  # type: ignore[arg-type]  # as above


def job(
    *pods: PodView, age: float = 10, failed: str = "", complete: bool = False, deleting: bool = False
) -> JobView:
    """The Job. A Job cannot both fail and complete, nor be younger than its pods."""
    assert not (failed and complete), "a Job ends once"
    age = max([age, *((NOW - one.meta.created).total_seconds() for one in pods)])
    return JobView(
        meta(JOB, "job-uid", age, "run-uid", deleting=deleting),
        failed_reason=failed,
        complete=complete,
        pods=pods,
    )


def program_pod(main: ContainerView, fetch: ContainerView | None = None, **fields: object) -> PodView:
    """The pod of a user's program: fetch has ended well, publish waits for its turn."""
    first = fetch or container("fetch", init=True, exit_code=0)
    last = container("publish", waiting_reason="PodInitializing")
    return pod(first, main, last, **fields)  # type: ignore[arg-type]  # as above
