"""Small requests over HTTP to places that may be hostile: bounded in size, time and redirects.

Credentials go to the host for which they are meant, and never from https to http.
"""

import base64
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException
from typing import IO, Any
from urllib.parse import urlsplit

from penstock_spec.names import FailureClass
from penstock_steps.errors import StepError, user_error

_SECONDS = 10.0  # without a byte
_WHOLE = 40.0  # for one answer
_CHUNK = 64 * 1024
_REDIRECTS = 3


@dataclass(frozen=True)
class Answer:
    """An answer of any status, its body cut off at the limit."""

    status: int
    headers: Message
    body: bytes
    cut: bool = False


@dataclass(frozen=True)
class Caller:
    """Who asks: credentials, which may be empty, and a further authority to trust, as PEM text."""

    username: str = ""
    password: str = field(default="", repr=False)
    ca: str = ""

    def basic(self) -> dict[str, str]:
        """The header with the credentials; none where there are none."""
        if not self.username and not self.password:
            return {}
        text = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {text}"}

    def ask(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        limit: int,
        method: str = "GET",
        body: bytes | None = None,
    ) -> Answer:
        """The answer of the server. StepError StoreUnavailable when there is none."""
        request = urllib.request.Request(  # noqa: S310 - the schemes are checked by the spec and by _Redirects
            url, data=body, method=method, headers={"User-Agent": "penstock", **headers}
        )
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=self._trust()), _Redirects())
        until = time.monotonic() + _WHOLE
        try:
            with opener.open(request, timeout=_SECONDS) as answer:
                return _read(answer, answer.status, answer.headers, limit, until)
        except urllib.error.HTTPError as error:
            with error:
                return _read(error, error.code, error.headers, limit, until)
        except (OSError, HTTPException, ValueError) as error:
            raise unreachable(url, _words(error)) from None

    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.ca:
            try:
                context.load_verify_locations(cadata=self.ca)
            except ssl.SSLError:
                raise user_error("the key ca of the Secret is no PEM text of a certificate") from None
        return context


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few; a body is not sent twice, and a header with credentials stays with its host."""

    max_redirections = _REDIRECTS

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The next request, or None: then the redirect is the answer."""
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if req.get_method() not in ("GET", "HEAD") or new.scheme not in ("http", "https"):
            return None
        if (old.scheme, new.scheme) == ("https", "http"):
            return None
        following = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        if following is not None and (old.scheme, old.netloc) != (new.scheme, new.netloc):
            following.remove_header("Authorization")
        return following


def _read(stream: Any, status: int, headers: Message, limit: int, until: float) -> Answer:
    """The body up to `limit` bytes, as far as it comes in time."""
    parts: list[bytes] = []
    size = 0
    while size <= limit:
        if time.monotonic() > until:
            raise TimeoutError
        part = stream.read1(_CHUNK) if hasattr(stream, "read1") else stream.read(_CHUNK)
        if not part:
            break
        parts.append(part)
        size += len(part)
    whole = b"".join(parts)
    return Answer(status, headers, whole[:limit], cut=size > limit)


def unreachable(url: str, why: str) -> StepError:
    """The place of `url` gives no answer, or none that means anything today."""
    return StepError(FailureClass.STORE_UNAVAILABLE, f"{place(url)} {why}")


def place(url: str) -> str:
    """Scheme and host, for messages: a path or query may hold a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _words(error: Exception) -> str:
    """The error in words. Its own text may quote what the server said."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "has a certificate that is not trusted; put its authority into the key ca of the Secret"
    if isinstance(cause, ssl.SSLError):
        return "does not speak TLS as it should"
    if isinstance(cause, TimeoutError):
        return "does not answer in time"
    if isinstance(cause, OSError):
        return "cannot be reached; check the address and network policies"
    return f"gave no answer that can be read ({type(error).__name__})"
