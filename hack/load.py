"""Traffic from this machine to an endpoint on the cluster, for the demo and for tests."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from examples import traffic
from hack.cluster.cluster import Cluster
from hack.project import forwarded


@contextmanager
def sending(
    cluster: Cluster,
    namespace: str,
    endpoint: str,
    table: traffic.Table,
    *,
    rate: float,
    shift: Mapping[str, float] | None = None,
) -> Iterator[Counter[str]]:
    """`rate` requests per second while the context lasts; counts of answers by status fill up meanwhile.

    The endpoint's model has the endpoint's name. A forwarded port leads to one pod and ends with it: the
    endpoint's pods must stay.
    """
    stop, answers = threading.Event(), Counter[str]()

    def work() -> None:
        with forwarded(cluster, namespace, f"svc/{endpoint}", 80) as port:
            url, seed = f"http://127.0.0.1:{port}", 0
            while not stop.is_set():
                seed += 1
                answers.update(
                    traffic.send(url, endpoint, table, rate=rate, seconds=1, shift=shift or {}, seed=seed)
                )

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join(60)
