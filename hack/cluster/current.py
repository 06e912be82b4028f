"""A cluster that somebody else runs: the one that kubectl's current context points to."""

import json
import os

from hack.cluster.cluster import Cluster
from hack.cluster.errors import ClusterError, Missing
from hack.cluster.kind import find_or_build
from hack.cluster.paths import Paths, locked, write_atomically
from hack.cluster.shell import run, say, succeeds
from hack.cluster.teardown import remove_folder
from hack.cluster.versions import HELM, KUBERNETES_TOOL


def up(name: str) -> Cluster:
    """Use the current context, after saying which one, through a copy of its part of the kubeconfig.

    The copy keeps pointing to the same cluster when the user changes the context later.
    Raises Missing when there is no current context or its server does not answer.
    """
    kubectl = find_or_build(KUBERNETES_TOOL, "kubectl", "version", "--client")
    helm = find_or_build(HELM, "helm", "version", "--short")
    if not succeeds([kubectl, "config", "current-context"]):
        raise Missing("CLUSTER=current, but kubectl has no current context: kubectl config use-context NAME")
    view = run([kubectl, "config", "view", "--minify", "--flatten", "--raw", "--output", "json"])
    config = json.loads(view)
    say(f"using context {config['current-context']} at {config['clusters'][0]['cluster']['server']}")
    paths = Paths(name)
    cluster = Cluster(name, str(paths.kubeconfig), kubectl, helm, "current")
    with locked(f"cluster-{name}"):
        write_atomically(paths.kubeconfig, view, 0o600)
        try:
            version = run(
                [kubectl, "--kubeconfig", paths.kubeconfig, "version", "--output", "json"], timeout=30
            )
        except ClusterError as error:
            raise Missing(f"the server of the current context does not answer: {error}") from error
        say(f"its server runs Kubernetes {json.loads(version)['serverVersion']['gitVersion']}")
        if not os.environ.get("PENSTOCK_REGISTRY"):
            say("to bring images there, PENSTOCK_REGISTRY must name a registry that its nodes pull from")
        cluster.link_programs()
        cluster.save()
    return cluster


def down(name: str) -> None:
    """Forget the cluster; it stays as it is."""
    with locked(f"cluster-{name}"):
        remove_folder(Paths(name).root)
    say("the cluster of the current context is left as it is")


def running(cluster: Cluster) -> bool:
    """Whether its server answers."""
    return succeeds([cluster.kubectl, "--kubeconfig", cluster.kubeconfig, "get", "--raw", "/readyz"])
