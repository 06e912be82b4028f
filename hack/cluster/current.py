"""A cluster that somebody else runs: the one that kubectl's current context points to."""

import json
import os
from pathlib import Path

from hack.cluster.cluster import Cluster, forget
from hack.cluster.errors import Missing
from hack.cluster.kind import find_or_build
from hack.cluster.paths import Paths, write_atomically
from hack.cluster.shell import run, say
from hack.cluster.versions import HELM, KUBERNETES_TOOL


def up(name: str) -> Cluster:
    """Use the current context, after saying which one, through a copy of its part of the kubeconfig.

    The copy keeps pointing to the same cluster when the user changes the context later.
    Raises Missing when there is no current context or its server does not answer.
    """
    kubectl = find_or_build(KUBERNETES_TOOL, "kubectl", "version", "--client")
    helm = find_or_build(HELM, "helm", "version", "--short")
    view = run([kubectl, "config", "view", "--minify", "--flatten", "--raw", "--output", "json"])
    config = json.loads(view)
    if not config.get("clusters"):
        raise Missing("CLUSTER=current, but kubectl has no current context: kubectl config use-context NAME")
    server = config["clusters"][0]["cluster"]["server"]
    say(f"using context {config['current-context']} at {server}")
    paths = Paths(name)
    write_atomically(paths.kubeconfig, view, 0o600)
    version = json.loads(
        run([kubectl, "--kubeconfig", paths.kubeconfig, "version", "--output", "json"], timeout=30)
    )
    say(f"its server runs Kubernetes {version['serverVersion']['gitVersion']}")
    if not os.environ.get("PENSTOCK_REGISTRY"):
        say("to bring images there, PENSTOCK_REGISTRY must name a registry that its nodes pull from")
    cluster = Cluster(name, str(paths.kubeconfig), kubectl, helm, "current")
    cluster.link_programs()
    cluster.save()
    return cluster


def down(name: str) -> None:
    """Forget the cluster; it stays as it is."""
    Path(Paths(name).kubeconfig).unlink(missing_ok=True)
    forget(name)
    say("the cluster of the current context is left as it is")
