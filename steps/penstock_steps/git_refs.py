"""The commit of a branch by git's smart protocol over HTTP, without cloning.

Version 2 of the protocol asks for the one branch; a server that speaks an older one lists all of them.
https://git-scm.com/docs/protocol-v2, https://git-scm.com/docs/http-protocol
"""

import re
from collections.abc import Iterator

from penstock_spec.probed import ABSENT
from penstock_steps.errors import StepError, user_error
from penstock_steps.web import Answer, Caller, place, unreachable

_LIMIT = 16 * 1024 * 1024  # a list of a quarter of a million branches
_OID = re.compile(rb"[0-9a-f]{40}|[0-9a-f]{64}")
_SIZE = re.compile(rb"[0-9a-f]{4}")
_HEADERS = {"Git-Protocol": "version=2"}
_FLUSH, _DELIMITER = b"0000", b"0001"


def head(caller: Caller, url: str, branch: str) -> str:
    """The commit that the branch is at; ABSENT where the repository has no such branch."""
    base, name = url.rstrip("/"), f"refs/heads/{branch}"
    headers = {**_HEADERS, **caller.basic()}
    answer = caller.ask(f"{base}/info/refs?service=git-upload-pack", headers, limit=_LIMIT)
    _check(answer, url)
    lines = _lines(answer, url)
    if not lines:
        raise _not_git(url)
    if b"version 2" in lines[:3]:
        lines = _listed(caller, base, name, lines)
    for line in lines:
        oid, _, rest = line.partition(b" ")
        if _OID.fullmatch(oid) and rest.split(b"\0")[0].split(b" ")[0] == name.encode():
            return oid.decode()
    if answer.cut:
        raise user_error(
            f"{place(url)} lists more branches than can be read, and not {branch} among the first"
        )
    return ABSENT


def _listed(caller: Caller, base: str, name: str, capabilities: list[bytes]) -> list[bytes]:
    """The references whose names begin with `name`."""
    formats = [one for one in capabilities if one.startswith(b"object-format=")]
    request = [b"command=ls-refs", *formats[:1]]
    body = b"".join(map(_packet, request)) + _DELIMITER + _packet(b"ref-prefix " + name.encode()) + _FLUSH
    headers = {
        **_HEADERS,
        **caller.basic(),
        "Content-Type": "application/x-git-upload-pack-request",
        "Accept": "application/x-git-upload-pack-result",
    }
    answer = caller.ask(f"{base}/git-upload-pack", headers, limit=_LIMIT, method="POST", body=body)
    _check(answer, base)
    return _lines(answer, base)


def _packet(line: bytes) -> bytes:
    return b"%04x%s\n" % (len(line) + 5, line)


def _lines(answer: Answer, url: str) -> list[bytes]:
    try:
        return list(_packets(answer.body, cut=answer.cut))
    except ValueError:
        raise _not_git(url) from None


def _packets(body: bytes, *, cut: bool) -> Iterator[bytes]:
    """The lines of the packets. ValueError where it is none; one that was cut ends the list."""
    at = 0
    while at < len(body):
        if not _SIZE.fullmatch(body[at : at + 4]):
            raise ValueError
        size = int(body[at : at + 4], 16)
        if size <= len(_FLUSH):  # flush, delimiter and end carry nothing
            at += 4
            continue
        if at + size > len(body):
            if cut:
                return
            raise ValueError
        yield body[at + 4 : at + size].rstrip(b"\n")
        at += size


def _check(answer: Answer, url: str) -> None:
    if answer.status in (401, 403):
        what = f"{place(url)} wants other credentials (it answered {answer.status})"
        raise user_error(f"{what}: check username and password in the Secret, and what they may read")
    if answer.status in (404, 410):
        raise user_error(
            f"{place(url)} has no such repository, or shows it to others only (it answered {answer.status}): "
            "check url, and secret for a private one"
        )
    if answer.status == 429 or answer.status >= 500:
        raise unreachable(url, f"answered {answer.status}; it is looked at again later")
    kind = answer.headers.get("Content-Type", "")
    if answer.status != 200 or not kind.startswith("application/x-git-upload-pack-"):
        raise _not_git(url)


def _not_git(url: str) -> StepError:
    return user_error(f"{place(url)} does not answer as a git server over HTTP does: check url")
