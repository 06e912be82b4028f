"""Who runs the cluster: the user's choice, else what the machine offers."""

import os
from typing import cast, get_args

from hack.cluster import bare, current, docker, kind, teardown
from hack.cluster.cluster import Cluster, ProviderName, load
from hack.cluster.errors import ClusterError, Missing
from hack.cluster.paths import Paths


def choose(wish: str | None = None) -> ProviderName:
    """The provider of ``wish`` (default: the variable CLUSTER), else kind with Docker, else bare as root.

    Raises ClusterError for an unknown name, Missing when the machine offers none.
    """
    wish = wish or os.environ.get("CLUSTER") or None
    if wish is not None:
        if wish not in get_args(ProviderName):
            raise ClusterError(f"CLUSTER={wish}: must be one of {', '.join(get_args(ProviderName))}")
        return cast("ProviderName", wish)
    if docker.answers():
        return "kind"
    if os.geteuid() == 0:
        return "bare"
    raise Missing(
        "no cluster can be started here. One of these is needed: Docker with its engine running (`docker "
        "info` must answer), or root for a bare cluster, or CLUSTER=current with a kubectl context of yours"
    )


def up(name: str, wish: str | None = None) -> Cluster:
    """Bring a cluster up by the chosen provider, or make sure that it is.

    A cluster that is there stays with its provider; ClusterError when ``wish`` or CLUSTER asks for another.
    """
    wish = wish or os.environ.get("CLUSTER") or None
    there = load(name).provider if Paths(name).record.exists() else None
    chosen = there if there is not None and wish is None else choose(wish)
    if there is not None and chosen != there:
        raise ClusterError(
            f"cluster {name} was brought up by {there}, not by {chosen}: take it down first "
            f"(python3 -m hack.cluster down --name {name}) or use another name"
        )
    start = {"bare": bare.start, "kind": kind.up, "current": current.up}[chosen]
    return start(name)


def down(name: str) -> None:
    """Take down the cluster that was brought up under ``name``, data and all."""
    remove = {"bare": teardown.clean, "kind": kind.down, "current": current.down}[load(name).provider]
    remove(name)
