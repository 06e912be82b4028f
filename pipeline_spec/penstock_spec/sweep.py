"""The sweeper of the store: what a Job is told that may delete artifacts, and what it answers.

What is referred to is told by the first bytes of each digest. Two digests that begin alike only keep more.
"""

import base64
from collections.abc import Mapping
from enum import StrEnum

from penstock_spec import batch

KIND = "sweep"  # of the Task that looks for artifacts that nothing refers to
WIDTH = 6  # bytes of each digest
STALE_SECONDS = 3600  # references that were read longer ago are not acted upon
GRACE_DAYS = 1  # from the sweep that found an artifact first to the one that may delete it
# Folder below that of the namespace, and what lies in it.
FOLDER = "sweep"
CONDEMNED, REPORT, CLOCK = f"{FOLDER}/condemned.json", f"{FOLDER}/report.json", f"{FOLDER}/clock"
# What the Job counts, among its small results: of all artifacts' files, of those found, and of those deleted.
BLOBS, BYTES = "blobs", "bytes"
FOUND, FOUND_BYTES = "found", "found_bytes"
DELETED, DELETED_BYTES = "deleted", "deleted_bytes"
COUNTS = (BLOBS, BYTES, FOUND, FOUND_BYTES, DELETED, DELETED_BYTES)


class SweepMode(StrEnum):
    """What becomes of artifacts that nothing refers to."""

    REPORT = "Report"
    DELETE = "Delete"


def pack(references: frozenset[bytes]) -> list[str]:
    """The texts of a Job's variables, for references of WIDTH bytes each."""
    return batch.pack([base64.b64encode(b"".join(sorted(references))).decode()])


def unpack(environment: Mapping[str, str], count: int) -> frozenset[bytes]:
    """What was packed. ValueError where it is not exactly `count` references."""
    (text,) = batch.unpack(environment)
    content = base64.b64decode(text, validate=True)
    found = frozenset(content[start : start + WIDTH] for start in range(0, len(content), WIDTH))
    if len(content) != count * WIDTH or len(found) != count:
        raise ValueError(f"{count} references were announced, and {len(content) / WIDTH:g} arrived")
    return found
