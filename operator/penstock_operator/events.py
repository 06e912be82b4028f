"""Kubernetes Events: what `kubectl describe` shows below an object. Never a reason to fail anything."""

import logging
from collections.abc import Iterable
from datetime import datetime

from penstock_operator.cluster import Cluster
from penstock_operator.core.actions import EventNote
from penstock_operator.errors import ClusterError
from penstock_operator.resources import EVENT
from penstock_operator.store import Object
from penstock_spec import names, object_names

log = logging.getLogger(__name__)

MESSAGE = 1024  # what the API server takes
READABLE = 200  # of the object's name, so that ours stays below 253


async def post(cluster: Cluster, item: Object, notes: Iterable[EventNote], now: datetime) -> None:
    """Create one Event per note about `item`, which has just been written."""
    for note in notes:
        try:
            await cluster.create(manifest(item, note, now))
        except ClusterError as error:
            log.warning("event not written", extra={"reason": note.reason, "why": str(error)})


def manifest(item: Object, note: EventNote, now: datetime) -> Object:
    """The Event.

    Its name holds the written version: only the writer of a transition can tell of it, and only once.
    """
    meta = item["metadata"]
    unique = object_names.short_hash(
        meta["uid"], meta["resourceVersion"], note.reason, note.message, length=16
    )
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": EVENT,
        "metadata": {"name": f"{meta['name'][:READABLE]}.{unique}", "namespace": meta["namespace"]},
        "involvedObject": {
            "apiVersion": item["apiVersion"],
            "kind": item["kind"],
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
            "resourceVersion": meta["resourceVersion"],
        },
        "reason": note.reason,
        "message": note.message[:MESSAGE],
        "type": "Warning" if note.warning else "Normal",
        "source": {"component": names.MANAGED_BY},
        "reportingComponent": f"{names.GROUP}/operator",
        "reportingInstance": names.MANAGED_BY,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
