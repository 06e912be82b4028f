"""S2: a version is replaced under traffic on connections that are kept open, whatever becomes of the new one
or of the operator, and not one request fails. A roll-back serves soon.
"""

import time
from typing import Any

import pytest

from tests.e2e.endpoints import Served, Stage, history, serves
from tests.e2e.traffic_pod import Traffic, start_traffic
from tests.support import SYSTEM_NAMESPACE, Kubectl, condition, wait_for

# Some kill the cluster's operator. Never beside them: tests that are about its time or its own figures.
pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("operator")]

REQUESTS = 1500  # 50 s at 30 per second
WHILE_MENDED = 3600
DEADLINE = "25s"  # within which a slow machine, too, has something to say of a pod that does not start
HANG = ["python", "-c", "import time; time.sleep(3600)"]
CRASH = ["python", "-c", "import sys; sys.exit('the model is not to my taste')"]
NEVER_READY = [
    "python",
    "-c",
    """
import http.server
class Refusing(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path.endswith("live") else 503)
        self.send_header("content-length", "0")
        self.end_headers()
http.server.ThreadingHTTPServer(("", 8080), Refusing).serve_forever()
""",
]
SLOW = [
    "python",
    "-c",
    "import os, time; time.sleep(32); os.execvp('python', ['python', '-m', 'penstock_server', 'serve'])",
]


def asked(stage: Stage, name: str, requests: int = REQUESTS) -> Traffic:
    return start_traffic(stage.kubectl, stage.namespace, stage.image, name, requests, stage.body)


def test_a_roll_back_serves_within_30_seconds_though_its_record_is_gone_and_pins_until_cleared(
    stage: Stage,
) -> None:
    endpoint = stage.endpoint("back")
    endpoint.ask("tumour-2")
    endpoint.wait_serving("tumour-2")
    wait_for("the pods of tumour-1 to go", lambda: endpoint.deployments() == ["tumour-2"])
    record = stage.kubectl.get("modelversion", "tumour-1", stage.namespace)
    stage.kubectl.run("delete", "modelversion", "tumour-1", "-n", stage.namespace)
    try:
        began = time.monotonic()
        endpoint.patch({"rollbackTo": 1})
        found = endpoint.wait_serving("tumour-1", 30)
        # The nodes hear of the switch a moment after the status tells of it.
        wait_for("its answers", lambda: endpoint.answer()[1]["model_version"] == "tumour-1", 30)
        took = time.monotonic() - began
        print(f"rolled back in {took:.1f} s")
        assert took < 30, "S2: a roll-back within 30 s"
        assert "pinned" in found["status"]["message"]
        assert history(found)[-1] == (3, "tumour-1", "RolledBack")
        endpoint.patch({"rollbackTo": 9})
        stalled = condition(
            endpoint.wait(
                "the words", lambda me: condition(me, "Stalled").get("reason") == "RevisionUnknown"
            ),
            "Stalled",
        )
        assert "known: 1 to 3" in stalled["message"]
        endpoint.patch({"rollbackTo": None})
        found = endpoint.wait_serving("tumour-2")
        assert history(found)[-1] == (4, "tumour-2", "RollbackCleared")
    finally:
        plain = {**record, "metadata": {"name": "tumour-1", "namespace": stage.namespace}}
        stage.kubectl.apply({key: value for key, value in plain.items() if key != "status"})


def test_a_version_takes_over_under_traffic_and_no_request_fails(stage: Stage) -> None:
    endpoint = stage.endpoint("plain", scale={"replicas": 2})
    traffic = asked(stage, "plain")
    endpoint.ask("tumour-2")
    served = endpoint.wait_serving("tumour-2")
    versions = traffic.expect_all_answered(REQUESTS)
    assert set(versions) == {"tumour-1", "tumour-2"}
    assert history(served) == [(1, "tumour-1", "ReplacedByHand"), (2, "tumour-2", "ReplacedByHand")]
    assert served["status"]["history"][1]["actor"].startswith("kubectl")
    wait_for("the old pods to go", lambda: endpoint.deployments() == ["tumour-2"])


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "crashes": ({"command": CRASH}, "the model is not to my taste"),
    "hangs": ({"command": HANG}, "probe failed"),
    "never-ready": ({"command": NEVER_READY}, "503"),
    "too-slow": ({"command": SLOW}, "probe failed"),
    "no-image": ({"image": "localhost/penstock/nothing:1"}, "nothing:1"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_version_never_takes_traffic_and_no_request_fails(stage: Stage, name: str) -> None:
    server, words = BROKEN[name]
    endpoint = stage.endpoint(name, rollout={"deadline": DEADLINE})
    traffic = asked(stage, name)
    endpoint.ask("tumour-2", server={"image": stage.image, **server})
    message = endpoint.wait_refused()
    assert f"tumour-2 did not get ready within {DEADLINE}" in message
    assert words in message
    assert "tumour-1 goes on serving" in message
    wait_for("its pods to go", lambda: endpoint.deployments() == ["tumour-1"])
    # The rest of the traffic outlasts the time in which the slow one would have been ready.
    assert traffic.expect_all_answered(REQUESTS) == {"tumour-1": REQUESTS}
    found = endpoint.get()
    assert history(found) == [(1, "tumour-1", "ReplacedByHand")]
    assert condition(found, "Ready")["status"] == "True"
    assert endpoint.deployments() == ["tumour-1"]


def test_a_version_whose_bytes_are_lost_never_takes_traffic_and_no_request_fails(stage: Stage) -> None:
    record = stage.kubectl.get("modelversion", "tumour-2", stage.namespace)
    lost = "sha256:" + "0" * 64
    stage.kubectl.apply(
        {
            "apiVersion": record["apiVersion"],
            "kind": record["kind"],
            "metadata": {"name": "tumour-9", "namespace": stage.namespace},
            "spec": {**record["spec"], "number": 9, "digest": lost},
        }
    )
    endpoint = stage.endpoint("lost", rollout={"deadline": DEADLINE})
    traffic = asked(stage, "lost")
    endpoint.patch({"model": {"version": "tumour-9", "digest": lost}})
    assert "fetch: " in endpoint.wait_refused()
    assert traffic.expect_all_answered(REQUESTS) == {"tumour-1": REQUESTS}


IN_PLACE: dict[str, tuple[dict[str, Any], str]] = {
    "bad-image": ({"server": {"image": "localhost/penstock/nothing:1"}}, "nothing:1"),
    "bad-variable": ({"server": {"env": [{"name": "PENSTOCK_SERVE_ROWS", "value": "many"}]}}, "ROWS"),
    "no-room": ({"resources": {"memory": "100Ti"}}, "Insufficient memory"),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_change_in_place_that_cannot_start_is_taken_back_and_a_good_one_goes_through(
    stage: Stage, name: str
) -> None:
    change, words = IN_PLACE[name]
    endpoint = stage.endpoint(name, rollout={"deadline": DEADLINE})
    before = servers(endpoint)
    traffic = asked(stage, name, WHILE_MENDED)
    endpoint.patch(change)
    wait_for("pods with the changed settings", lambda: len(servers(endpoint)) == 2)
    message = endpoint.wait_refused()
    assert f"tumour-1 with changed settings did not get ready within {DEADLINE}" in message
    assert words in message
    assert "tumour-1 goes on serving as before" in message
    wait_for("the changed pods to go", lambda: servers(endpoint) == before)
    wait_for("the Event", lambda: endpoint.events("DeadlineExceeded"))
    kill_operator(stage.kubectl)
    refused = endpoint.get()
    assert condition(refused, "Ready")["status"] == "True"
    assert condition(refused, "Reconciling")["status"] == "False"
    endpoint.patch({"server": None, "resources": {"cpu": "60m", "memory": "384Mi"}})
    served = endpoint.wait("the mended settings", lambda me: settled_anew(me, refused))
    wait_for("the old pods to go", lambda: len(servers(endpoint)) == 1 and servers(endpoint) != before)
    assert traffic.expect_all_answered(WHILE_MENDED) == {"tumour-1": WHILE_MENDED}
    assert len(endpoint.events("DeadlineExceeded")) == 1, "it is told once, though another operator looked"
    assert history(served) == [(1, "tumour-1", "ReplacedByHand")], "a revision is a model"


def servers(endpoint: Served) -> list[str]:
    """Names of its Deployments."""
    mine = f"penstock.dev/endpoint={endpoint.name},app.kubernetes.io/component=server"
    found = endpoint.stage.kubectl.list("deployments", endpoint.stage.namespace, mine)
    return sorted(str(one["metadata"]["name"]) for one in found)


def settled_anew(me: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether other settings than before serve, and are at rest."""
    other = me["status"].get("stableSettings") != before["status"]["stableSettings"]
    return other and serves(me, "tumour-1")


def kill_operator(kubectl: Kubectl) -> None:
    """Without a chance to finish anything; the next one is there within seconds."""
    words = ("-l", "app.kubernetes.io/component=operator", "--grace-period=0", "--force")
    kubectl.run("delete", "pod", "-n", SYSTEM_NAMESPACE, *words)


def test_the_operator_dies_at_each_stage_of_a_replacement_and_no_request_fails(stage: Stage) -> None:
    endpoint = stage.endpoint("killed", scale={"replicas": 2})
    traffic = asked(stage, "killed", 2 * REQUESTS)
    endpoint.ask("tumour-2")
    kill_operator(stage.kubectl)
    wait_for("the new pods to be made", lambda: "tumour-2" in endpoint.deployments())
    kill_operator(stage.kubectl)
    wait_for("the Service to move", lambda: selected(endpoint) == "tumour-2")
    kill_operator(stage.kubectl)
    served = endpoint.wait_serving("tumour-2")
    wait_for("the old pods to go", lambda: endpoint.deployments() == ["tumour-2"])
    versions = traffic.expect_all_answered(2 * REQUESTS)
    assert set(versions) == {"tumour-1", "tumour-2"}
    assert [one[:2] for one in history(served)] == [(1, "tumour-1"), (2, "tumour-2")]


def selected(endpoint: Served) -> str:
    service = endpoint.stage.kubectl.get("service", endpoint.name, endpoint.stage.namespace)
    return str(service["spec"]["selector"]["penstock.dev/model-version"])
