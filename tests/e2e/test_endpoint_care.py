"""What people do with an endpoint that serves: scale, drain, ask for tokens, bring a server.

They roll it back in test_replacement.py.
"""

import json
from typing import Any

import pytest

from penstock_operator.field_managers import managers_of
from tests.e2e.endpoints import Served, Stage
from tests.support import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("care")]


def test_kubectl_scale_and_the_autoscaler_write_the_same_field(stage: Stage) -> None:
    endpoint = stage.endpoint("many", scale={"replicas": 1})
    stage.kubectl.run("scale", "me", "many", "-n", stage.namespace, "--replicas=2")
    found = endpoint.wait("two pods", lambda me: me["status"].get("replicas") == "2/2")
    assert found["status"]["pods"]["replicas"] == 2
    assert scalers(endpoint)[-1].startswith("kubectl")
    endpoint.patch({"scale": {"minReplicas": 3, "maxReplicas": 4}})

    def raised(me: dict[str, Any]) -> bool:
        return bool(me["spec"]["scale"]["replicas"] == 3)

    found = endpoint.wait("the autoscaler to write its least number", raised)
    assert scalers(endpoint)[-1] == "kube-controller-manager", "deploy steps leave the number to it"
    endpoint.wait("three pods", lambda me: me["status"].get("replicas") == "3/3")
    stage.kubectl.run("delete", "hpa", "many", "-n", stage.namespace)
    wait_for("the autoscaler to come back", lambda: hpa(stage, "many"))
    stage.kubectl.run(
        *(
            "patch",
            "hpa",
            "many",
            "-n",
            stage.namespace,
            "--type=merge",
            "-p",
            '{"spec": {"maxReplicas": 50}}',
        )
    )
    wait_for("the autoscaler to be put right", lambda: hpa(stage, "many")["spec"]["maxReplicas"] == 4)
    endpoint.patch({"scale": {"minReplicas": None, "maxReplicas": None, "replicas": 1}})
    wait_for("the autoscaler to go", lambda: not hpa(stage, "many"))
    endpoint.wait("one pod", lambda me: me["status"].get("replicas") == "1/1")


def scalers(endpoint: Served) -> list[str]:
    """Who wrote the number of pods, as the operator reads it; the last one last."""
    words = (
        "get",
        "me",
        endpoint.name,
        "-n",
        endpoint.stage.namespace,
        "-o",
        "json",
        "--show-managed-fields",
    )
    found = json.loads(endpoint.stage.kubectl.run(*words).stdout)
    return managers_of(found["metadata"]["managedFields"])["spec.scale.replicas"]


def hpa(stage: Stage, name: str) -> dict[str, Any]:
    found = stage.kubectl.run("get", "hpa", name, "-n", stage.namespace, "-o", "json", check=False)
    return dict(json.loads(found.stdout)) if found.returncode == 0 else {}


def test_a_drained_node_takes_one_pod_at_a_time_of_whatever_serves(stage: Stage) -> None:
    endpoint = stage.endpoint("drained", scale={"replicas": 2})

    def allowed(version: str) -> bool:
        found = stage.kubectl.get("pdb", "drained", stage.namespace)
        status = found.get("status", {})
        chosen = found["spec"]["selector"]["matchLabels"]["penstock.dev/model-version"]
        figures = (status.get("expectedPods"), status.get("currentHealthy"), status.get("disruptionsAllowed"))
        return bool(chosen == version and figures == (2, 2, 1))

    wait_for("the budget to count the pods", lambda: allowed("tumour-1"))
    endpoint.ask("tumour-2")
    endpoint.wait_serving("tumour-2")
    wait_for("the budget to follow the switch", lambda: allowed("tumour-2"))


def test_callers_show_a_token_and_a_missing_secret_is_named(stage: Stage) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "callers", "namespace": stage.namespace},
        "stringData": {"shop": "open-sesame-0123456789"},
    }
    stage.kubectl.apply(secret)
    endpoint = stage.endpoint("closed", authentication={"secret": "callers"})
    code, body = endpoint.answer()
    assert code == 401
    assert "open-sesame" not in json.dumps(body)
    assert endpoint.answer("Authorization: Bearer open-sesame-0123456789")[0] == 200
    endpoint.ask("tumour-2", authentication={"secret": "nobody"}, rollout={"deadline": "25s"})
    waiting = endpoint.wait("words", lambda me: '"nobody" not found' in me["status"].get("message", ""))
    assert waiting["status"]["stable"] == "tumour-1"
    assert '"nobody" not found' in endpoint.wait_refused()
    assert endpoint.answer("Authorization: Bearer open-sesame-0123456789")[0] == 200


def test_another_server_is_laid_the_model_out_and_asked_at_its_own_port(stage: Stage) -> None:
    # Our own program under another name and port stands for any image that speaks the protocol.
    own = {
        "image": stage.image,
        "command": ["python", "-c"],
        "args": [SERVER],
        "port": 9000,
        "env": [{"name": "GREETING", "value": "$(HOME) costs $5"}],
    }
    endpoint = stage.endpoint("theirs", server=own)
    code, body = endpoint.answer()
    assert (code, body["model_version"]) == (200, "tumour-1")
    assert body["greeting"] == "$(HOME) costs $5"
    assert body["files"] == ["model.onnx", "model.skops", "profile.json", "signature.json"]


SERVER = """
import http.server, json, os
class Foreign(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send({})
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send({
            "model_version": os.environ["PENSTOCK_MODEL_VERSION"],
            "greeting": os.environ["GREETING"],
            "files": sorted(os.listdir("/penstock/model")),
        })
    def send(self, answer):
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
http.server.ThreadingHTTPServer(("", 9000), Foreign).serve_forever()
"""
