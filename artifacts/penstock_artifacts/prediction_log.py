"""The prediction log in the store: where its batches lie, and how they are found, read, written and removed.

<prefix>/<namespace>/log/<endpoint>/<yyyy-mm-dd>/<hh>/
    <startMs>-<endMs>-<version>-<instance>-<firstSeq>-<rows>-<lost>-<sha256>.parquet

A name says all that must be known of a batch without opening it. Nothing here reads Parquet.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote, unquote

from penstock_artifacts.bucket import Bucket
from penstock_artifacts.errors import ArtifactCorrupt

_HOUR = timedelta(hours=1)
_DELETED_AT_ONCE = 1000  # what S3 takes in one request
# The version may hold dashes: two numbers stand before it, five parts without dashes behind it.
_NAME = re.compile(
    r"(?P<start>\d+)-(?P<end>\d+)-(?P<version>.+)-(?P<instance>[0-9a-z]+)"
    r"-(?P<first>\d+)-(?P<rows>\d+)-(?P<lost>\d+)-(?P<sha256>[0-9a-f]{64})\.parquet",
    re.ASCII,
)


@dataclass(frozen=True)
class Batch:
    """One object of the log. Times are milliseconds since the epoch, of its first and its last row.

    An `instance` is one run of one worker of one pod. `first` is the sequence number of its first row here:
    how many rows of the instance are accounted for before it. `lost` are those among them that are in no
    batch, because they were dropped or lost since the instance's batch before. So from one batch to the next
    `first + rows + (lost of the next) == first of the next`, or a batch has been removed. A batch without
    rows says that the last rows of an instance were lost.
    """

    namespace: str
    endpoint: str
    start: int
    end: int
    version: str
    instance: str
    first: int
    rows: int
    lost: int
    sha256: str

    @property
    def name(self) -> str:
        """The last part of its key."""
        version = _quoted(self.version)
        numbers = f"{self.first}-{self.rows}-{self.lost}"
        return f"{self.start}-{self.end}-{version}-{self.instance}-{numbers}-{self.sha256}.parquet"


def key_of(batch: Batch) -> str:
    """The key below the store's prefix."""
    hour = _folder(datetime.fromtimestamp(batch.start / 1000, UTC))
    return f"{_root(batch.namespace, batch.endpoint)}/{hour}/{batch.name}"


def parse_key(key: str) -> Batch:
    """What `key_of` was given. ValueError for any other key."""
    parts = key.split("/")
    found = _NAME.fullmatch(parts[-1])
    if found is None or len(parts) != 6:
        raise ValueError("not the key of a batch of the prediction log")
    batch = Batch(
        namespace=unquote(parts[0]),
        endpoint=unquote(parts[2]),
        start=int(found["start"]),
        end=int(found["end"]),
        version=unquote(found["version"]),
        instance=found["instance"],
        first=int(found["first"]),
        rows=int(found["rows"]),
        lost=int(found["lost"]),
        sha256=found["sha256"],
    )
    if key_of(batch) != key:
        raise ValueError("not the key of a batch of the prediction log")
    return batch


def missing(batches: Iterable[Batch]) -> int:
    """How many rows the instances of these batches took that are in none of them.

    That is what they say was lost, and more where a batch that was stored is there no longer. Such a batch is
    noticed when it lay between two of `batches`.
    """
    total = 0
    ends: dict[str, int] = {}
    for batch in sorted(batches, key=lambda one: (one.instance, one.first, one.rows)):
        gap = batch.first - ends.get(batch.instance, batch.first - batch.lost)
        total += max(gap, batch.lost)
        ends[batch.instance] = batch.first + batch.rows
    return total


class PredictionLog:
    """The log of one endpoint. Errors of the store are StoreErrors in words."""

    def __init__(self, bucket: Bucket, namespace: str, endpoint: str) -> None:
        """No request is made yet."""
        self._bucket = bucket
        self._root = _root(namespace, endpoint)

    def batches(self, start: datetime, end: datetime) -> list[Batch]:
        """The batches with rows in [start, end), in order of time. Both times have a zone."""
        first, last = (round(time.timestamp() * 1000) for time in (start, end))
        hour = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - _HOUR
        found: list[Batch] = []
        while hour < end:
            found += self._in(f"{self._root}/{_folder(hour)}")
            hour += _HOUR
        touched = (batch for batch in found if batch.start < last and batch.end >= first)
        return sorted(touched, key=lambda one: (one.start, one.instance, one.first))

    def read(self, batch: Batch) -> bytes:
        """The Parquet file, checked. ArtifactCorrupt when it is not what was stored, ArtifactMissing."""
        import obstore  # noqa: PLC0415 - loaded at first use

        content = self._bucket.call(
            f"log batch {batch.name}",
            lambda: bytes(obstore.get(self._bucket.objects, key_of(batch)).bytes()),
        )
        if (found := hashlib.sha256(content).hexdigest()) != batch.sha256:
            raise ArtifactCorrupt(
                f"log batch {batch.name} has the digest sha256:{found[:12]}: it was changed or cut short; "
                "delete that object from the store to judge the window without its rows"
            )
        return content

    def put(self, batch: Batch, content: bytes) -> None:
        """Store a batch once: that it is there already is a success. ArtifactCorrupt for other bytes."""
        import obstore  # noqa: PLC0415 - loaded at first use
        from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415 - the same

        if hashlib.sha256(content).hexdigest() != batch.sha256:
            raise ArtifactCorrupt(f"these are not the bytes of log batch {batch.name}")
        try:
            self._bucket.call(
                f"log batch {batch.name}",
                lambda: obstore.put(
                    self._bucket.objects, key_of(batch), content, mode="create", use_multipart=False
                ),
                writes=True,
            )
        except AlreadyExistsError:
            return

    def expire(self, before: date) -> int:
        """Delete all days before that day (UTC). How many objects that were."""
        import obstore  # noqa: PLC0415 - loaded at first use

        listed = self._bucket.call(
            "the prediction log", lambda: obstore.list_with_delimiter(self._bucket.objects, self._root)
        )
        deleted = 0
        for folder in sorted(listed["common_prefixes"]):
            if not _is_before(folder.rstrip("/").rpartition("/")[2], before):
                continue
            for keys in _in_parts(self._keys(folder)):
                self._bucket.call(
                    "the prediction log",
                    lambda keys=keys: obstore.delete(self._bucket.objects, keys),  # type: ignore[misc]  # bound now
                )
                deleted += len(keys)
        return deleted

    def _in(self, folder: str) -> Iterator[Batch]:
        for key in self._keys(folder):
            try:
                yield parse_key(key)
            except ValueError:  # somebody else's file
                continue

    def _keys(self, folder: str) -> list[str]:
        import obstore  # noqa: PLC0415 - loaded at first use

        listed = self._bucket.call(
            "the prediction log", lambda: obstore.list(self._bucket.objects, folder).collect()
        )
        return sorted(one["path"] for one in listed)


def _root(namespace: str, endpoint: str) -> str:
    return f"{_quoted(namespace)}/log/{_quoted(endpoint)}"


def _quoted(name: str) -> str:
    """A name as one part of a key. Names of Kubernetes' objects stay as they are."""
    return quote(name, safe="").replace("~", "%7E")


def _folder(time: datetime) -> str:
    return f"{time:%Y-%m-%d}/{time:%H}"


def _is_before(day: str, before: date) -> bool:
    try:
        return date.fromisoformat(day) < before
    except ValueError:
        return False


def _in_parts(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), _DELETED_AT_ONCE):
        yield keys[start : start + _DELETED_AT_ONCE]
