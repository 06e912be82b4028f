"""The rights that the operator needs: one table, which the chart's Role repeats and the start checks.

Least privilege: no Secret, no wildcard, no verb that no line of this package uses.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from penstock_operator.cluster import Cluster
from penstock_operator.resources import ACCESS_REVIEW, RESOURCES
from penstock_spec import names

AT_ONCE = 16


@dataclass(frozen=True)
class Right:
    """Verbs on a resource of a group, as in an RBAC rule; on one object only where `name` is set."""

    group: str
    resource: str
    verbs: Sequence[str]
    name: str = ""


_OWN = names.GROUP
_READ = ("get", "list", "watch")
NEEDED: Sequence[Right] = (
    Right(_OWN, "pipelines", _READ),
    Right(_OWN, "pipelineruns", (*_READ, "create", "patch", "delete")),
    Right(_OWN, "modelversions", (*_READ, "create")),
    Right(_OWN, "modelendpoints", (*_READ, "create", "patch")),
    *(Right(_OWN, f"{plural}/status", ("patch",)) for plural in names.PLURALS.values()),
    Right("batch", "jobs", (*_READ, "create", "delete")),
    # Gangs, where the cluster has JobSet; where not, the right is to nothing.
    Right("jobset.x-k8s.io", "jobsets", (*_READ, "create", "delete")),
    Right("apps", "deployments", (*_READ, "create", "patch", "delete")),
    Right("apps", "controllerrevisions", ("get", "list", "create", "delete")),
    Right("", "pods", _READ),
    Right("", "services", (*_READ, "create", "patch", "delete")),
    Right("autoscaling", "horizontalpodautoscalers", (*_READ, "create", "patch", "delete")),
    Right("policy", "poddisruptionbudgets", (*_READ, "create", "patch")),
    # The numbers of models. RBAC cannot restrict a creation to a name.
    Right("", "configmaps", ("create",)),
    Right("", "configmaps", ("get", "patch"), names.MODEL_NUMBERS),
    # Listed and watched with a field selector of that name, so that the name can stand here.
    Right("", "configmaps", _READ, names.DEFAULTS),
    Right("", "events", ("list", "create")),
    # Why a suspended Job waits, in Kueue's words; where there is no Kueue the right is to nothing.
    Right("kueue.x-k8s.io", "workloads", ("list",)),
)

# Those of the webhook, a program with an identity of its own.
WEBHOOK_NEEDED: Sequence[Right] = (
    Right(_OWN, "pipelines", ("get",)),
    Right(_OWN, "pipelineruns", ("create",)),
)


async def missing(cluster: Cluster, namespace: str | None) -> list[str]:
    """The needed rights that this identity lacks in `namespace` (None: in all), in words.

    "create batch/jobs".
    """
    gate = asyncio.Semaphore(AT_ONCE)
    wanted = list(_attributes())

    async def allowed(attributes: dict[str, str]) -> bool:
        manifest = {
            "apiVersion": RESOURCES[ACCESS_REVIEW].api_version,
            "kind": ACCESS_REVIEW,
            "spec": {"resourceAttributes": {**attributes, **({"namespace": namespace} if namespace else {})}},
        }
        async with gate:
            answer = await cluster.create(manifest)
        return bool((answer.get("status") or {}).get("allowed"))

    answers = await asyncio.gather(*(allowed(one) for one in wanted))
    return [_words(one) for one, yes in zip(wanted, answers, strict=True) if not yes]


def _attributes() -> Iterator[dict[str, str]]:
    for right in NEEDED:
        resource, _, subresource = right.resource.partition("/")
        for verb in right.verbs:
            found = {"group": right.group, "resource": resource, "verb": verb}
            found |= {"subresource": subresource} if subresource else {}
            yield found | ({"name": right.name} if right.name else {})


def _words(attributes: dict[str, str]) -> str:
    parts = [
        attributes["group"],
        attributes["resource"],
        attributes.get("subresource"),
        attributes.get("name"),
    ]
    return f"{attributes['verb']} {'/'.join(part for part in parts if part)}"
