"""Pipelines in executable form: compiled from what users wrote, and loaded from the revisions that froze
them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from penstock_operator.core.observed import Meta, Revision
from penstock_spec.digest import run_digest
from penstock_spec.errors import SpecError
from penstock_spec.graph import CompiledPipeline, compile_pipeline


def load(meta: Meta, data: Any) -> Revision:
    """The Revision that a ControllerRevision's `data` holds. Its digest is computed again and compared."""
    digest, spec = _parts(data)
    if not digest or spec is None:
        return Revision(meta, digest, None)
    try:
        pipeline = compile_pipeline(spec)
    except SpecError:
        return Revision(meta, digest, None)
    return Revision(meta, digest, pipeline if run_digest(pipeline.spec) == digest else None)


def _parts(data: Any) -> tuple[str, Mapping[str, Any] | None]:
    if not isinstance(data, Mapping):
        return "", None
    digest, spec = data.get("digest"), data.get("spec")
    return (digest if isinstance(digest, str) else "", spec if isinstance(spec, Mapping) else None)


@dataclass(frozen=True)
class Definition:
    """A pipeline in executable form, and the digest whose change starts a run."""

    pipeline: CompiledPipeline
    digest: str


def define(raw: Mapping[str, Any], applied: Mapping[str, Any] | None, name: str) -> Definition:
    """What the spec of the Pipeline of this name means.

    The same file is asked about at every event, so the last answers are kept.

    Raises SpecError with every problem. A pure function of its arguments: forgetting changes nothing.
    """
    found = _define_text(json.dumps(raw, sort_keys=True), json.dumps(applied, sort_keys=True), name)
    if isinstance(found, SpecError):
        raise SpecError(found.problems)
    return found


@lru_cache(maxsize=256)
def _define_text(raw: str, applied: str, name: str) -> Definition | SpecError:
    try:
        pipeline = compile_pipeline(json.loads(raw), json.loads(applied), name)
    except SpecError as error:
        return error
    return Definition(pipeline, run_digest(pipeline.spec))
