"""Who may ask: a folder with one token per client, as Kubernetes mounts a Secret, read again and again."""

import hashlib
import hmac
import time
from collections.abc import Mapping
from pathlib import Path

from penstock_server import logs
from penstock_server.refusals import Blame, RequestError

_SECONDS = 1.0  # between two looks at the folder, so that a rotation takes effect without a restart
_LARGEST = 4096  # bytes of a token; nothing longer comes in a header
CHALLENGE = 'Bearer realm="penstock"'


class Tokens:
    """The clients' tokens, of which only digests are kept."""

    def __init__(self, folder: Path) -> None:
        """Whether tokens are needed is decided here: a folder that goes away later lets nobody in."""
        self._folder = folder
        self._known: Mapping[str, bytes] = {}
        self._read_at = 0.0
        self.needed = folder.is_dir()
        if self.needed:
            self._read()

    def client(self, header: str | None) -> str:
        """The name of the client that `Authorization: Bearer <token>` belongs to; "" where none is needed.

        RequestError 401 when there is no such token.
        """
        if not self.needed:
            return ""
        if time.monotonic() - self._read_at > _SECONDS:
            self._read()
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            message = "a token is needed: send the header Authorization: Bearer <token>"
            raise RequestError(message, Blame.CLIENT)
        given = hashlib.sha256(token.strip().encode()).digest()
        found = ""
        for name, digest in self._known.items():  # all of them, so that time tells nothing
            if hmac.compare_digest(digest, given):
                found = name
        if not found:
            message = "this token is not known here; ask whoever runs the model for one"
            raise RequestError(message, Blame.CLIENT)
        return found

    def _read(self) -> None:
        """Look at the folder. A file that is empty, too long or unreadable belongs to nobody."""
        known: dict[str, bytes] = {}
        try:
            for path in sorted(self._folder.iterdir()):
                # `..data` and the like are how Kubernetes swaps all files of a Secret at once.
                if not path.name.startswith(".") and path.is_file() and path.stat().st_size <= _LARGEST:
                    token = path.read_bytes().strip()
                    if token:
                        known[path.name] = hashlib.sha256(token).digest()
        except OSError as error:
            # A swap in the middle of the look: the next look finds the new files.
            logs.event("could not read the tokens", level=logs.ERROR, reason=error.strerror)
            known = {}
        if self._read_at == 0.0 or known != self._known:
            logs.event("tokens", clients=sorted(known))
        self._known = known
        self._read_at = time.monotonic()
