"""What the small Jobs beside runs have in common: one pod of one container of ours, which is tried once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock_operator.manifests import pods
from penstock_operator.manifests.identity import with_hash
from penstock_spec import batch, contract


@dataclass(frozen=True)
class SmallJob:
    """A Job that archives, sweeps, judges a window or looks for a trigger."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    owner: Mapping[str, Any]  # its reference
    pod: Mapping[str, Any]  # pods.pod_spec of its one container
    seconds: int  # that the pod may take
    scheduling: Mapping[str, Any] = field(default_factory=dict)  # nodeSelector and tolerations, as in a pod

    def manifest(self) -> dict[str, Any]:
        """The Job's manifest, with its hash."""
        return with_hash(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {
                    "name": self.name,
                    "namespace": self.namespace,
                    "labels": self.labels,
                    "ownerReferences": [self.owner],
                },
                "spec": {
                    "backoffLimit": 0,  # another attempt is another Job, and ours to make
                    "completions": 1,
                    "parallelism": 1,
                    "podReplacementPolicy": "Failed",
                    "template": {
                        "metadata": pods.template_metadata(self.labels, contract.MAIN),
                        "spec": {
                            **self.pod,
                            "restartPolicy": "Never",
                            "activeDeadlineSeconds": self.seconds,
                            **self.scheduling,
                        },
                    },
                },
            }
        )


def carrying(container: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """The container, which is told these texts of a batch as well."""
    told = [pods.literal(name, text) for name, text in batch.variables(texts).items()]
    return {**container, "env": [*container["env"], *told]}
