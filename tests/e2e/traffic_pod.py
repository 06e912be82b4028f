"""A pod that asks an endpoint at a steady rate, over connections that it keeps open, and counts the answers.

REST by one connection per thread, opened anew only when the server closed it with an answer; gRPC by one
channel per thread. A request that fails is counted and never repeated. There are so many threads, which take
turns, that an answer may take two thirds of a second before fewer requests are made than are meant to be.
"""

import json
from dataclasses import dataclass
from typing import Any

from tests.support import Kubectl, wait_for

REST_THREADS, GRPC_THREADS = 12, 8
RATE = 30.0  # requests per second
_PAUSE = (REST_THREADS + GRPC_THREADS) / RATE  # seconds from one request of a thread to its next
# Without it the pod would have a five-hundredth of the share of a pod that asks for a whole core.
_CPU = "100m"

CLIENT = """
import http.client, json, socket, sys, threading, time
import grpc
from penstock_server.protocol import messages

host, model, each, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
rest, grpcs, body = int(sys.argv[5]), int(sys.argv[6]), sys.argv[7]
token = sys.argv[8] if len(sys.argv) > 8 else ""
answers, versions, opened, lock = {}, {}, {"rest": 0, "grpc": 0}, threading.Lock()

def note(word, version):
    with lock:
        answers[word] = answers.get(word, 0) + 1
        if version:
            versions[version] = versions.get(version, 0) + 1

def paced(ask, turn):
    began = time.monotonic() + turn
    for number in range(each):
        wait = began + number * pause - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        try:
            note(*ask())
        except Exception as error:
            note(type(error).__name__ + " " + str(error)[:120], "")

def by_rest(turn):
    held = []
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = "Bearer " + token
    def ask():
        if not held:
            held.append(http.client.HTTPConnection(host, 80, timeout=10))
            with lock:
                opened["rest"] += 1
        connection = held[0]
        try:
            connection.request("POST", f"/v2/models/{model}/infer", body, headers)
            answer = connection.getresponse()
            text = answer.read()
        except Exception:
            held.clear()
            raise
        if answer.will_close:
            connection.close()
            held.clear()
        if answer.status != 200:
            return f"http {answer.status}", ""
        return "http 200", json.loads(text)["model_version"]
    paced(ask, turn)

def by_grpc(turn):
    request = messages.ModelInferRequest(model_name=model)
    for one in json.loads(body)["inputs"]:
        column = request.inputs.add(name=one["name"], datatype="FP64", shape=one["shape"])
        column.contents.fp64_contents.extend(one["data"])
    channel = grpc.insecure_channel(f"{host}:8081")
    call = channel.unary_unary(
        "/inference.GRPCInferenceService/ModelInfer",
        request_serializer=messages.ModelInferRequest.SerializeToString,
        response_deserializer=messages.ModelInferResponse.FromString,
    )
    with lock:
        opened["grpc"] += 1
    extra = (("authorization", "Bearer " + token),) if token else ()
    def ask():
        try:
            return "grpc OK", call(request, timeout=10, metadata=extra).model_version
        except grpc.RpcError as error:
            return f"grpc {error.code().name} {error.details()[:120]}", ""
    paced(ask, turn)

for port in (80, 8081):  # the node hears of a new Service a moment after the endpoint's status tells of it
    while True:
        try:
            socket.create_connection((host, port), 5).close()
            break
        except OSError:
            time.sleep(0.1)
kinds = [by_rest] * rest + [by_grpc] * grpcs
turns = [pause * number / len(kinds) for number in range(len(kinds))]
threads = [threading.Thread(target=one, args=(turn,)) for one, turn in zip(kinds, turns)]
print("asks", flush=True)
began = time.monotonic()
for one in threads:
    one.start()
for one in threads:
    one.join()
seconds = time.monotonic() - began
print(json.dumps({"answers": answers, "versions": versions, "seconds": seconds, "opened": opened}))
"""


@dataclass(frozen=True)
class Traffic:
    """The pod while it asks."""

    kubectl: Kubectl
    namespace: str
    name: str

    def result(self, seconds: float = 400) -> dict[str, Any]:
        """What came back, once all has been asked."""

        def ended() -> bool:
            pod = self.kubectl.get("pod", self.name, self.namespace)
            return pod["status"]["phase"] in {"Succeeded", "Failed"}

        wait_for("the traffic to end", ended, seconds, every=0.5)
        text = self.kubectl.run("logs", self.name, "-n", self.namespace).stdout
        found: dict[str, Any] = json.loads(text.splitlines()[-1])
        print(f"{self.name}: {found}")
        return found

    def expect_all_answered(self, requests: int) -> dict[str, int]:
        """How many answers each version gave, of which none failed and none was slow to be asked."""
        found = self.result()
        assert set(found["answers"]) <= {"http 200", "grpc OK"}, found
        assert sum(found["answers"].values()) == requests, found
        assert requests / found["seconds"] >= 20, "fewer than 20 requests per second"
        versions: dict[str, int] = found["versions"]
        assert sum(versions.values()) == requests
        return versions


def start_traffic(
    kubectl: Kubectl,
    namespace: str,
    image: str,
    endpoint: str,
    requests: int,
    body: str,
    token: str = "",
) -> Traffic:
    """Start so many requests to the endpoint, and wait until they are under way."""
    threads = REST_THREADS + GRPC_THREADS
    assert requests % threads == 0
    name = f"traffic-{endpoint}"
    host = f"{endpoint}.{namespace}.svc"
    words = [host, "tumour", requests // threads, _PAUSE, REST_THREADS, GRPC_THREADS, body, token]
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 65532,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "client",
                        "image": image,
                        "command": ["python", "-c", CLIENT, *map(str, words)],
                        "resources": {"requests": {"cpu": _CPU, "memory": "64Mi"}},
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
            },
        }
    )

    def under_way() -> bool:
        return "asks" in kubectl.run("logs", name, "-n", namespace, check=False).stdout

    wait_for("the traffic to begin", under_way)
    return Traffic(kubectl, namespace, name)
