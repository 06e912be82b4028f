"""kopf at the rim: it watches the custom resources and reports what it sees; nothing else of it is used.

No change detection, no finalizers, no annotations, no posting: an event only says "look again". Existence is
never taken from here either; the comparison in resync.py notices a deletion that kopf missed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import kopf

from penstock_operator import clock
from penstock_operator.caches import Caches
from penstock_operator.cluster import CONNECT_SECONDS, REQUEST_SECONDS, SILENCE_SECONDS, WATCH_SECONDS
from penstock_operator.credentials import Credentials
from penstock_spec import names

IDENTITY: Any = names.MANAGED_BY  # kopf's type for it is not public
LOGIN_LIFE = timedelta(minutes=10)  # then the credentials are read again: a projected token lives an hour


class NothingStored(kopf.DiffBaseStorage):
    """kopf compares no versions of an object for us, so it need not copy or store any."""

    def build(self, **_: Any) -> Any:
        """No essence."""
        return {}

    def fetch(self, **_: Any) -> None:
        """No earlier one."""

    def store(self, **_: Any) -> None:
        """Nowhere."""


class NoProgress(kopf.ProgressStorage):
    """kopf runs no handlers whose progress would have to be remembered."""

    def fetch(self, **_: Any) -> None:
        """None made."""

    def store(self, **_: Any) -> None:
        """Nowhere."""

    def purge(self, **_: Any) -> None:
        """Nothing to remove."""

    def touch(self, **_: Any) -> None:
        """No annotation."""

    def clear(self, *, essence: Any) -> Any:
        """Nothing of ours in it."""
        return essence


def registry(caches: Caches, credentials: Credentials) -> kopf.OperatorRegistry:
    """The handlers: one per kind, and the login."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return connection(credentials)

    for kind, plural in names.PLURALS.items():
        kopf.on.event(names.GROUP, names.VERSION, plural, id=kind, registry=handlers)(_reporter(kind, caches))
    return handlers


def _reporter(kind: str, caches: Caches) -> Callable[..., Awaitable[None]]:
    async def report(event: Any, **_: Any) -> None:
        take = caches.forget if event["type"] == "DELETED" else caches.learn
        take(kind, event["object"])

    return report


def connection(credentials: Credentials) -> kopf.ConnectionInfo:
    """Our credentials in kopf's form."""
    scheme, _, token = credentials.authorization().partition(" ")
    certificate, key = credentials.client_certificate or (None, None)
    return kopf.ConnectionInfo(
        server=credentials.server,
        ca_path=credentials.authority_file,
        insecure=not credentials.verify,
        scheme=scheme or None,
        token=token or None,
        certificate_path=certificate,
        private_key_path=key,
        expiration=clock.now() + LOGIN_LIFE if token else None,
    )


def settings() -> kopf.OperatorSettings:
    """Silent streams are noticed, no rights beyond our own are needed, nothing is written."""
    chosen = kopf.OperatorSettings()
    chosen.watching.server_timeout = WATCH_SECONDS
    chosen.watching.connect_timeout = CONNECT_SECONDS
    chosen.watching.inactivity_timeout = SILENCE_SECONDS
    chosen.networking.request_timeout = REQUEST_SECONDS
    chosen.scanning.disabled = True
    chosen.posting.enabled = False
    chosen.peering.standalone = True
    chosen.persistence.diffbase_storage = NothingStored()
    chosen.persistence.progress_storage = NoProgress()
    return chosen


async def watch(
    caches: Caches,
    credentials: Credentials,
    namespaces: Sequence[str | None],
    stop: asyncio.Event,
    ready: asyncio.Event,
) -> None:
    """Report changes of the custom resources until `stop` is set; raises when kopf cannot go on.

    `ready` is set when kopf has started.
    """
    named = [one for one in namespaces if one is not None]
    await kopf.operator(
        registry=registry(caches, credentials),
        settings=settings(),
        # Else kopf asks the system for a user's name, which a container's numeric user has not.
        identity=IDENTITY,
        standalone=True,
        clusterwide=not named,
        namespaces=named,
        stop_flag=stop,
        ready_flag=ready,
    )
