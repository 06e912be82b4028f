"""How much is taken: messages per namespace and minute, and the deliveries that are remembered."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from penstock_operator.webhook.messages import Address
from penstock_operator.webhook.refusals import Refused
from penstock_operator.webhook.signatures import WINDOW, Delivery

_REMEMBERED = 2 * WINDOW + 60  # seconds: a time may be ahead by the window, and is good for another
_MOST = 50_000


class Rate:
    """A bucket of tokens for each namespace, which fills evenly."""

    def __init__(self, per_minute: float, burst: float) -> None:
        self._per_second = per_minute / 60
        self._burst = burst
        self._left: dict[str, tuple[float, float]] = {}  # tokens, and when

    def take(self, namespace: str, now: float) -> None:
        """One message of this namespace. Raises Refused where it has sent too many."""
        left, then = self._left.get(namespace, (self._burst, now))
        left = min(self._burst, left + max(0.0, now - then) * self._per_second)
        if left < 1:
            wait = str(max(1, round((1 - left) / self._per_second)))
            raise Refused(429, "TooMany", "too many messages for this namespace", retry_after=wait)
        self._left[namespace] = (left - 1, now)


async def next_second(clock: Callable[[], float]) -> float:
    """Wait for the clock's next whole second, and give it.

    Signatures carry whole seconds: to who begins in the middle of one, what is signed in the rest of it
    looks as if it had been signed before.
    """
    second = math.ceil(clock())
    while (left := second - clock()) > 0:  # noqa: ASYNC110 - a clock is waited for, nothing tells of it
        await asyncio.sleep(left)
    return float(second)


@dataclass(frozen=True)
class _Known:
    address: Address
    run: str
    until: float


class Deliveries:
    """What was delivered lately. The runs' names hold it too; this also knows of runs that were deleted
    since, and of messages that were for another trigger.
    """

    def __init__(self, started_at: float) -> None:
        self._started_at = started_at
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()

    def run_of(self, address: Address, delivery: Delivery, now: float) -> str:
        """The run that this delivery has started already; empty where there is none.

        Raises Refused for a message that was for another trigger, and for one from before this process
        began: what was delivered then is not remembered.
        """
        self._forget(now)
        known = self._known.get((address.namespace, delivery.id))
        if known is not None and known.address != address:
            raise Refused(409, "OtherTrigger", "a message of this webhook-id was for another trigger")
        if known is not None:
            return known.run
        if delivery.signed_at < self._started_at:
            words = "the receiver has just started; sign the message again"
            raise Refused(503, "SignedBeforeStart", words, retry_after="1")
        if len(self._known) >= _MOST:
            raise Refused(503, "TooMany", "too many messages in ten minutes", retry_after="60")
        return ""

    def remember(self, address: Address, delivery: Delivery, run: str, now: float) -> None:
        """This run was started for it, now or before."""
        self._known[(address.namespace, delivery.id)] = _Known(address, run, now + _REMEMBERED)

    def _forget(self, now: float) -> None:
        while self._known and next(iter(self._known.values())).until <= now:
            self._known.popitem(last=False)
