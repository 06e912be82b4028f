"""JobSet's controller for the small cluster, as far as a JobSet of one Job that is never restarted shows it.

Like the cluster it shares no code with the planner.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.core.fake_cluster import FakeCluster

Object = dict[str, Any]


def control(cluster: "FakeCluster") -> None:
    """What it does by now, and Kueue with what it holds."""
    for one in list(cluster.find("JobSet")):
        if not over(one):
            _one(cluster, one)


def _one(cluster: "FakeCluster", item: Object) -> None:
    job = cluster.get("Job", name_of_job(item))
    if job is None:
        cluster.create(made_by(item))
        return
    if over(job):
        ends = {"Complete": "Completed", "Failed": "Failed"}
        cluster.change(item, status={"conditions": [ends[job["status"]["conditions"][0]]]})
        return
    held = item["spec"].get("suspend", False)
    age = cluster.now - datetime.fromisoformat(item["metadata"]["creationTimestamp"])
    if held and age.total_seconds() >= cluster.admits_after:
        cluster.change(item, spec={**item["spec"], "suspend": False})
    elif not held and job["spec"]["suspend"]:
        begun = {"startTime": cluster.now.isoformat()}
        cluster.change(job, spec={**job["spec"], "suspend": False}, status=begun)


def made_by(item: Object) -> Object:
    """The Job of a JobSet, which is suspended where that is."""
    (part,) = item["spec"]["replicatedJobs"]
    meta, template = item["metadata"], part["template"]
    owner = {"kind": "JobSet", "name": meta["name"], "uid": meta["uid"], "controller": True}
    held = item["spec"].get("suspend", False)
    return {
        "kind": "Job",
        "metadata": {**template["metadata"], "name": name_of_job(item), "ownerReferences": [owner]},
        "spec": {**template["spec"], "suspend": held},
    }


def name_of_job(item: Object) -> str:
    (part,) = item["spec"]["replicatedJobs"]
    return f"{item['metadata']['name']}-{part['name']}-0"


def is_inner(job: Object) -> bool:
    """Whether a JobSet has made this Job."""
    return bool(job["metadata"]["ownerReferences"][0].get("kind") == "JobSet")


def over(item: Object) -> bool:
    return bool(item.get("status", {}).get("conditions"))


def attempts(cluster: "FakeCluster") -> Iterator[Object]:
    """Every attempt as a Job, that of a JobSet without one as the Job that is about to be made."""
    yield from cluster.find("Job")
    for one in cluster.find("JobSet"):
        if cluster.get("Job", name_of_job(one)) is None and not over(one):
            job = made_by(one)
            yield {**job, "metadata": {**job["metadata"], "uid": one["metadata"]["uid"]}}
