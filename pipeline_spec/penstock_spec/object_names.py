"""The names of the objects that the operator makes: each follows from what it is for, and so is a lock."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime


def short_hash(*parts: str, length: int = 10) -> str:
    """The first `length` hex digits of the sha256 over `parts`, joined so that no two lists collide."""
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:length]


def run_name(pipeline: str, generation: int, uid: str | None = None) -> str:
    """The name of the run that a changed spec starts; it is the lock against a second start.

    `uid` (of the Pipeline) is given when another Pipeline's run already holds the plain name.
    """
    plain = f"{pipeline}-g{generation}"
    return plain if uid is None else f"{plain}-{short_hash(uid, length=4)}"


def tick_name(pipeline: str, moment: datetime, uid: str | None = None) -> str:
    """The name of the run that a schedule starts for this minute; the lock, as in `run_name`."""
    plain = f"{pipeline}-{moment.astimezone(UTC):%Y%m%d%H%M}"
    return plain if uid is None else f"{plain}-{short_hash(uid, length=4)}"


def episode_name(pipeline: str, condition: str, number: int, uid: str | None = None) -> str:
    """The name of the run that an episode of an endpoint's condition starts; the lock, as in `run_name`.

    `uid` (of the endpoint) is given when another episode's run already holds the plain name.
    """
    plain = f"{pipeline}-{condition.lower()}-{number}"
    return plain if uid is None else f"{plain}-{short_hash(pipeline, uid, length=4)}"


def revision_name(pipeline: str, pipeline_uid: str, spec_digest: str) -> str:
    """The ControllerRevision that freezes a spec.

    The uid keeps a re-created Pipeline off its predecessor's.
    """
    return f"{pipeline}-{short_hash(pipeline_uid, spec_digest)}"


def job_name(run: str, run_uid: str, step: str, attempt: int, cell: int = 0) -> str:
    """The Job of one attempt of one step, or of one of its cells.

    Readable, at most 51 characters, and the lock against a second start.
    """
    readable = f"{run}-{step}"[:40].rstrip("-")
    which = (str(cell),) if cell else ()
    return f"{readable}-{short_hash(run_uid, step, str(attempt), *which)}"


def job_set_name(run: str, run_uid: str, step: str, attempt: int, cell: int = 0) -> str:
    """The JobSet of one attempt of a gang; in form and meaning as `job_name`, and at most 43 characters.

    JobSet bounds the names of the pods, random end included.
    """
    readable = f"{run}-{step}"[:32].rstrip("-")
    which = (str(cell),) if cell else ()
    return f"{readable}-{short_hash(run_uid, step, str(attempt), *which)}"


def archive_job(pipeline: str, pipeline_uid: str, runs: Sequence[str], attempt: int) -> str:
    """The Job that writes the records of these runs (uids), in the given attempt; at most 59 characters."""
    unique = short_hash(pipeline_uid, *runs, str(attempt))
    return f"{pipeline[:40].rstrip('-')}-archive-{unique}"


def sweep_job(pipeline: str, pipeline_uid: str, moment: datetime) -> str:
    """The Job that looks through the namespace's artifacts at this time; at most 57 characters."""
    unique = short_hash(pipeline_uid, moment.strftime("%Y%m%d%H%M%S"))
    return f"{pipeline[:40].rstrip('-')}-sweep-{unique}"


def child_name(run: str, run_uid: str, step: str, attempt: int, cell: int = 0) -> str:
    """The PipelineRun of one attempt of a step that is a pipeline, or of one of its cells; in form and
    meaning as `job_name`.
    """
    return job_name(run, run_uid, step, attempt, cell)


def server_name(endpoint: str, version: str, digest: str, settings: str = "") -> str:
    """The Deployment that serves one model version on an endpoint. `settings`: see LABEL_SERVER_SETTINGS."""
    more = (settings,) if settings else ()  # what an earlier Penstock made has none
    return f"{endpoint[:40].rstrip('-')}-{short_hash(endpoint, version, digest, *more)}"


def window_job(endpoint: str, endpoint_uid: str, end: datetime, attempt: int = 1) -> str:
    """The Job that judges one window of an endpoint, in the given attempt; at most 63 characters.

    The name is the lock: no window is judged by two Jobs of one attempt. `end` is a time in UTC.
    """
    stamp = end.strftime("%Y%m%d%H%M%S")
    again = (str(attempt),) if attempt > 1 else ()
    return f"{endpoint[:40].rstrip('-')}-w{stamp}-{short_hash(endpoint_uid, stamp, *again, length=6)}"
