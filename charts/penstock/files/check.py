"""What `helm test` runs in a served namespace: operator, store and endpoints, each by its real use.

Runs in the steps image without rights and without a token: what the API server serves, the operator tells.
One line for each check; the exit code counts failures.
"""

import os
import re
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
KINDS = {"Pipeline", "PipelineRun", "ModelVersion", "ModelEndpoint"}
MOST_ENDPOINTS = 5
# The same text every time: the store keeps content by its digest, so tests of years leave one small object.
CONTENT = b"Written by helm test.\n"


class CheckError(Exception):
    """A check failed; the text says what and what to do."""


def operator() -> str:
    """The operator has read every kind from the API server and is ready to act."""
    answer(f"{OPERATOR}/readyz", "the operator is not ready")
    missing = KINDS - {labels["kind"] for labels, _ in series("penstock_cached_objects")}
    if missing:
        raise CheckError(
            f"the operator does not read {', '.join(sorted(missing))}: is it of another version?"
        )
    return f"the operator is ready and reads {', '.join(sorted(KINDS))}"


def endpoints() -> str:
    """What the operator calls ready in this namespace answers through its Service."""
    found = {
        labels["endpoint"]: value == 1
        for labels, value in series("penstock_endpoint_ready")
        if labels["namespace"] == NAMESPACE
    }
    if not found:
        return f"no endpoint in {NAMESPACE} to ask"
    ready = sorted(name for name, serves in found.items() if serves)[:MOST_ENDPOINTS]
    for name in ready:
        answer(
            f"http://{name}.{NAMESPACE}.svc/v2/health/ready", f"endpoint {name} is ready and does not answer"
        )
    asleep = sorted(name for name, serves in found.items() if not serves)[:MOST_ENDPOINTS]
    words = f"; not ready, see kubectl describe modelendpoint: {', '.join(asleep)}" if asleep else ""
    return f"{len(ready)} of {len(found)} endpoints in {NAMESPACE} answer{words}"


def answer(url: str, trouble: str) -> str:
    """What a Service of ours says. CheckError, beginning with `trouble`, unless it says 200."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - a Service of this release
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        raise CheckError(f"{trouble}: {error.code} {error.read().decode(errors='replace')[:500]}") from error
    except OSError as error:
        raise CheckError(f"{trouble}: {url} does not answer: {error}") from error


def series(name: str) -> list[tuple[dict[str, str], float]]:
    """Labels and value of each series of this name that the operator tells."""
    text = answer(f"{OPERATOR}/metrics", "the operator tells no metrics")
    found = re.findall(rf"^{name}{{(.*)}} (\S+)$", text, flags=re.MULTILINE)
    return [(dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)) for labels, value in found]


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
    sys.exit([passes(check) for check in (operator, store, endpoints)].count(False))
