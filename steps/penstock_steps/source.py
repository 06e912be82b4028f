"""Outside data of an ingest: its revision, and its bytes as a file."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock_artifacts.bucket import Bucket, place_from
from penstock_artifacts.errors import ArtifactMissing
from penstock_spec.contract import CONNECTION_SECRET_VARIABLES, CONNECTION_VARIABLES
from penstock_steps.errors import StepError, user_error
from penstock_steps.workspace import Workspace

_CHUNK = 4 << 20


@dataclass(frozen=True)
class Fetched:
    """The source's bytes as a file, and the revision that exactly these bytes have."""

    path: Path
    revision: str


def revision(source: Mapping[str, Any], workspace: Workspace) -> str:
    """What changes when the source's bytes change: an object's ETag, version and size; the sha256 of a
    ConfigMap's key.

    StepError UserError when the source is not there, StoreUnavailable when its place cannot be reached.
    """
    if "configMap" in source:
        return _sha256(_mounted(source, workspace))
    key, bucket = source["object"]["key"], bucket_of(source, workspace)
    try:
        return revision_of(bucket.head(key, key))
    except ArtifactMissing:
        raise _no_object(source, bucket) from None


def fetch(source: Mapping[str, Any], workspace: Workspace, folder: Path) -> Fetched:
    """The source as a file below `folder`, under the last part of its own name. Errors as in `revision`."""
    if "configMap" in source:
        mounted = _mounted(source, workspace)
        path = folder / mounted.name
        path.write_bytes(mounted.read_bytes())
        return Fetched(path, _sha256(path))
    key, bucket = source["object"]["key"], bucket_of(source, workspace)
    path = folder / (Path(key).name or "source")
    try:
        return Fetched(path, bucket.call(key, lambda: _download(bucket, key, path)))
    except ArtifactMissing:
        raise _no_object(source, bucket) from None


def _download(bucket: Bucket, key: str, path: Path) -> str:
    import obstore  # noqa: PLC0415 - loaded at first use

    answer = obstore.get(bucket.objects, key)
    with path.open("wb") as file:
        for chunk in answer.stream(min_chunk_size=_CHUNK):
            file.write(chunk)
    # Of the answer that brought the bytes, not of a second request: the object may be replaced in between.
    return revision_of(answer.meta)


def revision_of(meta: Mapping[str, Any]) -> str:
    """ETag, version and size of an object, as far as the place gives them."""
    parts = {
        "etag": (meta.get("e_tag") or "").strip('"'),
        "version": meta.get("version") or "",
        "size": meta["size"],
    }
    text = " ".join(f"{name}={value}" for name, value in parts.items() if value != "")
    # A status keeps at most 160 characters of it.
    return text if len(text) <= 160 else f"sha256={hashlib.sha256(text.encode()).hexdigest()}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256={hashlib.file_digest(file, 'sha256').hexdigest()}"


def _mounted(source: Mapping[str, Any], workspace: Workspace) -> Path:
    name, key = str(source["configMap"]["name"]), str(source["configMap"]["key"])
    path = workspace.mounted_source / key
    if not path.is_file():
        raise user_error(f"ConfigMap {name} has no key {key}: add it, or mend source.configMap.key")
    return path


def bucket_of(source: Mapping[str, Any], workspace: Workspace) -> Bucket:
    """The bucket of the connection that the source names."""
    connection = source["object"]["connection"]
    variables = {**CONNECTION_VARIABLES, **CONNECTION_SECRET_VARIABLES}
    return Bucket(place_from(workspace.environment, variables, f"ConfigMap and Secret {connection}"))


def _no_object(source: Mapping[str, Any], bucket: Bucket) -> StepError:
    connection = source["object"]["connection"]
    return user_error(
        f"no object {bucket.place.whole(source['object']['key'])} in {bucket.place.name} (connection "
        f"{connection}): upload it, or mend source.object.key or the connection's prefix"
    )
