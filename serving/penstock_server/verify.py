"""Holding a model's folder to its digest before a byte of it is used."""

import hashlib
from pathlib import Path

from penstock_artifacts.errors import ArtifactCorrupt
from penstock_artifacts.manifest import Manifest, scan


def verify_folder(folder: Path, manifest: Path, digest: str) -> None:
    """Check that `manifest` has `digest` and `folder` exactly its files.

    ArtifactCorrupt names the file that is missing, changed or too many.
    """
    try:
        content = manifest.read_bytes()
    except OSError as error:
        raise ArtifactCorrupt(
            f"{manifest.name}, which fetch leaves beside the model, cannot be read ({error.strerror})"
        ) from error
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
        raise ArtifactCorrupt(f"{manifest.name} is not the manifest with the digest {digest}")
    wanted = Manifest.from_bytes(content)
    stored = {entry.path: entry for entry in wanted.files}
    found = {entry.path: entry for entry in scan(folder, wanted.type).files}
    for path in sorted(stored.keys() | found.keys()):
        if path not in found:
            raise ArtifactCorrupt(f"{path} of the model is missing")
        if path not in stored:
            raise ArtifactCorrupt(f"{path} lies in the model's folder, but does not belong to the model")
        if found[path] != stored[path]:
            raise ArtifactCorrupt(
                f"{path} of the model is not what was stored: sha256:{found[path].sha256[:12]} "
                f"instead of sha256:{stored[path].sha256[:12]}"
            )
