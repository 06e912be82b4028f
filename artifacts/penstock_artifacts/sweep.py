"""The sweeper: deletes files and manifests that nothing refers to, or says what it would delete.

    reached     all that a reference names, and all that those manifests name
    found       not reached, and written longer ago than `keep`
    condemned   found, and written down as such: <namespace>/sweep/condemned.json
    deleted     found again by a sweep at least `grace` after the one that condemned it

Bytes that are stored again while they are condemned are written anew (condemned.py), so that they are young;
and each file's age is looked at once more right before it is deleted. All ages are the store's: no clock of a
node counts. Killed at any moment, a sweep has deleted only what it was allowed to delete.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from penstock_artifacts import condemned
from penstock_artifacts.bucket import Bucket
from penstock_artifacts.errors import ArtifactCorrupt, ArtifactMissing, StoreUnavailable
from penstock_artifacts.manifest import Manifest
from penstock_spec.plain import canonical
from penstock_spec.sweep import CLOCK, REPORT, STALE_SECONDS, WIDTH

_NAME = re.compile(r"[0-9a-f]{64}")
_PARALLEL = 8
_LARGEST_MANIFEST = 64 << 20  # what is larger is a file: a manifest names 10,000 files at most
_PRECISION = timedelta(seconds=1)  # lists tell fractions of seconds that a look at one object does not
_MOST = 100_000  # that one sweep condemns; the others wait for the next


@dataclass(frozen=True)
class Blob:
    """A file or manifest in the store."""

    name: str  # hexadecimal digest
    size: int
    written: datetime


@dataclass(frozen=True)
class Rules:
    """What a sweep may do."""

    keep: timedelta
    grace: timedelta
    deletes: bool
    read_at: datetime  # when the references were read, by the operator's clock


@dataclass(frozen=True)
class Swept:
    """What came of a sweep."""

    all_: Sequence[Blob]
    found: Sequence[Blob]
    deleted: Sequence[Blob]


class Sweeper:
    """Sweeps the artifacts of one namespace. The archive and the prediction log lie elsewhere."""

    def __init__(self, bucket: Bucket, namespace: str) -> None:
        """No request is made yet."""
        self._bucket = bucket
        self._namespace = namespace
        self._folder = f"{namespace}/blobs/sha256"

    def sweep(self, references: frozenset[bytes], rules: Rules) -> Swept:
        """Look through everything once. StoreError in words; then nothing more is deleted."""
        now = self._now()
        if abs(now - rules.read_at) > timedelta(seconds=STALE_SECONDS):
            raise StoreUnavailable(
                f"the store's clock shows {now:%Y-%m-%dT%H:%M:%SZ}, and what is referred to was read at "
                f"{rules.read_at:%Y-%m-%dT%H:%M:%SZ}: too far apart to act by it; check both clocks"
            )
        before = condemned.read(self._bucket, self._namespace)
        blobs = list(self._blobs())
        reached = self._reached(blobs, references)
        found = [one for one in blobs if one.name not in reached and now - one.written >= rules.keep]
        since = {one.name: _since(one, before, now) for one in found}
        found.sort(key=lambda one: (since[one.name], one.name))
        listed = found[:_MOST]
        condemned.write(self._bucket, self._namespace, {one.name: since[one.name] for one in listed})
        due = [one for one in listed if rules.deletes and _is_due(one, before, now, rules.grace)]
        self._report(now, rules, found, since, ())
        deleted = [one for one in due if self._delete(one)]
        if deleted:
            self._report(now, rules, found, since, deleted)
        return Swept(blobs, found, deleted)

    def _now(self) -> datetime:
        """What the store thinks the time is."""
        key = f"{self._namespace}/{CLOCK}"
        condemned.put(self._bucket, key, b"when this was written is the time of the last sweep\n")
        return self._bucket.head(key, key)["last_modified"]

    def _blobs(self) -> Iterator[Blob]:
        import obstore  # noqa: PLC0415 - loaded at first use

        for page in self._bucket.call(
            "the list of artifacts", lambda: list(obstore.list(self._bucket.objects, self._folder))
        ):
            for one in page:
                name = one["path"].removeprefix(f"{self._folder}/")
                if _NAME.fullmatch(name):
                    yield Blob(name, one["size"], one["last_modified"])

    def _reached(self, blobs: Sequence[Blob], references: frozenset[bytes]) -> frozenset[str]:
        begins: dict[bytes, list[Blob]] = defaultdict(list)
        for one in blobs:
            begins[bytes.fromhex(one.name[: 2 * WIDTH])].append(one)
        named = [one for reference in references for one in begins.get(reference, ())]
        with ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
            files = list(pool.map(self._files, named))
        return frozenset(one.name for one in named).union(*files)

    def _files(self, blob: Blob) -> frozenset[str]:
        """What a blob names, where it is a manifest. ArtifactCorrupt where that is not certain."""
        if blob.size > _LARGEST_MANIFEST:
            return frozenset()
        import obstore  # noqa: PLC0415 - loaded at first use

        key = f"{self._folder}/{blob.name}"
        try:
            content = self._bucket.call(key, lambda: bytes(obstore.get(self._bucket.objects, key).bytes()))
        except ArtifactMissing:
            return frozenset()  # somebody deleted it just now: it names nothing any more
        if hashlib.sha256(content).hexdigest() != blob.name:
            raise ArtifactCorrupt(
                f"{key} is referred to, and its bytes are not what its name says: nothing is swept; "
                "delete that object and run the step that made it again"
            )
        try:
            return frozenset(one.sha256 for one in Manifest.from_bytes(content).files)
        except ArtifactCorrupt as error:
            if _may_be_manifest(content):
                raise ArtifactCorrupt(f"{key} is referred to: {error}; nothing is swept") from None
            return frozenset()  # a plain file, whose digest stands in a status for another reason

    def _delete(self, blob: Blob) -> bool:
        """Whether it is gone now. One that has been written since it was listed stays."""
        import obstore  # noqa: PLC0415 - loaded at first use

        key = f"{self._folder}/{blob.name}"

        def unless_written() -> bool:
            if obstore.head(self._bucket.objects, key)["last_modified"] - blob.written > _PRECISION:
                return False
            obstore.delete(self._bucket.objects, key)
            return True

        try:
            return self._bucket.call(key, unless_written)
        except ArtifactMissing:
            return False

    def _report(
        self,
        now: datetime,
        rules: Rules,
        found: Sequence[Blob],
        since: Mapping[str, datetime],
        deleted: Sequence[Blob],
    ) -> None:
        gone = {one.name for one in deleted}
        said = {
            "version": condemned.VERSION,
            "at": now.isoformat(),
            "mode": "Delete" if rules.deletes else "Report",
            "found": len(found),
            "bytes": sum(one.size for one in found),
            "blobs": [
                {
                    "digest": f"sha256:{one.name}",
                    "size": one.size,
                    "written": one.written.isoformat(),
                    "since": since[one.name].isoformat(),
                    "deleted": one.name in gone,
                }
                for one in found[:_MOST]
            ],
        }
        condemned.put(self._bucket, f"{self._namespace}/{REPORT}", f"{canonical(said)}\n".encode())


def _since(blob: Blob, before: Mapping[str, datetime], now: datetime) -> datetime:
    """When it was condemned; one that was written after that is condemned anew."""
    known = before.get(blob.name, now)
    return now if blob.written > known else min(known, now)


def _is_due(blob: Blob, before: Mapping[str, datetime], now: datetime, grace: timedelta) -> bool:
    return blob.name in before and _since(blob, before, now) <= now - grace


def _may_be_manifest(content: bytes) -> bool:
    """Whether it has the shape of one, perhaps of another release."""
    try:
        data = json.loads(content)
    except ValueError:
        return False
    return isinstance(data, dict) and {"version", "files"} <= set(data)
