"""What JobSet knows of a set, and what its controller makes of one, for tests without a cluster.

tests/controllers has the controller itself.
"""

import copy
from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]
PREFIX = "jobset.sigs.k8s.io"
_OPEN: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_TEXT, _WHOLE, _SWITCH = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}


def _closed(*required: str, **fields: Any) -> Object:
    """An object with these fields and no others."""
    return {"type": "object", "properties": fields, **({"required": list(required)} if required else {})}


_PART = _closed(
    "name",
    "template",
    name=_TEXT,
    groupName={**_TEXT, "default": "default"},
    replicas={**_WHOLE, "default": 1},
    template=_closed(metadata=_OPEN, spec=_OPEN),
)
SPEC = _closed(
    suspend=_SWITCH,
    network=_closed(enableDNSHostnames=_SWITCH, publishNotReadyAddresses=_SWITCH, subdomain=_TEXT),
    successPolicy=_closed("operator", operator={**_TEXT, "enum": ["All", "Any"]}),
    failurePolicy=_closed(
        maxRestarts=_WHOLE, restartStrategy={**_TEXT, "enum": ["Recreate", "BlockingRecreate"]}
    ),
    replicatedJobs={"type": "array", "items": _PART},
)


def name_of_job(item: Mapping[str, Any]) -> str:
    """<JobSet>-<replicated Job>-<index>."""
    (part,) = item["spec"]["replicatedJobs"]
    return f"{item['metadata']['name']}-{part['name']}-0"


def owner_of(item: Mapping[str, Any]) -> Object:
    meta = item["metadata"]
    about = {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet"}
    return {
        **about,
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def job_of(item: Mapping[str, Any]) -> Object:
    """The Job that the controller makes: the template with labels and a subdomain, suspended like the set."""
    (part,) = copy.deepcopy(item["spec"]["replicatedJobs"])
    meta, template = item["metadata"], part["template"]
    known = {
        "jobset-name": meta["name"],
        "jobset-uid": meta["uid"],
        "replicatedjob-name": part["name"],
        "replicatedjob-replicas": "1",
        "restart-attempt": "0",
        "job-index": "0",
        "job-global-index": "0",
    }
    ours = {f"{PREFIX}/{name}": value for name, value in known.items()}
    spec = {**template["spec"], "suspend": item["spec"].get("suspend", False)}
    for about in (template.setdefault("metadata", {}), spec["template"].setdefault("metadata", {})):
        for kind in ("labels", "annotations"):
            about[kind] = {**(about.get(kind) or {}), **ours}
    if item["spec"]["network"]["enableDNSHostnames"]:
        spec["template"]["spec"]["subdomain"] = item["spec"]["network"].get("subdomain") or meta["name"]
    where = {"name": name_of_job(item), "namespace": meta["namespace"], "ownerReferences": [owner_of(item)]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**template["metadata"], **where},
        "spec": spec,
    }


def service_of(item: Mapping[str, Any]) -> Object:
    """The headless Service of the set's pods."""
    meta = item["metadata"]
    where = {
        "name": meta["name"],
        "namespace": meta["namespace"],
        "ownerReferences": [owner_of(item)],
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": where,
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": item["spec"]["network"]["publishNotReadyAddresses"],
            "selector": {f"{PREFIX}/jobset-name": meta["name"]},
        },
    }
