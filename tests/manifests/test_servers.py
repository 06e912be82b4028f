"""The pods of an endpoint: Penstock's own server and others, tokens, the log's sidecar, ports and probes."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock_operator.manifests import facade as facades
from penstock_operator.manifests.server import PredictionLog, Server
from penstock_operator.manifests.serving import deployment
from penstock_operator.manifests.settings import PodSettings
from penstock_spec import contract, serving_contract
from penstock_spec.endpoint import ModelEndpointSpec
from penstock_spec.server_spec import ServerSpec
from tests.chart.pod_security import violations
from tests.manifests.manifest_worlds import ROOT, children_of, digest_of

ENDPOINTS = sorted((ROOT / "tests/golden/endpoints").glob("*.yaml"))
GOLDEN = ROOT / "tests/golden/endpoint_manifests"


def manifests_of(path: Path) -> list[dict[str, Any]]:
    stored = yaml.safe_load(path.read_text())
    version = stored["spec"]["model"]["version"]
    return children_of(path.stem, version, digest_of(path.stem), stored["spec"])


@pytest.mark.parametrize("path", ENDPOINTS, ids=lambda one: one.stem)
def test_the_manifests_of_an_endpoint_are_those_that_were_reviewed(path: Path, update_golden: bool) -> None:
    manifests = json.loads(json.dumps(manifests_of(path)))
    text = yaml.safe_dump_all(manifests, sort_keys=True, width=110, allow_unicode=True)
    golden = GOLDEN / path.name
    if update_golden:
        GOLDEN.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text(), "pytest --update-golden writes it; look at the difference"


def test_every_golden_file_belongs_to_an_endpoint() -> None:
    assert {one.name for one in GOLDEN.glob("*.yaml")} == {one.name for one in ENDPOINTS}


@pytest.mark.parametrize("path", ENDPOINTS, ids=lambda one: one.stem)
def test_each_is_a_spec_that_the_models_take(path: Path) -> None:
    ModelEndpointSpec.model_validate(yaml.safe_load(path.read_text())["spec"], by_alias=True, by_name=False)


def pod(**fields: Any) -> dict[str, Any]:
    """The pod of a server with these fields."""
    made = Server("ml", "e", "e-uid", "m-1", "m", digest_of("m-1"), 1, "100m", "512Mi", **fields)
    found: dict[str, Any] = deployment(made, PodSettings())["spec"]["template"]["spec"]
    assert violations(found) == [], "allowed at the restricted level"
    return found


def containers(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in [*spec["initContainers"], *spec["containers"]]}


def variables(container: dict[str, Any]) -> dict[str, str]:
    names = [one["name"] for one in container["env"]]
    assert len(names) == len(set(names)), "a name stands once, or the API server refuses it"
    return {one["name"]: one.get("value", "") for one in container["env"]}


THEIRS = ServerSpec(image="acme/server:1", env=({"name": "A", "value": "1"},))
SHAPES: dict[str, dict[str, Any]] = {
    "ours": {},
    "ours with a log": {"log": PredictionLog(0.5, ("ssn",), 30)},
    "ours with tokens and a log": {"tokens": "callers", "log": PredictionLog()},
    "theirs": {"program": THEIRS, "tokens": "callers", "log": PredictionLog()},
}


@pytest.mark.parametrize("name", SHAPES)
def test_only_the_containers_that_reach_the_store_hold_its_credentials_and_no_port(name: str) -> None:
    for container in containers(pod(**SHAPES[name])).values():
        holds = "PENSTOCK_STORE_SECRET_ACCESS_KEY" in variables(container)
        assert holds == (container["name"] in {contract.FETCH, serving_contract.SHIP})
        assert holds != ("ports" in container)


@pytest.mark.parametrize("name", SHAPES)
def test_every_container_knows_the_pod_and_the_model_that_it_is_for(name: str) -> None:
    for container in containers(pod(**SHAPES[name])).values():
        told = variables(container)
        assert told[serving_contract.MODEL_DIGEST_VARIABLE] == digest_of("m-1")
        assert told[serving_contract.MODEL_VERSION_VARIABLE] == "m-1"
        assert {"name": serving_contract.POD_VARIABLE, "valueFrom": FIELD} in container["env"]


FIELD = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}


def test_the_log_is_told_to_those_who_write_and_ship_it_and_to_nobody_else() -> None:
    spec = pod(**SHAPES["ours with a log"])
    told = {
        name: serving_contract.PREDICTION_LOG_VARIABLE in variables(one)
        for name, one in containers(spec).items()
    }
    assert told == {"fetch": False, "ship": True, "serve": True}
    text = variables(containers(spec)["ship"])[serving_contract.PREDICTION_LOG_VARIABLE]
    assert json.loads(text) == {"sampleRatio": 0.5, "redact": ["ssn"], "flushSeconds": 30}


def test_the_shipper_runs_beside_the_server_and_after_it() -> None:
    ship = containers(pod(**SHAPES["ours with a log"]))["ship"]
    assert ship["restartPolicy"] == "Always"
    assert ship["resources"]["requests"] == {"cpu": "50m", "memory": "128Mi"}
    assert ship["resources"]["limits"]["memory"] == "128Mi"
    assert [one["name"] for one in pod()["initContainers"]] == ["fetch"]


def test_another_server_logs_nothing_and_gets_none_of_our_settings() -> None:
    spec = pod(**SHAPES["theirs"])
    assert set(containers(spec)) == {"fetch", "serve"}
    serve = containers(spec)["serve"]
    assert not [name for name in variables(serve) if name.startswith(serving_contract.SERVE_PREFIX)]
    assert "command" not in serve
    assert serve["lifecycle"]["preStop"] == {"sleep": {"seconds": 5}}
    assert [one["name"] for one in serve["ports"]] == ["http"]
    assert variables(serve)["A"] == "1"


def test_the_tokens_are_mounted_for_the_server_alone_and_must_be_there() -> None:
    spec = pod(**SHAPES["ours with tokens and a log"])
    (volume,) = (one for one in spec["volumes"] if "secret" in one)
    assert volume["secret"] == {"secretName": "callers", "defaultMode": 0o440}
    for name, container in containers(spec).items():
        mounted = [
            one for one in container["volumeMounts"] if one["mountPath"] == serving_contract.TOKENS_FOLDER
        ]
        assert bool(mounted) == (name == "serve")
        assert all(one["readOnly"] for one in mounted)


def test_settings_that_are_set_become_variables_and_the_rest_is_left_to_the_server() -> None:
    program = ServerSpec.model_validate({"workers": 4, "batching": {"maxRows": 10}, "requestSeconds": 90})
    told = variables(containers(pod(program=program))["serve"])
    found = {name: value for name, value in told.items() if name.startswith(serving_contract.SERVE_PREFIX)}
    assert found == {
        "PENSTOCK_SERVE_WORKERS": "4",
        "PENSTOCK_SERVE_BATCH_ROWS": "10",
        "PENSTOCK_SERVE_BATCH_MILLISECONDS": "2",
        "PENSTOCK_SERVE_REQUEST_SECONDS": "90",
        "PENSTOCK_SERVE_STOP_SECONDS": "90",
    }
    assert not [name for name in variables(containers(pod())["serve"]) if name.startswith("PENSTOCK_SERVE_")]


def test_a_pod_is_given_the_time_that_its_requests_may_take() -> None:
    assert pod()["terminationGracePeriodSeconds"] == 40
    slow = ServerSpec.model_validate({"requestSeconds": 300})
    assert pod(program=slow)["terminationGracePeriodSeconds"] == 320


@pytest.mark.parametrize(("workers", "limit"), [(1, "2"), (2, "2"), (6, "6")])
def test_each_worker_may_use_a_core(workers: int, limit: str) -> None:
    serve = containers(pod(program=ServerSpec.model_validate({"workers": workers})))["serve"]
    assert serve["resources"]["limits"]["cpu"] == limit


@pytest.mark.parametrize(("deadline", "tries"), [(30, 300), (600, 600), (3600, 3600)])
def test_a_pod_may_take_as_long_to_start_as_its_version_has(deadline: int, tries: int) -> None:
    probe = containers(pod(deadline_seconds=deadline))["serve"]["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] == tries


def test_both_protocols_have_a_port_of_the_service() -> None:
    made = facades.service(facades.Facade("ml", "e", "e-uid"), {"a": "b"})
    ports = {
        one["name"]: (one["port"], one["targetPort"], one["appProtocol"]) for one in made["spec"]["ports"]
    }
    assert ports == {"http": (80, "http", "http"), "grpc": (8081, "grpc", "kubernetes.io/h2c")}
