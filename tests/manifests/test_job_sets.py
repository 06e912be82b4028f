"""A gang's attempt as a JobSet: what its kind knows, around exactly the Job that would stand alone."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from penstock_operator.manifests.identity import hash_of, may_adopt
from tests.job_sets import SPEC, job_of, service_of
from tests.manifests.manifest_worlds import ROOT, job_sets_in, manifests_of

PATH = ROOT / "tests/golden/pipelines/distributed.yaml"
SETS = {one["metadata"]["labels"]["penstock.dev/step"]: one for one in job_sets_in(PATH)}
JOBS = {
    one["metadata"]["labels"]["penstock.dev/step"]: one for one in manifests_of(PATH) if one["kind"] == "Job"
}
STEPS = pytest.mark.parametrize("step", ["fit", "meet"])


def stored(step: str) -> Any:
    """The JobSet as the API server has it."""
    found = copy.deepcopy(SETS[step])
    found["metadata"]["uid"] = "set-uid"
    return found


def unknown(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """Fields of `value` that the API server would drop."""
    if schema["type"] == "object" and "properties" in schema:
        for name, one in value.items():
            if name in schema["properties"]:
                yield from unknown(one, schema["properties"][name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"
    elif schema["type"] == "array":
        for one in value:
            yield from unknown(one, schema["items"], f"{path}[]")


@STEPS
def test_nothing_in_it_is_unknown_to_the_kind(step: str) -> None:
    assert SETS[step]["apiVersion"] == "jobset.x-k8s.io/v1alpha2"
    assert list(unknown(SETS[step]["spec"], SPEC, "spec")) == []


@STEPS
def test_it_makes_one_job_and_never_again(step: str) -> None:
    spec = SETS[step]["spec"]
    (part,) = spec["replicatedJobs"]
    assert part["replicas"] == 1
    assert spec["failurePolicy"] == {"maxRestarts": 0}
    assert spec["successPolicy"] == {"operator": "All"}
    assert spec["network"] == {"enableDNSHostnames": True, "publishNotReadyAddresses": True}


def told(job: Any) -> dict[str, Any]:
    (main,) = (one for one in job["spec"]["template"]["spec"]["initContainers"] if one["name"] == "main")
    return {one["name"]: one.get("value") for one in main["env"]}


@STEPS
def test_workers_find_each_other_by_the_names_that_jobset_gives(step: str) -> None:
    item = stored(step)
    job, service = job_of(item), service_of(item)
    # An Indexed Job names its pods <Job>-<number>.
    assert told(job)["MASTER_ADDR"] == f"{job['metadata']['name']}-0.{service['metadata']['name']}"
    assert job["spec"]["template"]["spec"]["subdomain"] == service["metadata"]["name"]


@STEPS
def test_the_job_in_it_is_the_one_that_would_stand_alone(step: str) -> None:
    (part,) = copy.deepcopy(SETS[step]["spec"]["replicatedJobs"])
    inside, alone = part["template"]["spec"], copy.deepcopy(JOBS[step]["spec"])
    del alone["suspend"]
    for one in (inside, alone):
        one["template"]["metadata"]["labels"].pop("penstock.dev/spec-hash")
        one["template"]["spec"].pop("subdomain")
        (main,) = (found for found in one["template"]["spec"]["initContainers"] if found["name"] == "main")
        main["env"] = [found for found in main["env"] if "MASTER_ADDR" not in found["name"]]
    assert inside == alone
    assert part["template"]["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "penstock", "its label"


def test_the_queue_is_asked_for_the_set_and_for_nothing_below_it() -> None:
    found = SETS["fit"]
    assert found["spec"]["suspend"] is True
    assert found["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    job = job_of(stored("fit"))
    assert not [one for one in job["metadata"]["labels"] if "kueue" in one]
    assert not [one for one in job["spec"]["template"]["metadata"]["labels"] if "kueue" in one]


def test_what_webhook_and_kueue_add_hinders_no_adoption_and_another_owner_does() -> None:
    wanted, live = SETS["fit"], stored("fit")
    live["spec"] |= {"startupPolicy": {"startupPolicyOrder": "AnyOrder"}, "suspend": False}
    (part,) = live["spec"]["replicatedJobs"]
    part["groupName"] = "default"
    part["template"]["spec"]["template"]["spec"]["nodeSelector"] = {"flavor": "large"}
    live["metadata"]["labels"] = {}
    assert hash_of(live)
    assert may_adopt(wanted, live)
    other = copy.deepcopy(live)
    other["metadata"]["ownerReferences"][0]["uid"] = "another"
    assert not may_adopt(wanted, other)
    marks = part["template"]["spec"]["template"]["metadata"]["labels"]
    marks["penstock.dev/attempt"] = "2"
    assert not may_adopt(wanted, live)
