"""Why a request is not answered, in the words of both protocols: HTTP status and gRPC code."""

from dataclasses import dataclass
from enum import Enum

from penstock_artifacts.columns import InputError
from penstock_artifacts.model import ModelError


class Blame(Enum):
    """Whose fault it is and what the client may do about it: (HTTP status, gRPC code)."""

    REQUEST = (400, "INVALID_ARGUMENT")
    CLIENT = (401, "UNAUTHENTICATED")
    PLACE = (404, "NOT_FOUND")
    SLOW_BODY = (408, "DEADLINE_EXCEEDED")
    SIZE = (413, "INVALID_ARGUMENT")
    ENCODING = (415, "INVALID_ARGUMENT")
    SERVER = (500, "INTERNAL")
    NOT_READY = (503, "UNAVAILABLE")
    OVERLOAD = (503, "RESOURCE_EXHAUSTED")
    TIME = (504, "DEADLINE_EXCEEDED")

    @property
    def status(self) -> int:
        """The HTTP status code."""
        return self.value[0]

    @property
    def code(self) -> str:
        """The gRPC status code's name."""
        return self.value[1]


class RequestError(ValueError):
    """The request is refused; the message, one line for the client, says why and what next."""

    def __init__(self, message: str, blame: Blame = Blame.REQUEST) -> None:
        """Message in words, without values that the request brought."""
        super().__init__(message)
        self.blame = blame


@dataclass(frozen=True)
class Refusal:
    """What the client is told."""

    blame: Blame
    message: str
    ours: bool = False  # a defect of the server: its log must say where

    @classmethod
    def of(cls, error: Exception) -> "Refusal":
        """The refusal that an exception means."""
        if isinstance(error, RequestError):
            return cls(error.blame, str(error))
        if isinstance(error, InputError):
            return cls(Blame.REQUEST, str(error))
        if isinstance(error, ModelError):
            return cls(Blame.SERVER, str(error))
        return cls(Blame.SERVER, "internal error; the server's log says where", ours=True)
