"""Why a message starts nothing: an HTTP status, one word for programs, and a sentence for people."""

# ruff: noqa: N818 - a name says what happened

from collections.abc import Mapping


class Refused(Exception):
    """The message is answered with this and nothing is started."""

    def __init__(self, status: int, reason: str, message: str, **headers: str) -> None:
        """`headers` with underscores: retry_after="1"."""
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.headers: Mapping[str, str] = {
            name.replace("_", "-").title(): value for name, value in headers.items()
        }


def malformed(message: str) -> Refused:
    """The request is none that could ever be answered."""
    return Refused(400, "Malformed", message)


def unsigned() -> Refused:
    """One answer for every way in which a signature may be wrong: none of them says what exists."""
    return Refused(401, "BadSignature", "no secret of this namespace and pipeline gives this signature")


def not_found(namespace: str, pipeline: str, trigger: str) -> Refused:
    """There is no such trigger, or it is none for messages."""
    return Refused(
        404, "NotFound", f"there is no Pipeline {pipeline} in {namespace} with a webhook trigger {trigger}"
    )
