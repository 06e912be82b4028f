"""Writes the report of a window or a gate to report.html, out of the store.

    kubectl port-forward -n ml svc/penstock-store 7070:7070 &
    for key in url region accessKeyId secretAccessKey; do
      export $key="$(kubectl get secret -n ml penstock-store -o jsonpath="{.data.$key}" | base64 -d)"
    done
    endpoint=http://localhost:7070 python examples/report.py ml sha256:5f0c...

The variables are the keys of the Secret `penstock-store`. With a store of your own there is no port to
forward, and `endpoint` is as in the Secret. A digest may be cut short. Needs `pip install obstore`.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store


def opened(settings: Mapping[str, str]) -> tuple[LocalStore | S3Store, str]:
    """The bucket, or folder, of `url`, and the prefix below which namespaces lie. ValueError without one."""
    scheme, _, rest = settings.get("url", "").partition("://")
    if scheme == "file" and rest:
        return LocalStore(rest), ""
    if scheme != "s3" or not rest:
        raise ValueError("the variable `url` must be s3://bucket/prefix, as in the Secret penstock-store")
    bucket, _, prefix = rest.partition("/")
    given = {"endpoint": "endpoint", "accessKeyId": "access_key_id", "secretAccessKey": "secret_access_key"}
    words = {option: settings[key] for key, option in given.items() if settings.get(key)}
    store = S3Store(
        bucket,
        region=settings.get("region") or "us-east-1",
        client_options={"allow_http": settings.get("endpoint", "").startswith("http://")},
        retry_config={"max_retries": 2},
        **words,  # type: ignore[arg-type]  # the names are those of S3Config
    )
    return store, f"{prefix.strip('/')}/" if prefix.strip("/") else ""


def report(store: LocalStore | S3Store, folder: str, digest: str) -> bytes:
    """The page of the artifact whose blobs lie in `folder`. LookupError in words where there is none."""
    wanted = digest.removeprefix("sha256:").rstrip(".…")
    if len(wanted) < 64:
        found = obstore.list(store, prefix=folder)
        names = [one["path"].rpartition("/")[2] for batch in found for one in batch]
        full = [name for name in names if name.startswith(wanted)]
        if len(full) != 1:
            raise LookupError(f"{len(full)} objects in {folder} begin with {wanted!r}")
        wanted = full[0]
    manifest = json.loads(_checked(store, folder, wanted))
    pages = [one["sha256"] for one in manifest["files"] if one["path"].endswith("report.html")]
    if not pages:
        raise LookupError(f"the artifact {digest} holds no report.html; it is a {manifest['type']}")
    return _checked(store, folder, pages[0])


def _checked(store: LocalStore | S3Store, folder: str, name: str) -> bytes:
    content = bytes(obstore.get(store, f"{folder}/{name}").bytes())
    if hashlib.sha256(content).hexdigest() != name:
        raise LookupError(f"the object {folder}/{name} is not what was written")
    return content


def main() -> int:
    """Read the command line and the environment, and write report.html."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("namespace", help="of the endpoint or run")
    parser.add_argument("digest", help="sha256:..., as in the message")
    words = parser.parse_args()
    try:
        store, prefix = opened(os.environ)
        page = report(store, f"{prefix}{words.namespace}/blobs/sha256", words.digest)
    except FileNotFoundError:
        print(f"there is no {words.digest} of namespace {words.namespace} in this store", file=sys.stderr)
        return 1
    except (LookupError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except (BaseError, OSError) as error:
        kind = type(error).__name__
        print(f"the store does not answer ({kind}); look at endpoint, region and keys", file=sys.stderr)
        return 1
    Path("report.html").write_bytes(page)
    print("report.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
