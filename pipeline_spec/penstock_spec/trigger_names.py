"""Names of what triggers make. They are readable, and the lock against a second one."""

from datetime import UTC, datetime

from penstock_spec.object_names import short_hash


def cause_name(pipeline: str, pipeline_uid: str, trigger: str, *cause: str) -> str:
    """The name of the run that a trigger starts for what it saw; the lock, as in `run_name`.

    `cause` tells what was seen from everything else that this trigger sees.
    """
    return f"{_cause_stem(pipeline, trigger)}-{short_hash(pipeline_uid, trigger, *cause)}"


def is_cause_name(name: str, pipeline: str, trigger: str) -> bool:
    """Whether `name` is of the form that `cause_name` gives for this trigger of this Pipeline."""
    return name.rpartition("-")[0] == _cause_stem(pipeline, trigger) and len(name.rpartition("-")[2]) == 10


def _cause_stem(pipeline: str, trigger: str) -> str:
    return f"{pipeline}-{trigger}"[:52].rstrip("-")


def probe_job(pipeline: str, pipeline_uid: str, trigger: str, moment: datetime) -> str:
    """The Job that looks for a trigger at this time; the lock: nothing is looked at by two Jobs at a time."""
    stamp = moment.astimezone(UTC).strftime("%Y%m%d%H%M%S")
    stem = f"{pipeline}-{trigger}"[:34].rstrip("-")
    return f"{stem}-look-{short_hash(pipeline_uid, trigger, stamp)}"
