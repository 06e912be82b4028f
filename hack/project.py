"""Penstock on a cluster: images, release, what a namespace needs to run pipelines. For demo and tests."""

import base64
import json
import re
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from obstore.store import S3Store

from hack.cluster.build import ensure
from hack.cluster.cluster import Cluster
from hack.cluster.errors import ClusterError
from hack.cluster.images import build_and_load
from hack.cluster.shell import run
from hack.cluster.versions import VERSITYGW

ROOT = Path(__file__).resolve().parent.parent
RELEASE = "penstock"
SYSTEM_NAMESPACE = "penstock-system"
CONNECTION = "lake"
SPEC = "pipeline_spec/penstock_spec"
ARTIFACTS = "artifacts/penstock_artifacts"


@dataclass(frozen=True)
class Image:
    """One of the project's images, and the files that decide what it holds."""

    name: str
    dockerfile: str
    inputs: tuple[str, ...]


IMAGES = (
    Image(
        "operator",
        "images/operator.Dockerfile",
        (SPEC, "operator/penstock_operator", "requirements/operator.txt"),
    ),
    Image(
        "steps",
        "images/steps.Dockerfile",
        (SPEC, ARTIFACTS, "steps/penstock_steps", "requirements/steps.txt"),
    ),
    Image(
        "server",
        "images/server.Dockerfile",
        (SPEC, ARTIFACTS, "serving/penstock_server", "requirements/server.txt"),
    ),
)

# The names under which the chart's values know the images.
CHART_IMAGES = ("operator", "steps", "server", "store")


def build_images(cluster: Cluster) -> dict[str, str]:
    """Build what has changed and bring it to the cluster: full reference by the image's name."""
    references = {}
    for image in IMAGES:
        inputs = [ROOT / path for path in image.inputs]
        references[image.name] = build_and_load(
            cluster, ROOT / image.dockerfile, f"penstock/{image.name}", inputs
        )
    store = ensure(VERSITYGW)
    references["store"] = build_and_load(
        cluster,
        ROOT / "images/versitygw.Dockerfile",
        "penstock/versitygw",
        [store / "versitygw"],
        build_args={"STAGE": "prebuilt"},
        context=store,
    )
    return references


def kubectl(cluster: Cluster, *words: str, stdin: str | None = None, timeout: float = 120) -> str:
    """What kubectl prints. Raises ClusterError with its words when it fails."""
    return run([cluster.kubectl, "--kubeconfig", cluster.kubeconfig, *words], stdin=stdin, timeout=timeout)


def apply(cluster: Cluster, *objects: Mapping[str, object]) -> None:
    """Apply the objects by server-side apply."""
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    kubectl(cluster, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)


def get(cluster: Cluster, kind: str, name: str, namespace: str) -> dict[str, Any]:
    """One object as the API server has it."""
    found: dict[str, Any] = json.loads(kubectl(cluster, "get", kind, name, "-n", namespace, "-o", "json"))
    return found


def pods_of(cluster: Cluster, namespace: str, endpoint: str) -> list[dict[str, Any]]:
    """The pods that serve on an endpoint, those on their way out included."""
    selector = f"penstock.dev/endpoint={endpoint},app.kubernetes.io/component=server"
    found = json.loads(kubectl(cluster, "get", "pods", "-n", namespace, "-l", selector, "-o", "json"))
    pods: list[dict[str, Any]] = found["items"]
    return pods


def make_namespace(cluster: Cluster, name: str) -> None:
    """Create the namespace under the strictest Pod Security level."""
    labels = {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
    }
    apply(cluster, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})


def install(cluster: Cluster, images: Mapping[str, str], values: Mapping[str, Any]) -> None:
    """Install or upgrade the chart and wait until its pods are ready."""
    chart = ROOT / "charts/penstock"
    full = {"image": {name: image_values(images[name]) for name in CHART_IMAGES}, **values}
    words = [
        "upgrade",
        "--install",
        RELEASE,
        str(chart),
        "--namespace",
        SYSTEM_NAMESPACE,
        "--create-namespace",
    ]
    run(
        [cluster.helm, "--kubeconfig", cluster.kubeconfig, *words, "--wait", "--timeout", "5m", "-f", "-"],
        stdin=json.dumps(full),
        timeout=330,
    )


def image_values(reference: str) -> dict[str, str]:
    """The chart's values for an image of this reference."""
    repository, _, tag = reference.rpartition(":")
    registry, _, path = repository.partition("/")
    return {"registry": registry, "repository": path, "tag": tag}


@contextmanager
def forwarded(cluster: Cluster, namespace: str, target: str, port: int) -> Iterator[int]:
    """A local port that leads to `port` of `target` (svc/name, pod/name) while the context lasts."""
    command = [
        cluster.kubectl,
        "--kubeconfig",
        cluster.kubeconfig,
        "port-forward",
        "-n",
        namespace,
        target,
        f":{port}",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said: Iterable[str] = process.stdout or ()
        # A line for each connection would fill the pipe, and kubectl would stand still.
        rest = threading.Thread(target=lambda: [None for _ in said], daemon=True)
        try:
            words: list[str] = []
            for line in said:  # warnings may come first
                words.append(line.strip())
                if found := re.search(r"Forwarding from 127\.0\.0\.1:(\d+)", line):
                    break
            else:
                raise ClusterError(
                    f"kubectl port-forward {target} in {namespace} did not start: {' '.join(words)}"
                )
            rest.start()
            yield int(found[1])
        finally:
            process.terminate()
            if rest.is_alive():
                rest.join(10)


def store_secret(cluster: Cluster, namespace: str) -> dict[str, str]:
    """The store's credentials as a person with the right to read the Secret sees them."""
    data = get(cluster, "secret", "penstock-store", namespace)["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


@contextmanager
def bucket(cluster: Cluster, namespace: str) -> Iterator[S3Store]:
    """The bundled store's bucket from this machine, through a forwarded port."""
    secret = store_secret(cluster, namespace)
    service, _, rest = secret["endpoint"].removeprefix("http://").partition(".")
    port = int(rest.rpartition(":")[2])
    with forwarded(cluster, rest.split(".")[0].split(":")[0], f"svc/{service}", port) as local:
        yield S3Store(
            secret["url"].removeprefix("s3://").split("/")[0],
            endpoint=f"http://127.0.0.1:{local}",
            region=secret.get("region", "us-east-1"),
            access_key_id=secret["accessKeyId"],
            secret_access_key=secret["secretAccessKey"],
            client_options={"allow_http": True},
        )


def connect(cluster: Cluster, namespace: str) -> None:
    """Create the connection `lake`: the folder lake/ of the bundled store's bucket."""
    secret = store_secret(cluster, namespace)
    metadata = {"name": CONNECTION, "namespace": namespace}
    apply(
        cluster,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {**metadata, "labels": {"penstock.dev/connection": "true"}},
            "data": {
                "endpoint": secret["endpoint"],
                "region": secret.get("region", "us-east-1"),
                "bucket": secret["url"].removeprefix("s3://").split("/")[0],
                "prefix": "lake",
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "stringData": {key: secret[key] for key in ("accessKeyId", "secretAccessKey")},
        },
    )
