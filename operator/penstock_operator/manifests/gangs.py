"""Gangs: what several pods of one Job need to find each other, with nothing but the core API.

An Indexed Job gives each pod a number and a host name, a headless Service makes the names known, also of pods
that are not ready: those of users' programs never are while they work. The variables are those that torchrun,
torch.distributed and many others read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock_operator.manifests import pods
from penstock_operator.manifests.identity import with_hash

PORT = 29500  # torchrun's own; every worker has an address of its own
INDEX = "metadata.annotations['batch.kubernetes.io/job-completion-index']"


@dataclass(frozen=True)
class Gang:
    """How many workers, and how many processes in each."""

    workers: int
    processes: int = 1


def environment(gang: Gang, job: str, network: str = "") -> list[dict[str, Any]]:
    """The variables of a worker's program; `network` is the headless Service's name, where not the Job's."""
    master, ranks = f"{job}-0.{network or job}", gang.workers * gang.processes
    known = {
        "MASTER_ADDR": master,
        "MASTER_PORT": str(PORT),
        "WORLD_SIZE": str(ranks),
        "LOCAL_WORLD_SIZE": str(gang.processes),
        # torchrun takes its options from these.
        "PET_NNODES": str(gang.workers),
        "PET_NPROC_PER_NODE": str(gang.processes),
        "PET_MASTER_ADDR": master,
        "PET_MASTER_PORT": str(PORT),
    }
    numbers = ["NODE_RANK", "GROUP_RANK", "PET_NODE_RANK"]
    if gang.processes == 1:
        # A process per worker has the worker's number; of several, the launcher numbers each.
        known["LOCAL_RANK"] = "0"
        numbers.append("RANK")
    return [
        *(pods.literal(name, value) for name, value in sorted(known.items())),
        *(pods.from_field(name, INDEX) for name in sorted(numbers)),
    ]


def job_fields(gang: Gang | None) -> dict[str, Any]:
    """What stands in the Job about its pods' number."""
    if gang is None:
        return {"completions": 1, "parallelism": 1}
    return {"completions": gang.workers, "parallelism": gang.workers, "completionMode": "Indexed"}


def service(name: str, namespace: str, labels: Mapping[str, str], owner: Mapping[str, Any]) -> dict[str, Any]:
    """The headless Service that makes the names of a Job's pods known; it has the Job's name and owner."""
    return with_hash(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": dict(labels),
                "ownerReferences": [dict(owner)],
            },
            "spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": True,
                "selector": {"batch.kubernetes.io/job-name": name},
                "ports": [{"name": "master", "port": PORT}],
            },
        }
    )
