"""The init container: lays a model out by its digest. It alone holds the store's credentials."""

from collections.abc import Mapping
from pathlib import Path

from penstock_artifacts.errors import StoreError
from penstock_artifacts.store import store_from
from penstock_server import logs
from penstock_server.settings import digest, required
from penstock_spec import serving_contract


def fetch(environment: Mapping[str, str], folder: Path) -> int:
    """Download the model into `folder` and its manifest beside it. Exit code: 0 done, 1 refused with words.

    Nothing stays of a failed attempt that could be taken for a model: the manifest comes last.
    """
    wanted = digest(environment)
    namespace = required(environment, serving_contract.NAMESPACE_VARIABLE)
    try:
        manifest = store_from(environment, namespace).get_folder(wanted, folder)
    except StoreError as error:
        logs.event("could not fetch the model", level=logs.ERROR, digest=wanted, reason=str(error))
        return 1
    if manifest.type != "Model":
        reason = f"the artifact is a {manifest.type}, not a Model"
        logs.event("could not fetch the model", level=logs.ERROR, digest=wanted, reason=reason)
        return 1
    (folder.parent / serving_contract.MODEL_MANIFEST).write_bytes(manifest.to_bytes())
    size = sum(entry.size for entry in manifest.files)
    logs.event("fetched", digest=wanted, files=len(manifest.files), bytes=size)
    return 0
