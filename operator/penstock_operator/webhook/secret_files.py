"""Secrets as a mounted folder: `<namespace>.<name>` for all pipelines of a namespace, or
`<namespace>.<pipeline>.<name>` for one. Several for the same are all good: that is how one is replaced.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from penstock_operator.webhook.signatures import BadSecret, key_of

log = logging.getLogger(__name__)

_LARGEST = 4096
_MOST = 16  # for one pipeline


class SecretFiles:
    """The secrets as they are now: the kubelet replaces the files when the Secret changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told: set[str] = set()  # names of files that were complained about

    def keys(self, namespace: str, pipeline: str) -> Sequence[bytes]:
        """The keys with which a message for this pipeline may be signed."""
        found: list[bytes] = []
        for path in self._files():
            parts = path.name.split(".")
            if parts[0] == namespace and (len(parts) == 2 or (len(parts) == 3 and parts[1] == pipeline)):
                found += self._key(path)
        return found[:_MOST]

    def readable(self) -> bool:
        """Whether the folder is there."""
        return self._folder.is_dir()

    def _files(self) -> Sequence[Path]:
        try:
            return sorted(one for one in self._folder.iterdir() if not one.name.startswith("."))
        except OSError:
            return ()

    def _key(self, path: Path) -> Sequence[bytes]:
        try:
            with path.open("rb") as file:
                return (key_of(file.read(_LARGEST).decode()),)
        except BadSecret as error:
            self._complain(path.name, str(error))
        except (OSError, UnicodeDecodeError):
            self._complain(path.name, "it cannot be read as text")
        return ()

    def _complain(self, name: str, why: str) -> None:
        """Once for each file."""
        if name not in self._told:
            self._told.add(name)
            log.warning("a secret is of no use", extra={"key": name, "why": why})
