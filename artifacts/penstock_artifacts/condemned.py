"""What a sweep has condemned: files and manifests that may be deleted by a later sweep, since when.

Whoever stores bytes that lie in the store already asks here first. What is condemned is written anew, and so
is young again: it is not deleted in the time between its storing and the status that refers to it.
"""

import json
from collections.abc import Mapping
from datetime import datetime

from penstock_artifacts.bucket import Bucket
from penstock_artifacts.errors import ArtifactCorrupt, ArtifactMissing
from penstock_spec.plain import canonical
from penstock_spec.sweep import CONDEMNED

VERSION = 1


def read(bucket: Bucket, namespace: str) -> Mapping[str, datetime]:
    """Hexadecimal digest -> since when, by the store's clock. ArtifactCorrupt where it cannot be read."""
    import obstore  # noqa: PLC0415 - loaded at first use

    key = f"{namespace}/{CONDEMNED}"
    try:
        content = bucket.call(key, lambda: bytes(obstore.get(bucket.objects, key).bytes()))
    except ArtifactMissing:
        return {}
    try:
        data = json.loads(content)
        if data["version"] != VERSION:
            raise ArtifactCorrupt(f"{key} has version {data['version']}; this release reads {VERSION}")
        return {str(name): datetime.fromisoformat(since) for name, since in data["blobs"].items()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        hint = "delete that object: the next sweep begins anew, and deletes nothing"
        raise ArtifactCorrupt(f"{key} is not what a sweep writes; {hint}") from error


def write(bucket: Bucket, namespace: str, blobs: Mapping[str, datetime]) -> None:
    """Replace the list as a whole. StoreUnavailable."""
    said = {"version": VERSION, "blobs": {name: since.isoformat() for name, since in blobs.items()}}
    put(bucket, f"{namespace}/{CONDEMNED}", canonical(said).encode())


def put(bucket: Bucket, key: str, content: bytes) -> None:
    """Write an object of the sweeper's own."""
    import obstore  # noqa: PLC0415 - loaded at first use

    bucket.call(
        key,
        lambda: obstore.put(bucket.objects, key, content, mode="overwrite", use_multipart=False),
        writes=True,
    )
