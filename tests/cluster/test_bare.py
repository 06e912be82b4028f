"""A bare cluster's life on the real machine: its own, beside whatever other cluster runs here.

No test needs another one before it, and each worker has a cluster of its own.
"""

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster import bare, base, components, docker, teardown
from hack.cluster.cluster import Cluster
from hack.cluster.containerd import Containerd
from hack.cluster.errors import ClusterError
from hack.cluster.images import build_and_load
from hack.cluster.network import Namespace, claim
from hack.cluster.paths import Paths
from hack.cluster.processes import Process
from hack.cluster.shell import run, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("bare")]  # one cluster is enough
NAME = f"self-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
SERVERS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "containerd", "kubelet")
SERVE = """
import http.server, urllib.request
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        target = self.path[1:]
        try:
            answer = urllib.request.urlopen(target, timeout=5).read() if target else b"hello"
        except OSError as error:
            answer = str(error).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *words):
        print("asked", flush=True)
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if os.geteuid() != 0 or docker.answers():
        pytest.skip("a bare cluster is for root on a machine without Docker")
    yield bare.start(NAME)
    teardown.clean(NAME)


def kubectl(cluster: Cluster, *words: str, stdin: str | None = None) -> str:
    return run([cluster.kubectl, "--kubeconfig", cluster.kubeconfig, *words], stdin=stdin, timeout=300)


def get(url: str) -> str:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=10) as response:
        return str(response.read().decode())


def serves(url: str) -> bool:
    try:
        return get(url) == "hello"
    except OSError:
        return False


def wait_for(url: str) -> None:
    wait_until(lambda: serves(url), "the service does not answer", seconds=240)


def server(name: str) -> Process:
    paths = Paths(NAME)
    every = components.servers(paths, claim(paths)).in_start_order()
    return next(one for one in every if one.name == name)


def kill(process: Process) -> None:
    record = process.record()
    assert record is not None
    os.kill(record.pid, signal.SIGKILL)
    wait_until(lambda: not process.running(), f"{process.name} lives", seconds=60, every=0.05)


@pytest.fixture(scope="module")
def image(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    context = tmp_path_factory.mktemp("image")
    (context / "serve.py").write_text(SERVE)
    (context / "Dockerfile").write_text(
        "ARG BASE=python:3.13-slim\nFROM ${BASE}\nRUN python3 -m venv /venv && /venv/bin/pip install six\n"
        'COPY serve.py /serve.py\nUSER 65532\nENTRYPOINT ["/venv/bin/python", "/serve.py"]\n'
    )
    return build_and_load(
        cluster, context / "Dockerfile", "penstock-self", [context / "serve.py"], context=context
    )


@pytest.fixture
def web(cluster: Cluster, image: str) -> str:
    """The address of a Service with one Pod, in a cluster that runs."""
    if bare.problems(NAME):
        bare.start(NAME)
    if not kubectl(cluster, "get", "deployment", "web", "--ignore-not-found"):
        kubectl(cluster, "create", "deployment", "web", f"--image={image}")
        kubectl(cluster, "expose", "deployment", "web", "--port=80", "--target-port=8000")
    kubectl(cluster, "rollout", "status", "deployment/web", "--timeout=240s")
    address = kubectl(cluster, "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    wait_for(f"http://{address}/")
    return f"http://{address}/"


@pytest.mark.parametrize("name", ["web", "web.default", "web.default.svc.cluster.local"])
def test_names_of_services_are_known_and_a_pod_reaches_itself(web: str, name: str) -> None:
    # The answer comes by way of the Service from the only Pod there is: the one that asks.
    assert get(f"{web}http://{name}/") == "hello"


@pytest.mark.parametrize(
    ("url", "why"), [("http://192.0.2.1/", "unreachable"), ("http://example.com/", "not known")]
)
def test_pods_reach_nothing_outside(web: str, url: str, why: str) -> None:
    assert why in get(f"{web}{url}")


def test_logs_exec_and_port_forward(cluster: Cluster, web: str) -> None:
    assert get(web) == "hello"
    assert "asked" in kubectl(cluster, "logs", "deployment/web")
    assert kubectl(cluster, "exec", "deployment/web", "--", "id", "-u").strip() == "65532"
    words = [cluster.kubectl, "--kubeconfig", cluster.kubeconfig, "port-forward", "service/web", ":80"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as forward:
        try:
            assert forward.stdout is not None
            port = forward.stdout.readline().split(" -> ")[0].rpartition(":")[2]
            assert get(f"http://127.0.0.1:{port}/") == "hello"
        finally:
            forward.terminate()


def test_too_much_memory_shows_as_such(cluster: Cluster, web: str, image: str) -> None:
    container = {
        "name": "main",
        "image": image,
        "command": ["python3", "-c", "bytearray(300 << 20)"],
        "resources": {"limits": {"memory": "64Mi"}},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "greedy"},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
    kubectl(cluster, "apply", "-f", "-", stdin=json.dumps(pod))
    kubectl(cluster, "wait", "pod/greedy", "--for=jsonpath={.status.phase}=Failed", "--timeout=240s")
    reason = "jsonpath={.status.containerStatuses[0].state.terminated.reason}"
    assert kubectl(cluster, "get", "pod", "greedy", "-o", reason) == "OOMKilled"


def test_pod_security_is_enforced(cluster: Cluster, web: str, image: str) -> None:
    kubectl(cluster, "create", "namespace", "strict")
    kubectl(cluster, "label", "namespace", "strict", "pod-security.kubernetes.io/enforce=restricted")
    account = ("get", "serviceaccount", "default", "-n", "strict", "--ignore-not-found")
    # Without it the pod would be refused for another reason.
    wait_until(lambda: bool(kubectl(cluster, *account)), "the namespace has no account", seconds=60)
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        kubectl(cluster, "run", "plain", "--namespace=strict", f"--image={image}")


def test_a_second_start_changes_nothing(
    cluster: Cluster, web: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert bare.start(NAME) == cluster
    assert "already running" in capfd.readouterr().err


@pytest.mark.parametrize("name", [*SERVERS, "kube-proxy", "coredns"])
def test_a_start_heals_a_dead_server_and_spares_the_pods(cluster: Cluster, web: str, name: str) -> None:
    restarts = "jsonpath={.items[*].status.containerStatuses[0].restartCount}"
    before = kubectl(cluster, "get", "pods", "-l", "app=web", "-o", restarts)
    kill(server(name))
    assert bare.problems(NAME)
    bare.start(NAME)
    assert bare.problems(NAME) == []
    wait_for(web)
    assert kubectl(cluster, "get", "pods", "-l", "app=web", "-o", restarts) == before


def test_a_lost_namespace_is_made_anew(web: str) -> None:
    Namespace(NAME, claim(Paths(NAME))).delete()
    bare.start(NAME)
    wait_for(web)


def test_objects_and_images_outlive_a_stop(web: str, image: str) -> None:
    teardown.stop(NAME)
    assert bare.problems(NAME)
    assert teardown.mounts_below(Paths(NAME).root) == []
    bare.start(NAME)
    assert Containerd(Paths(NAME)).has_image(image)
    wait_for(web)


def test_containers_of_a_dead_containerd_are_ended_by_a_stop(web: str) -> None:
    kill(server("containerd"))
    teardown.stop(NAME)
    root = Path("/sys/fs/cgroup")
    assert not list(root.glob(f"*/penstock-{NAME}")) + list(root.glob(f"penstock-{NAME}"))
    assert not Path(f"/run/netns/penstock-{NAME}").exists()
    assert str(Paths(NAME).root) not in run(["ps", "-eo", "args"])


def test_the_sandbox_image_is_built_once(cluster: Cluster) -> None:
    assert base.sandbox_image() == base.sandbox_image()
