"""Archived records of runs in the store: each is written once, and checked whenever it is read.

<prefix>/<namespace>/archive/<uid of the Pipeline>/<uid of the run>.json
"""

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Literal

from penstock_artifacts.bucket import Bucket
from penstock_artifacts.errors import ArtifactCorrupt
from penstock_spec.archive import is_sound, key_of
from penstock_spec.plain import canonical


class Written(StrEnum):
    """What became of a record that was put."""

    NEW = "New"
    SAME = "Same"  # it was there
    OTHER = "Other"  # another sound record of that run was there, and stays
    MENDED = "Mended"  # what was there was not whole


class RunArchive:
    """The records of one namespace. Errors of the store are StoreErrors in words."""

    def __init__(self, bucket: Bucket, namespace: str) -> None:
        """No request is made yet."""
        self._bucket = bucket
        self._namespace = namespace

    def put(self, record: Mapping[str, Any]) -> Written:
        """Write a sealed record, unless it is there. ArtifactCorrupt where it is not what its digest says."""
        from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415 - loaded at first use

        if not is_sound(record):
            raise ArtifactCorrupt("a record is not what its digest says; it was not archived")
        key = self._key(record["pipelineUid"], record["uid"])
        try:
            self._put(key, record, "create")
        except AlreadyExistsError:
            before = self._at(key)
            if not is_sound(before):
                self._put(key, record, "overwrite")
                return Written.MENDED
            return Written.SAME if before["digest"] == record["digest"] else Written.OTHER
        return Written.NEW

    def get(self, pipeline_uid: str, run_uid: str) -> dict[str, Any]:
        """The record of a run. ArtifactMissing, or ArtifactCorrupt where it was changed or cut short."""
        key = self._key(pipeline_uid, run_uid)
        found = self._at(key)
        if not is_sound(found):
            raise ArtifactCorrupt(
                f"the record {key} is not what its digest says: it was changed or cut short"
            )
        return dict(found)

    def records(self) -> Iterator[dict[str, Any]]:
        """All records of the namespace, in no certain order. ArtifactCorrupt as in `get`."""
        import obstore  # noqa: PLC0415 - loaded at first use

        folder = f"{self._namespace}/archive"
        listed = self._bucket.call(
            "the archive", lambda: obstore.list(self._bucket.objects, folder).collect()
        )
        for key in sorted(one["path"] for one in listed):
            parts = key.removesuffix(".json").split("/")
            if len(parts) == len(folder.split("/")) + 2 and key.endswith(".json"):
                yield self.get(parts[-2], parts[-1])

    def _key(self, pipeline_uid: str, run_uid: str) -> str:
        return f"{self._namespace}/{key_of(pipeline_uid, run_uid)}"

    def _put(self, key: str, record: Mapping[str, Any], mode: Literal["create", "overwrite"]) -> None:
        import obstore  # noqa: PLC0415 - loaded at first use

        content = f"{canonical(dict(record))}\n".encode()
        self._bucket.call(
            f"record {key}",
            lambda: obstore.put(self._bucket.objects, key, content, mode=mode, use_multipart=False),
            writes=True,
        )

    def _at(self, key: str) -> Any:
        """What lies there; None where it is no JSON."""
        import obstore  # noqa: PLC0415 - loaded at first use

        content = self._bucket.call(
            f"record {key}", lambda: bytes(obstore.get(self._bucket.objects, key).bytes())
        )
        try:
            return json.loads(content)
        except ValueError:
            return None
