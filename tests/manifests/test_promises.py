"""What holds for every manifest, whatever the pipeline."""

import json
import re
from typing import Any

import pytest

from penstock_operator.manifests import pods
from penstock_operator.manifests.identity import hash_of, may_adopt, with_hash
from penstock_operator.manifests.quantity import cpu_limit, grown_memory, parse
from penstock_spec import contract, serving_contract
from penstock_spec.names import LABEL_ATTEMPT, LABEL_SPEC_HASH
from tests.chart.pod_security import violations
from tests.manifests.manifest_worlds import PIPELINES, golden_name, manifests_of

MANIFESTS = [
    pytest.param(one, id=f"{golden_name(path)}-{one['kind']}-{one['metadata']['name']}")
    for path in PIPELINES
    for one in manifests_of(path)
]
JOBS = [one for one in MANIFESTS if one.values[0]["kind"] == "Job"]  # type: ignore[index]  # a manifest
WITH_PODS = [one for one in MANIFESTS if one.values[0]["kind"] in ("Job", "Deployment")]  # type: ignore[index]  # the same

NAMED = ("step", "window-of", "trigger")  # after which a Job is named
STORE = {"PENSTOCK_STORE_SECRET_ACCESS_KEY", "PENSTOCK_STORE_URL"}
CREDENTIALS = {*STORE, "PENSTOCK_SOURCE_SECRET_ACCESS_KEY", "PENSTOCK_SOURCE_PASSWORD"}
PROBES = [one for one in JOBS if one.values[0]["metadata"]["name"].rpartition("-")[0].endswith("-look")]  # type: ignore[index]  # the same


def pod_of(manifest: Any) -> Any:
    return manifest["spec"]["template"]["spec"]


def containers_of(manifest: Any) -> dict[str, Any]:
    pod = pod_of(manifest)
    return {one["name"]: one for one in [*pod.get("initContainers", ()), *pod["containers"]]}


@pytest.mark.parametrize("manifest", WITH_PODS)
def test_every_pod_is_allowed_at_the_restricted_level(manifest: Any) -> None:
    assert violations(pod_of(manifest)) == []


@pytest.mark.parametrize("manifest", WITH_PODS)
def test_no_pod_has_a_token_and_every_container_has_requests_and_limits(manifest: Any) -> None:
    pod = pod_of(manifest)
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    for container in containers_of(manifest).values():
        asked = set(container["resources"]["requests"])
        assert asked - {"ephemeral-storage"} == {"cpu", "memory"}
        # Disk is reserved where the folders that take it are bounded, and only there.
        bounds = {one["emptyDir"].get("sizeLimit") for one in pod["volumes"] if "emptyDir" in one}
        assert "ephemeral-storage" not in asked or None not in bounds
        assert container["resources"]["requests"]["memory"] == container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("manifest", PROBES)
def test_a_probe_holds_the_credentials_that_it_looks_with_and_never_the_stores(manifest: Any) -> None:
    (container,) = containers_of(manifest).values()
    held = CREDENTIALS & {one["name"] for one in container["env"]}
    wanted = {"sales": {"PENSTOCK_SOURCE_SECRET_ACCESS_KEY"}, "code": {"PENSTOCK_SOURCE_PASSWORD"}}
    assert held == wanted.get(manifest["metadata"]["labels"]["penstock.dev/trigger"], set())


@pytest.mark.parametrize("manifest", [one for one in WITH_PODS if one not in PROBES])
def test_only_our_own_containers_that_move_data_hold_credentials(manifest: Any) -> None:
    containers = containers_of(manifest)
    ours = {name for name, one in containers.items() if one["image"].startswith("penstock/s")}
    for name, container in containers.items():
        held = CREDENTIALS & {one["name"] for one in container["env"]}
        may = name in ours and name != serving_contract.SERVE
        assert bool(held) == may, f"{name} holds {held}"


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_no_finalizer_no_annotation_of_ours_and_no_owner_that_blocks_its_deletion(manifest: Any) -> None:
    assert "finalizers" not in manifest["metadata"]
    assert "annotations" not in manifest["metadata"]
    template = manifest.get("spec", {}).get("template", {}).get("metadata", {})
    foreign = {"kubectl.kubernetes.io/default-container", "linkerd.io/inject"}
    assert set(template.get("annotations", {})) <= foreign
    assert not any(one["blockOwnerDeletion"] for one in manifest["metadata"].get("ownerReferences", ()))


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_every_label_is_one_that_the_api_server_takes(manifest: Any) -> None:
    template = manifest.get("spec", {}).get("template", {}).get("metadata", {})
    for value in [*manifest["metadata"].get("labels", {}).values(), *template.get("labels", {}).values()]:
        assert re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", value), value


@pytest.mark.parametrize("manifest", JOBS)
def test_a_jobs_task_comes_back_byte_for_byte_after_the_kubelets_expansion(manifest: Any) -> None:
    for container in containers_of(manifest).values():
        for one in container["env"]:
            if one["name"] == contract.TASK_VARIABLE:
                task = contract.Task.from_json(expanded(one["value"]))
                assert contract.Task.from_json(task.to_json()) == task
                labels = manifest["metadata"]["labels"]
                found = (labels[f"penstock.dev/{one}"] for one in NAMED if f"penstock.dev/{one}" in labels)
                known = next(found, labels["app.kubernetes.io/component"])
                assert task.step == known


def expanded(text: str, env: dict[str, str] | None = None) -> str:
    """The kubelet's expansion: $$ is a dollar, $(NAME) a variable's value, everything else itself."""
    known = {"HOME": "/tmp", **(env or {})}  # noqa: S108 - the value that a pod has
    pattern = re.compile(r"\$\$|\$\(([^)]*)\)")

    def put(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else known.get(found[1], found[0])

    return pattern.sub(put, text)


@pytest.mark.parametrize(
    "text", ["$(HOME)", "$$(HOME)", "$", "$$", "a$b", "cost: $5", "$($(HOME))", "${HOME}", "`id`"]
)
def test_what_a_user_writes_is_what_the_program_gets(text: str) -> None:
    assert expanded(pods.literal("X", text)["value"]) == text


def test_the_hash_of_a_job_survives_a_persons_editing_of_labels() -> None:
    (manifest,) = (one.values[0] for one in JOBS[:1])
    assert isinstance(manifest, dict)
    edited = json.loads(json.dumps(manifest))
    edited["metadata"]["labels"] = {}
    assert hash_of(edited) == hash_of(manifest)
    assert may_adopt(manifest, edited)


def test_a_job_that_another_release_has_made_for_the_same_attempt_is_adopted() -> None:
    (manifest,) = (one.values[0] for one in JOBS[:1])
    assert isinstance(manifest, dict)
    theirs = json.loads(json.dumps(manifest))
    theirs["spec"]["template"]["spec"]["containers"][0]["image"] = "penstock/steps:next"
    theirs["metadata"]["labels"]["penstock.dev/new"] = "in the next release"
    theirs = with_hash(theirs)
    assert hash_of(theirs) != hash_of(manifest)
    assert may_adopt(manifest, theirs)
    assert may_adopt(theirs, manifest)


def test_nothing_else_is_adopted() -> None:
    (manifest,) = (one.values[0] for one in JOBS[:1])
    assert isinstance(manifest, dict)
    foreign = json.loads(json.dumps(manifest))
    foreign["metadata"]["ownerReferences"][0]["uid"] = "somebody"
    byhand = json.loads(json.dumps(manifest))
    del byhand["spec"]["template"]["metadata"]["labels"][LABEL_SPEC_HASH]
    other = json.loads(json.dumps(manifest))
    other["spec"]["template"]["metadata"]["labels"][LABEL_ATTEMPT] = "2"
    leaving = {**manifest, "metadata": {**manifest["metadata"], "deletionTimestamp": "2026-11-21T12:00:00Z"}}
    assert not any(may_adopt(manifest, one) for one in (foreign, byhand, with_hash(other), leaving))


def test_anything_but_a_job_is_adopted_only_as_it_would_have_been_made() -> None:
    (manifest,) = (one.values[0] for one in JOBS[:1])
    assert isinstance(manifest, dict)
    service = with_hash({"kind": "Service", "metadata": manifest["metadata"], "spec": {"clusterIP": "None"}})
    assert may_adopt(service, service)
    assert not may_adopt(service, with_hash({**service, "spec": {"clusterIP": ""}}))


@pytest.mark.parametrize(
    ("quantity", "number"), [("500m", 0.5), ("2", 2), ("1Gi", 2**30), ("1.5Gi", 1.5 * 2**30), ("1k", 1000)]
)
def test_a_quantity_is_a_number(quantity: str, number: float) -> None:
    assert float(parse(quantity)) == number


@pytest.mark.parametrize("text", ["", "Gi", "1x", "1mi"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        parse(text)


def test_memory_grows_to_whole_mebibytes_and_cpu_may_burst() -> None:
    assert grown_memory("1Gi", 1.5) == "1536Mi"
    assert grown_memory("1000", 1.5) == "1Mi"
    assert (cpu_limit("100m"), cpu_limit("1500m"), cpu_limit("1.25")) == ("2", "3", "2500m")
