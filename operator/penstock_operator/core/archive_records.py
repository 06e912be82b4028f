"""The record of a run: all that is left of it once the run itself has gone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock_operator.core.observed import Revision, RunObject
from penstock_operator.core.times import stamp
from penstock_operator.manifests.revisions import frozen_data
from penstock_spec import batch
from penstock_spec.archive import RECORD_VERSION, sealed
from penstock_spec.errors import SpecError
from penstock_spec.plain import canonical

MOST = 50  # records of one batch
_TEXT = 2 * 1024 * 1024  # characters of all of them


@dataclass(frozen=True)
class Batch:
    """Records that go to the store together; `texts` are the variables that carry them."""

    runs: Mapping[str, str]  # uid -> digest of the record
    texts: Sequence[str]


def record_of(run: RunObject, pipeline_uid: str, revisions: Mapping[str, Revision]) -> dict[str, Any]:
    """The sealed record. The same finished run always gives the same one."""
    meta = run.meta
    snapshot: Mapping[str, Any] = run.status.get("snapshot") or {}
    held = revisions.get(snapshot.get("revision", ""))
    definition = None
    if held is not None and held.pipeline is not None and held.digest == snapshot.get("digest"):
        definition = {"digest": held.digest, "spec": frozen_data(held.pipeline.spec)}
    record = {
        "version": RECORD_VERSION,
        "namespace": meta.namespace,
        "pipeline": run.pipeline,
        "pipelineUid": pipeline_uid,
        "run": meta.name,
        "uid": meta.uid,
        "created": stamp(meta.created),
        # Without what can be changed after the end, and says nothing then.
        "spec": {name: value for name, value in run.spec.items() if name not in ("cancel", "suspend")},
        "status": {name: value for name, value in run.status.items() if name != "archived"},
        "definition": definition,
    }
    try:
        return sealed(record)
    except SpecError:
        # One that never began, with more in its parameters than any run may have.
        return sealed({**record, "spec": {"pipeline": run.pipeline}, "definition": None})


def batch_of(runs: Sequence[RunObject], pipeline_uid: str, revisions: Sequence[Revision]) -> Batch:
    """As many of the runs, the first before the others, as one Job can carry; one fits always."""
    known = {one.meta.name: one for one in revisions}
    records: list[Mapping[str, Any]] = []
    size = 0
    for run in runs[:MOST]:
        record = record_of(run, pipeline_uid, known)
        size += len(canonical(record))
        if records and size > _TEXT:
            break
        records.append(record)
    while True:
        texts = batch.pack(records)
        if len(records) == 1 or sum(map(len, texts)) <= batch.LIMIT:
            return Batch({str(one["uid"]): str(one["digest"]) for one in records}, texts)
        records = records[: len(records) // 2]
