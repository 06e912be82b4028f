"""What `helm test` runs in a served namespace: the API, the operator and the store, each by its real use.

Runs in the steps image without rights of its own. One line for each check; the exit code counts failures.
"""

import json
import os
import ssl
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from penstock_artifacts.errors import StoreError
from penstock_artifacts.store import store_from

NAMESPACE = os.environ["PENSTOCK_NAMESPACE"]
OPERATOR = os.environ["PENSTOCK_OPERATOR"]
TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount")
KINDS = {"pipelines", "pipelineruns", "modelversions", "modelendpoints"}
# The same text every time: the store keeps content by its digest, so tests of years leave one small object.
CONTENT = b"Written by helm test.\n"


class CheckError(Exception):
    """A check failed; the text says what and what to do."""


def api() -> str:
    """The API server serves our kinds. Any identity may ask this."""
    host = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
    request = urllib.request.Request(  # noqa: S310 - the API server's own address
        f"{host}/apis/penstock.dev/v1alpha1",
        headers={"authorization": f"Bearer {(TOKEN / 'token').read_text()}"},
    )
    trust = ssl.create_default_context(cafile=str(TOKEN / "ca.crt"))
    try:
        with urllib.request.urlopen(request, timeout=10, context=trust) as answer:  # noqa: S310 - the same
            served = {one["name"] for one in json.load(answer)["resources"]}
    except urllib.error.HTTPError as error:
        raise CheckError(
            f"the API server does not serve penstock.dev/v1alpha1 ({error}): set crds.install=true"
        ) from error
    if missing := KINDS - served:
        raise CheckError(f"the API server does not serve {', '.join(sorted(missing))}: set crds.install=true")
    return "the API server serves all kinds"


def operator() -> str:
    """The operator has read the cluster and is ready to act."""
    try:
        with urllib.request.urlopen(f"{OPERATOR}/readyz", timeout=10):  # noqa: S310 - the release's own Service
            return "the operator is ready"
    except urllib.error.HTTPError as error:
        raise CheckError(
            f"the operator is not ready: {error.read().decode(errors='replace')[:500]}"
        ) from error
    except OSError as error:
        raise CheckError(f"the operator does not answer at {OPERATOR}: {error}") from error


def store() -> str:
    """An artifact of this namespace can be written and read back, as steps do it."""
    with tempfile.TemporaryDirectory() as scratch:
        there, back = Path(scratch) / "there", Path(scratch) / "back"
        there.mkdir()
        back.mkdir()
        (there / "check.txt").write_bytes(CONTENT)
        artifacts = store_from(os.environ, NAMESPACE)
        digest = artifacts.put_folder(there, "Files")
        artifacts.get_folder(digest, back)
        if (back / "check.txt").read_bytes() != CONTENT:
            raise CheckError("the store gave other bytes than it was given")
    return f"the store keeps artifacts of {NAMESPACE}"


def say(line: str) -> None:
    """Write one line to the pod's log."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def passes(check: Callable[[], str]) -> bool:
    """Run one check and say how it went."""
    try:
        say(f"ok: {check()}")
    except (CheckError, StoreError, OSError) as error:
        say(f"FAILED: {error}")
        return False
    return True


if __name__ == "__main__":
    sys.exit([passes(check) for check in (api, operator, store)].count(False))
