"""One message from its bytes to its answer. Whatever is wrong is a Refused; the server only speaks HTTP."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from penstock_operator import errors
from penstock_operator.observe import applied_spec
from penstock_operator.webhook.admission import run_for
from penstock_operator.webhook.limits import Deliveries, Rate
from penstock_operator.webhook.messages import LARGEST, Address, address_of, parameters_of
from penstock_operator.webhook.refusals import Refused, not_found
from penstock_operator.webhook.signatures import Delivery, verified
from penstock_spec import names

Object = dict[str, Any]


class Api(Protocol):
    """The two requests that are sent to the API server."""

    async def get(self, kind: str, namespace: str, name: str) -> Object:
        """The object as it is now."""

    async def create(self, manifest: Mapping[str, Any]) -> Object:
        """The created object."""


@dataclass(frozen=True)
class Message:
    """A request as it came."""

    method: str
    path: str  # raw, with the query
    headers: Mapping[str, Sequence[str]]  # by lower-case name
    body: bytes


@dataclass(frozen=True)
class Started:
    """The answer to a good message."""

    run: str
    created: bool


class Desk:
    """Takes messages."""

    def __init__(
        self,
        api: Api,
        keys: Callable[[str, str], Sequence[bytes]],
        deliveries: Deliveries,
        rate: Rate,
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives seconds since 1970."""
        self._api = api
        self._keys = keys
        self._deliveries = deliveries
        self._rate = rate
        self._clock = clock

    async def take(self, message: Message) -> Started:
        """Start the run that the message asks for, or find it started. Raises Refused."""
        address = self.precheck(message.method, message.path, message.headers)
        if len(message.body) > LARGEST:
            raise too_large()
        now = self._clock()
        keys = self._keys(address.namespace, address.pipeline)
        delivery = verified(message.headers, message.body, keys, now)
        self._rate.take(address.namespace, now)
        known = self._deliveries.run_of(address, delivery, now)
        if known:
            return Started(known, created=False)
        parameters = parameters_of(message.body)
        started = await self._start(address, delivery, parameters, now)
        self._deliveries.remember(address, delivery, started.run, now)
        return started

    @staticmethod
    def precheck(method: str, path: str, headers: Mapping[str, Sequence[str]]) -> Address:
        """What can be refused before the body is read."""
        address = address_of(path)
        if method != "POST":
            raise Refused(405, "MethodNotAllowed", "send a POST", allow="POST")
        kinds = headers.get("content-type", ())
        if len(kinds) != 1 or kinds[0].partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "NotJson", "Content-Type must be application/json")
        if headers.get("content-encoding", ("identity",)) not in (("identity",), ["identity"]):
            raise Refused(415, "Encoded", "the body must not be compressed")
        lengths = headers.get("content-length", ())
        if lengths and lengths[0].isdecimal() and int(lengths[0][:12]) > LARGEST:
            raise too_large()
        return address

    async def _start(
        self, address: Address, delivery: Delivery, parameters: Mapping[str, Any], now: float
    ) -> Started:
        where = (address.namespace, address.pipeline, address.trigger)
        try:
            pipeline = await self._api.get(names.PIPELINE, address.namespace, address.pipeline)
        except (errors.NotFound, errors.Forbidden):
            raise not_found(*where) from None
        except errors.ClusterError:
            raise _unavailable() from None
        moment = datetime.fromtimestamp(now, UTC)
        manifest = run_for(address, pipeline, applied_spec(pipeline), delivery.id, parameters, moment)
        name = str(manifest["metadata"]["name"])
        try:
            await self._api.create(manifest)
        except errors.AlreadyExists:
            return Started(name, created=False)
        except errors.QuotaExceeded:
            words = "the namespace's quota of runs is used up"
            raise Refused(429, "QuotaExceeded", words, retry_after="60") from None
        except (errors.Forbidden, errors.Invalid, errors.NotFound):
            raise Refused(409, "RejectedByCluster", "the cluster does not take the run") from None
        except errors.ClusterError:
            raise _unavailable() from None
        return Started(name, created=True)


def too_large() -> Refused:
    """The body is larger than any that is taken."""
    return Refused(413, "TooLarge", f"the body has more than {LARGEST} bytes")


def _unavailable() -> Refused:
    words = "the API server does not answer; send the message again, with the same webhook-id"
    return Refused(503, "Unavailable", words, retry_after="5")
