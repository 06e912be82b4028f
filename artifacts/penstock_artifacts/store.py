"""The content-addressed store: same bytes, same key, written once, checked at every read.

<prefix>/<namespace>/blobs/sha256/<64 hexadecimal digits>      files and manifests alike
"""

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from penstock_artifacts import condemned
from penstock_artifacts.archive import RunArchive
from penstock_artifacts.bucket import Bucket, place_from
from penstock_artifacts.errors import ArtifactCorrupt, ArtifactMissing, StoreUnavailable
from penstock_artifacts.manifest import FileEntry, Manifest, open_regular, scan
from penstock_artifacts.prediction_log import PredictionLog
from penstock_artifacts.sweep import Sweeper
from penstock_spec.contract import STORE_VARIABLES
from penstock_spec.names import STORE_SECRET

T = TypeVar("T")

_PARALLEL = 8
_CHUNK = 4 << 20
# Up to this size one conditional request writes a blob. Above, the blob is sent in parts, which S3 takes
# only without the condition; that two writers of one key bring the same bytes makes it harmless.
_SINGLE_REQUEST = 8 << 20
# Parts of one file under way at once. With _PARALLEL files that is 128 MiB at most, which a small pod has.
_PARTS = 2


class Store:
    """The blobs of one namespace."""

    def __init__(self, bucket: Bucket, namespace: str) -> None:
        """`namespace` is the folder below which everything of this store lies."""
        self._bucket = bucket
        self._namespace = namespace
        self._prefix = f"{namespace}/blobs/sha256"
        self._condemned: Mapping[str, datetime] | None = None
        self._reading = threading.Lock()

    def prediction_log(self, endpoint: str) -> PredictionLog:
        """What the servers of this endpoint answered."""
        return PredictionLog(self._bucket, self._namespace, endpoint)

    def archive(self) -> RunArchive:
        """The records of the namespace's runs."""
        return RunArchive(self._bucket, self._namespace)

    def sweeper(self) -> Sweeper:
        """Who deletes what nothing refers to."""
        return Sweeper(self._bucket, self._namespace)

    def put_folder(self, folder: Path, type_: str) -> str:
        """Store all files below `folder` as one artifact, and give its digest. StoreError in words."""
        self._condemned = None  # to be read anew: what a sweep condemns later, it does not delete for a day
        manifest = scan(folder, type_)
        self._each(manifest.files, lambda entry: self._put_file(folder / entry.path, entry))
        content = manifest.to_bytes()
        self._put_bytes(hashlib.sha256(content).hexdigest(), content)
        return manifest.digest

    def get_folder(self, digest: str, folder: Path) -> Manifest:
        """Lay the artifact out in `folder`, every byte checked against its digest.

        ArtifactMissing when the store has not got all of it, ArtifactCorrupt when bytes differ.
        """
        manifest = self.manifest(digest)
        for entry in manifest.files:
            (folder / entry.path).parent.mkdir(parents=True, exist_ok=True)
        self._each(manifest.files, lambda entry: self._get_file(entry, folder / entry.path))
        return manifest

    def manifest(self, digest: str) -> Manifest:
        """The manifest of the artifact. ArtifactMissing, ArtifactCorrupt as in `get_folder`."""
        hexadecimal = digest.removeprefix("sha256:")
        import obstore  # noqa: PLC0415 - loaded at first use

        content = bytes(
            self._bucket.call(
                f"artifact {_short(hexadecimal)}",
                lambda: obstore.get(self._bucket.objects, self._key(hexadecimal)).bytes(),
            )
        )
        _check(hashlib.sha256(content).hexdigest(), hexadecimal)
        return Manifest.from_bytes(content)

    def holds(self, digest: str) -> bool:
        """Whether manifest and all files of the artifact are there in full length. StoreUnavailable."""
        try:
            manifest = self.manifest(digest)
        except ArtifactMissing:
            return False
        return all(self._each(manifest.files, lambda entry: self._size(entry.sha256) == entry.size))

    def _each(self, entries: Sequence[FileEntry], work: Callable[[FileEntry], T]) -> list[T]:
        with ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
            return list(pool.map(work, entries))

    def _key(self, hexadecimal: str) -> str:
        return f"{self._prefix}/{hexadecimal}"

    def _size(self, hexadecimal: str) -> int:
        """Size of the blob in bytes, -1 where there is none."""
        try:
            found = self._bucket.head(_short(hexadecimal), self._key(hexadecimal))
        except ArtifactMissing:
            return -1
        return int(found["size"])

    def _put_file(self, path: Path, entry: FileEntry) -> None:
        with open_regular(path) as file:
            if entry.size <= _SINGLE_REQUEST:
                content = file.read(_SINGLE_REQUEST + 1)
                # What is sent must be what was hashed; a program that still writes would break the address.
                _check(hashlib.sha256(content).hexdigest(), entry.sha256)
                self._put_bytes(entry.sha256, content)
            elif self._size(entry.sha256) != entry.size or self._is_condemned(entry.sha256):
                import obstore  # noqa: PLC0415 - loaded at first use

                self._bucket.call(
                    entry.path,
                    lambda: obstore.put(
                        self._bucket.objects,
                        self._key(entry.sha256),
                        file,
                        chunk_size=_SINGLE_REQUEST,
                        max_concurrency=_PARTS,
                    ),
                    writes=True,
                )

    def _put_bytes(self, hexadecimal: str, content: bytes) -> None:
        import obstore  # noqa: PLC0415 - loaded at first use
        from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415 - the same

        def put(mode: Literal["create", "overwrite"]) -> None:
            key = self._key(hexadecimal)
            self._bucket.call(
                _short(hexadecimal),
                lambda: obstore.put(self._bucket.objects, key, content, mode=mode, use_multipart=False),
                writes=True,
            )

        try:
            put("create")
        except AlreadyExistsError:
            # Somebody stored the same bytes before. A blob of another length is the rest of a crash: mend it.
            # One that a sweep may delete is written anew, and so is young.
            if self._size(hexadecimal) != len(content) or self._is_condemned(hexadecimal):
                put("overwrite")

    def _is_condemned(self, hexadecimal: str) -> bool:
        """Asked only of what lies there already, so that the list is no older than that look."""
        with self._reading:
            if self._condemned is None:
                try:
                    self._condemned = condemned.read(self._bucket, self._namespace)
                except (ArtifactCorrupt, StoreUnavailable):
                    return True  # whatever is the matter: to write it anew is never wrong
            return hexadecimal in self._condemned

    def _get_file(self, entry: FileEntry, target: Path) -> None:
        import obstore  # noqa: PLC0415 - loaded at first use

        def stream() -> str:
            answer = obstore.get(self._bucket.objects, self._key(entry.sha256))
            hasher = hashlib.sha256()
            with part.open("wb") as file:
                for chunk in answer.stream(min_chunk_size=_CHUNK):
                    hasher.update(chunk)
                    file.write(chunk)
            return hasher.hexdigest()

        part = target.with_name(f".{target.name}.part")
        try:
            _check(self._bucket.call(f"{entry.path} ({_short(entry.sha256)})", stream), entry.sha256)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def store_from(environment: Mapping[str, str], namespace: str) -> Store:
    """The store that the environment of our own containers describes. StoreUnavailable when it says nothing
    usable.
    """
    place = place_from(environment, STORE_VARIABLES, f"Secret {STORE_SECRET}")
    return Store(Bucket(place), namespace)


def _check(found: str, wanted: str) -> None:
    if found != wanted:
        raise ArtifactCorrupt(
            f"bytes of {_short(wanted)} have the digest {_short(found)}: they were changed or cut short; "
            "delete that object from the store and run the step that made it again"
        )


def _short(hexadecimal: str) -> str:
    return f"sha256:{hexadecimal[:12]}"
