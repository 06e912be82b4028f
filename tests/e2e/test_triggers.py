"""Triggers on a real cluster: new data in a real bucket, a version in the registry, signed messages."""

import json
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from hack.cluster.cluster import load
from hack.project import forwarded
from penstock_operator import clock
from penstock_operator.webhook.signatures import key_of, sign
from tests.chart.rendering import CHART
from tests.e2e.listeners import listener
from tests.support import wait_for

SYSTEM = "penstock-system"
pytestmark = pytest.mark.e2e


def listening(namespace: str, image: str, trigger: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A pipeline with this trigger."""
    return listener(namespace, image, {"watch": trigger}, **fields)


def _entry(kubectl: Any, namespace: str) -> Any:
    found = kubectl.get("pipeline", "ear", namespace).get("status", {}).get("triggers")
    return found[0] if found else {}


def test_an_object_that_changes_starts_one_run(runs, kubectl, namespace, images, lake) -> None:
    lake("sales.csv", b"a,b\n1,2\n")
    source = {"object": {"connection": "lake", "key": "sales.csv"}}
    kubectl.apply(listening(namespace, images["server"], {"newData": {"source": source, "every": "1m"}}))
    first = wait_for("the first look", lambda: _entry(kubectl, namespace).get("seen"))
    assert runs.names("ear") == []
    lake("sales.csv", b"a,b\n1,2\n3,4\n")
    (name,) = wait_for("a run", lambda: runs.names("ear"), 400)
    run = runs.finished(name)
    assert run["status"]["status"] == "Succeeded", run["status"]
    seen = run["spec"]["triggeredBy"]["revision"]
    assert seen != first
    assert (_entry(kubectl, namespace)["seen"], run["spec"]["trigger"]) == (seen, "watch")
    next_look = _entry(kubectl, namespace)["looksAt"]
    wait_for("another look", lambda: _entry(kubectl, namespace)["looksAt"] > next_look, 300)
    assert runs.names("ear") == [name]
    finished = "the Jobs that looked to be gone"
    wait_for(finished, lambda: len(_looks(kubectl, namespace)) <= 1)


def _looks(kubectl: Any, namespace: str) -> Any:
    return kubectl.list("jobs", namespace, "app.kubernetes.io/component=probe")


def test_a_source_that_is_away_says_so_and_starts_nothing(runs, kubectl, namespace, images) -> None:
    git = {"url": "http://nowhere.invalid/ml/churn.git", "every": "1m"}
    kubectl.apply(listening(namespace, images["server"], {"git": git}))
    entry = wait_for("a look that failed", lambda: _failed(kubectl, namespace))
    assert entry["reason"] == "SourceUnreachable"
    assert "http://nowhere.invalid cannot be reached" in entry["message"]
    assert runs.names("ear") == []

    def told() -> int:
        events = kubectl.list("events", namespace)
        return [one["reason"] for one in events].count("SourceUnreachable")

    wait_for("the Event, which comes after the status", told)
    assert told() == 1


def _failed(kubectl: Any, namespace: str) -> Any:
    entry = _entry(kubectl, namespace)
    return entry if entry.get("failures") else None


def version(namespace: str, number: int) -> dict[str, Any]:
    digest = f"sha256:{number:064d}"
    lineage = {
        "pipeline": "other",
        "pipelineUid": "x",
        "run": "other-g1",
        "runUid": "x",
        "step": "fit",
        "revision": "other-1",
        "stepDigest": digest,
    }
    return {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "ModelVersion",
        "metadata": {"name": f"churn-{number}", "namespace": namespace},
        "spec": {"model": "churn", "number": number, "digest": digest, "lineage": lineage},
    }


def test_a_version_that_is_registered_starts_one_run(runs, kubectl, namespace, images) -> None:
    kubectl.apply(version(namespace, 1))
    registry = {"model": "churn", "lifecycle": "Candidate"}
    kubectl.apply(listening(namespace, images["server"], {"registry": registry, "cooldown": "1m"}))
    wait_for("the trigger to be armed", lambda: _entry(kubectl, namespace).get("message"))
    kubectl.apply(version(namespace, 2))
    (name,) = wait_for("a run", lambda: runs.names("ear"))
    run = runs.finished(name)
    assert run["spec"]["triggeredBy"] == {"modelVersion": "churn-2"}
    assert run["status"]["status"] == "Succeeded", run["status"]
    assert _entry(kubectl, namespace)["decidedNumbers"] == [2]


@pytest.fixture
def hook(kubectl, helm, namespace) -> Iterator[tuple[str, str]]:
    """Address and secret of a webhook that the release runs for this test."""
    secret = secrets.token_hex(32)
    about = {"name": "hooks", "namespace": SYSTEM}
    data = {f"{namespace}.ci": secret}
    kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": about, "stringData": data})
    words = ("upgrade", "penstock", str(CHART), "-n", SYSTEM, "--reuse-values", "--wait", "--timeout", "6m")
    try:
        helm(*words, "--set", "webhook.enabled=true,webhook.secretName=hooks")
        with forwarded(load(os.environ["PENSTOCK_CLUSTER"]), SYSTEM, "svc/penstock-webhook", 80) as port:
            yield f"http://127.0.0.1:{port}", secret
    finally:
        helm(*words, "--set", "webhook.enabled=false")
        kubectl.run("delete", "secret", "hooks", "-n", SYSTEM)


def send(url: str, secret: str, body: bytes, id_: str) -> tuple[int, Any]:
    """Status and decoded answer."""
    moment = int(clock.now().timestamp())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": id_,
        "webhook-timestamp": str(moment),
        "webhook-signature": sign(key_of(secret), id_, moment, body),
    }
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.alone
def test_a_signed_message_starts_one_run_and_a_forged_one_none(
    runs, kubectl, namespace, images, hook
) -> None:
    base, secret = hook
    parameters = [{"name": "size", "type": "Integer", "default": 1, "maximum": 9}]
    kubectl.apply(listening(namespace, images["server"], {"webhook": {}}, parameters=parameters))
    wait_for("the trigger to be armed", lambda: _entry(kubectl, namespace).get("message"))
    url = f"{base}/v1/namespaces/{namespace}/pipelines/ear/triggers/watch"
    body = b'{"parameters": {"size": 3}}'
    status, answer = send(url, secret, body, "msg_1")
    assert (status, answer.get("created")) == (201, True), answer
    assert send(url, secret, body, "msg_1") == (200, {**answer, "created": False})
    assert send(url, "x" * 32, body, "msg_2")[0] == 401
    assert send(url, secret, b'{"parameters": {"size": 10}}', "msg_3")[0] == 422
    assert send(url.replace("ear", "nose"), secret, body, "msg_4")[0] == 404
    run = runs.finished(answer["run"])
    assert run["status"]["status"] == "Succeeded", run["status"]
    assert (run["spec"]["parameters"], run["spec"]["triggeredBy"]) == ({"size": 3}, {"delivery": "msg_1"})
    kubectl.run(
        "patch", "pipeline", "ear", "-n", namespace, "--type=merge", "-p", '{"spec":{"suspend":true}}'
    )
    assert send(url, secret, body, "msg_5")[1]["error"] == "Suspended"
    assert runs.names("ear") == [answer["run"]]
