"""JobSet's kind and its controller, played: as much as a JobSet of one Job needs that never restarts."""

import copy
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.support import Kubectl

Object = dict[str, Any]
CRD = "jobsets.jobset.x-k8s.io"
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
JOB_SETS: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": CRD,
        "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/jobset"},
    },
    "spec": {
        "group": "jobset.x-k8s.io",
        "scope": "Namespaced",
        "names": {
            "kind": "JobSet",
            "plural": "jobsets",
            "singular": "jobset",
            "listKind": "JobSetList",
        },
        "versions": [
            {
                "name": "v1alpha2",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": _closed(spec=SPEC, status=_OPEN)},
            }
        ],
    },
}


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


def condition_of(job: Mapping[str, Any]) -> Object | None:
    """What the set says once its Job has ended."""
    found = {one["type"]: one for one in (job.get("status") or {}).get("conditions") or ()}
    ends = {"Complete": ("Completed", "AllJobsCompleted"), "Failed": ("Failed", "ReachedMaxRestarts")}
    for name, (type_, reason) in ends.items():
        one = found.get(name, {})
        if one.get("status") == "True":
            when = {"lastTransitionTime": one["lastTransitionTime"]}
            return {"type": type_, "status": "True", "reason": reason, "message": reason, **when}
    return None


class Controller:
    """Does what JobSet's controller does in one namespace, every half second."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        self._kubectl, self._namespace = kubectl, namespace

    def once(self) -> None:
        """One look at every JobSet."""
        jobs = {one["metadata"]["name"]: one for one in self._kubectl.list("jobs", self._namespace)}
        for item in self._kubectl.list("jobsets", self._namespace):
            ended = (item.get("status") or {}).get("conditions")
            if not ended and "deletionTimestamp" not in item["metadata"]:
                self._one(item, jobs.get(name_of_job(item)))

    def _one(self, item: Object, job: Object | None) -> None:
        where = ("-n", self._namespace)
        if job is None:
            self._kubectl.apply(service_of(item), job_of(item))
            return
        if job["metadata"]["ownerReferences"][0]["uid"] != item["metadata"]["uid"]:
            return  # of a set that is gone; it goes too
        condition = condition_of(job)
        if condition is not None:
            patch = json.dumps({"status": {"conditions": [condition]}})
            words = ("patch", "jobset", item["metadata"]["name"], "--subresource=status", "--type=merge")
            self._kubectl.run(*words, "-p", patch, *where, check=False)  # it may be gone by now
            return
        held = item["spec"].get("suspend", False)
        if job["spec"].get("suspend", False) != held:
            patch = json.dumps({"spec": {"suspend": held}})
            words = ("patch", "job", job["metadata"]["name"], "--type=merge")
            self._kubectl.run(*words, "-p", patch, *where, check=False)


@contextmanager
def controlled(kubectl: Kubectl, namespace: str) -> Iterator[None]:
    """While the controller runs; its own faults fail the test."""
    stop, faults = threading.Event(), []

    def work() -> None:
        controller = Controller(kubectl, namespace)
        while not stop.wait(0.5):
            try:
                controller.once()
            except Exception as error:  # noqa: BLE001 - told at the end
                faults.append(error)
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not faults, faults
