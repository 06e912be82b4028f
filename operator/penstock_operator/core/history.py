"""What earlier runs of a Pipeline made, for reuse and for saying what has changed. The shell fills Observed
by it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from penstock_operator.core.ahead import pipeline_uid
from penstock_operator.core.earlier import Earlier
from penstock_operator.core.observed import RunObject, VersionView
from penstock_operator.core.times import stamp
from penstock_spec.status import SATISFYING, StepState

MOST_PREVIOUS = 4  # runs of which the frozen steps are read, so that a step can say what has changed


def earlier_steps(run: RunObject, runs: Iterable[RunObject]) -> Sequence[Earlier]:
    """Every step that ended well in another run of the same Pipeline object, newest run first."""
    return tuple(
        _earlier(other, entry)
        for other in _before(run, runs)
        for entry in other.status.get("steps", ())
        if entry.get("cells") or (entry.get("state") in SATISFYING and entry.get("digest"))
    )


def previous_runs(run: RunObject, runs: Iterable[RunObject]) -> Sequence[RunObject]:
    """What the steps of a run are compared with: the run that it repeats, then the newest finished ones of
    the same Pipeline object, each as far as it got to a step that none of those before it had got to.
    """
    before = [one for one in _before(run, runs) if one.finished and one.status.get("snapshot")]
    repeated = [one for one in before if one.meta.name == run.rerun.get("run")]
    found: list[RunObject] = []
    reached: set[str] = set()
    for one in (*repeated, *before):
        more = {entry["name"] for entry in one.status.get("steps", ()) if _was_reached(entry)} - reached
        if more and len(found) < MOST_PREVIOUS:
            found.append(one)
            reached |= more
    return found


def _was_reached(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("digest") or entry.get("cells"))


def _before(run: RunObject, runs: Iterable[RunObject]) -> list[RunObject]:
    uid = pipeline_uid(run)
    others = [
        one
        for one in runs
        if one.meta.uid != run.meta.uid and one.pipeline == run.pipeline and pipeline_uid(one) == uid
    ]
    return sorted(others, key=lambda one: (one.meta.created, one.meta.name), reverse=True)


def _earlier(run: RunObject, entry: Mapping[str, Any]) -> Earlier:
    return Earlier(
        run=run.meta.name,
        created=run.meta.created,
        step=entry["name"],
        digest=entry.get("digest", ""),
        outputs=entry.get("outputs", {}),
        source_revision=entry.get("sourceRevision", ""),
        results=entry.get("results", {}),
        metrics=entry.get("metrics", {}),
        verdict=entry.get("verdict", ""),
        model_version=entry.get("modelVersion", ""),
        counts=entry.get("counts", {}),
        image=entry.get("image", ""),
        made=made(entry),
        entry=entry if entry.get("cells") else {},
    )


def made(entry: Mapping[str, Any]) -> str:
    """When the result of a step that ended well was really made; empty where nobody has noted it."""
    own = entry.get("finishedAt", "") if entry.get("state") == StepState.SUCCEEDED else ""
    return str(entry.get("madeAt", own))


def registered_steps(versions: Iterable[VersionView]) -> Sequence[Earlier]:
    """The trainings that registered models came from, newest first: their runs may be gone, they are not."""
    known = [one for one in versions if one.lineage]
    return tuple(_trained(one) for one in sorted(known, key=lambda one: one.number, reverse=True))


def _trained(version: VersionView) -> Earlier:
    lineage = version.lineage
    images = {one["step"]: one["image"] for one in lineage.get("images", ())}
    return Earlier(
        run=lineage["run"],
        created=version.meta.created,
        step=lineage["step"],
        digest=lineage["stepDigest"],
        outputs={"model": version.digest},
        metrics=version.metrics,
        model_version=version.meta.name,
        image=images.get(lineage["step"], ""),
        made=stamp(version.meta.created),
        registered=True,
    )
