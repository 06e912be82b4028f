"""What the workers of a gang are told: the number of each by its pod, all else the same for all."""

from typing import Any

import pytest

from penstock_operator.manifests.gangs import INDEX, Gang, environment
from tests.manifests.manifest_worlds import ROOT, manifests_of

FOUND = manifests_of(ROOT / "tests/golden/pipelines/distributed.yaml")
JOBS = {one["metadata"]["labels"]["penstock.dev/step"]: one for one in FOUND if one["kind"] == "Job"}
SERVICES = {one["metadata"]["labels"]["penstock.dev/step"]: one for one in FOUND if one["kind"] == "Service"}


def variables(job: Any, container: str) -> dict[str, Any]:
    """Value of each variable; of one that the kubelet fills, the field."""
    pod = job["spec"]["template"]["spec"]
    (found,) = (one for one in [*pod["initContainers"], *pod["containers"]] if one["name"] == container)
    names = [one["name"] for one in found["env"]]
    assert len(set(names)) == len(names), "a variable stands twice"
    return {
        one["name"]: one["value"] if "value" in one else one["valueFrom"].get("fieldRef", {}).get("fieldPath")
        for one in found["env"]
    }


@pytest.mark.parametrize(("step", "workers"), [("fit", 4), ("meet", 2)])
def test_a_gang_is_an_indexed_job_whose_pods_have_names(step: str, workers: int) -> None:
    job, service = JOBS[step], SERVICES[step]
    spec, name = job["spec"], job["metadata"]["name"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", workers, workers)
    assert spec["backoffLimit"] == 0
    assert spec["template"]["spec"]["subdomain"] == service["metadata"]["name"] == name
    assert len(f"{name}-{workers - 1}") <= 63, "a host name"
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": name}
    assert service["metadata"]["ownerReferences"] == job["metadata"]["ownerReferences"]


def test_a_process_of_a_worker_of_its_own_knows_its_rank() -> None:
    job = JOBS["meet"]
    name, found = job["metadata"]["name"], variables(job, "main")
    assert found["MASTER_ADDR"] == found["PET_MASTER_ADDR"] == f"{name}-0.{name}"
    assert (found["WORLD_SIZE"], found["LOCAL_WORLD_SIZE"], found["LOCAL_RANK"]) == ("2", "1", "0")
    numbers = {key for key, value in found.items() if value == INDEX}
    assert numbers == {"RANK", "NODE_RANK", "GROUP_RANK", "PET_NODE_RANK"}


def test_a_launcher_is_told_how_many_it_starts_and_ranks_them_itself() -> None:
    found = variables(JOBS["fit"], "main")
    assert (found["WORLD_SIZE"], found["LOCAL_WORLD_SIZE"]) == ("8", "2")
    assert (found["PET_NNODES"], found["PET_NPROC_PER_NODE"], found["PET_NODE_RANK"]) == ("4", "2", INDEX)
    assert not {"RANK", "LOCAL_RANK"} & set(found)


def test_what_the_user_sets_is_what_the_program_gets() -> None:
    assert variables(JOBS["meet"], "main")["MASTER_PORT"] == "4000"


def test_publish_knows_whose_outputs_it_holds() -> None:
    assert variables(JOBS["meet"], "publish")["PENSTOCK_WORKER"] == INDEX
    assert "PENSTOCK_WORKER" not in variables(JOBS["meet"], "fetch")
    assert "PENSTOCK_WORKER" not in variables(JOBS["rows"], "publish")


def test_a_step_of_one_pod_has_neither_names_nor_numbers() -> None:
    assert "rows" not in SERVICES
    assert "completionMode" not in JOBS["rows"]["spec"]
    assert "subdomain" not in JOBS["rows"]["spec"]["template"]["spec"]
    assert "MASTER_ADDR" not in variables(JOBS["rows"], "main")


@pytest.mark.parametrize("gang", [Gang(1), Gang(64), Gang(64, 64)])
def test_ranks_are_as_many_as_processes(gang: Gang) -> None:
    found = {one["name"]: one.get("value") for one in environment(gang, "j")}
    assert found["WORLD_SIZE"] == str(gang.workers * gang.processes)
