"""How many bytes of requests the server holds at one time, whichever way they came."""

from penstock_server.refusals import Blame, RequestError
from penstock_server.settings import Limits


class Holding:
    """Counts the bytes of all requests that are being read or answered."""

    def __init__(self, limits: Limits) -> None:
        """Nothing is held yet."""
        self.limits = limits
        self.bytes = 0

    def one(self) -> "Held":
        """A request that begins."""
        return Held(self)


class Held:
    """The bytes of one request, given back when the last of its users lets go."""

    def __init__(self, holding: Holding) -> None:
        """No byte yet, one user."""
        self.limits = holding.limits
        self._holding = holding
        self._size = 0
        self._users = 1

    def add(self, size: int) -> None:
        """More bytes came. RequestError: 413 when this request is too large, 503 when all together are."""
        self._size += size
        self._holding.bytes += size
        limits = self.limits
        if self._size > limits.body_bytes:
            message = f"the body is larger than {limits.body_bytes} bytes; send the rows in parts"
            raise RequestError(message, Blame.SIZE)
        if self._holding.bytes > limits.waiting_bytes:
            raise RequestError("too many large requests at once; try again", Blame.OVERLOAD)

    def share(self) -> None:
        """One more user: a thread that goes on although nobody waits for it any longer."""
        self._users += 1

    def release(self) -> None:
        """One user is done."""
        self._users -= 1
        if self._users == 0:
            self._holding.bytes -= self._size
