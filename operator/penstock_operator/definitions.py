"""Waits until the API server has our kinds, at the start and after somebody has taken them away.

Whoever brings the definitions need not know of this process. To end instead would mean to be started anew by
the kubelet after pauses that grow to five minutes.
"""

import asyncio
import logging
from collections.abc import Callable

from penstock_operator.cluster import Cluster
from penstock_operator.errors import Unavailable
from penstock_operator.resources import CUSTOM_KINDS

log = logging.getLogger(__name__)

PAUSE = 1.0
SAID_EVERY = 60  # pauses


async def wait_for_definitions(cluster: Cluster, answered: Callable[[], None]) -> None:
    """Return once all our kinds are served. `answered` is called whenever the API server says no.

    Raises Forbidden where discovery may not be read: kopf could do nothing then.
    """
    pauses = 0
    while True:
        try:
            lacking = [kind for kind in CUSTOM_KINDS if not await cluster.serves(kind)]
        except Unavailable as error:
            log.warning("the API server does not answer yet", extra={"why": str(error)})
        else:
            if not lacking:
                return
            answered()
            if pauses % SAID_EVERY == 0:
                what = "the API server lacks kinds of ours: install the chart's definitions"
                log.error(what, extra={"lacking": lacking})
            pauses += 1
        await asyncio.sleep(PAUSE)
