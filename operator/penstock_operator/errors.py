"""What can go wrong between the operator and the API server, told apart by what to do next.

ClusterError
├── NotFound          the object does not exist
├── AlreadyExists     the name is taken
├── Conflict          the object is another than the one we read: read again and decide again
├── Forbidden         not allowed, by RBAC or an admission rule
│   ├── QuotaExceeded a ResourceQuota has no room now
│   └── LacksRight    the operator's own RBAC: no fault of the object
├── Invalid           the API server refuses this object for good
├── Gone              the resourceVersion is too old: list again
└── Unavailable       nobody knows whether it was done: try again later
"""

# ruff: noqa: N818 - a name says what happened

import re

# The authorizer's words; those of admission name the object and say who refuses it.
_RBAC = re.compile(r'is forbidden: User "[^"]*" cannot \w+ resource ')


class ClusterError(Exception):
    """The API server did not do what was asked. `code` is the HTTP status; 0 where there was no answer."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class NotFound(ClusterError):
    """The object does not exist."""


class AlreadyExists(ClusterError):
    """An object of this name exists."""


class Conflict(ClusterError):
    """The object has changed since it was read, or another manager owns a field."""


class Forbidden(ClusterError):
    """Not allowed: by RBAC, by Pod Security, by an admission policy."""


class QuotaExceeded(Forbidden):
    """A ResourceQuota has no room; it may have later."""


class LacksRight(Forbidden):
    """The operator's identity may not do this; somebody has taken its Role, or is about to give it back."""


class Invalid(ClusterError):
    """The object is refused as it is; trying again changes nothing."""


class Gone(ClusterError):
    """The asked resourceVersion is no longer kept."""


class Unavailable(ClusterError):
    """No answer, an answer that tells nothing, or the advice to come back later."""


def from_answer(code: int, reason: str, message: str) -> ClusterError:
    """The error for an HTTP status and the `reason` and `message` of the Status object that came with it."""
    text = message or reason or f"HTTP {code}"
    if code == 403 and "is being terminated" in text:
        return Unavailable(text, code)  # the namespace goes, and what asked for this goes with it
    if code == 403 and _RBAC.search(text):
        return LacksRight(text, code)
    if code == 403:
        return (QuotaExceeded if "exceeded quota" in text else Forbidden)(text, code)
    if code == 409:
        return (AlreadyExists if reason == "AlreadyExists" else Conflict)(text, code)
    if code in {401, 408, 429} or code >= 500:
        return Unavailable(text, code)
    known: dict[int, type[ClusterError]] = {404: NotFound, 410: Gone}
    return known.get(code, Invalid)(text, code)
