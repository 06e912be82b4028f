"""Command line of the demo."""

import argparse
import re
import shutil
import sys
import time
from pathlib import Path

from hack.cluster import provider
from hack.cluster.cluster import Cluster, load
from hack.cluster.errors import ClusterError, Missing
from hack.cluster.shell import run, say
from hack.demo import show, watch
from hack.project import (
    ROOT,
    SYSTEM_NAMESPACE,
    bucket,
    build_images,
    connect,
    forwarded,
    get,
    install,
    kubectl,
    make_namespace,
)

NAMESPACE = "ml"
EXAMPLE = ROOT / "examples/tumour"
DATA = ".artifacts/data"
GIGABYTES_NEEDED = 8


def main() -> int:
    """Run one command; 0 done, 1 failed, 2 the machine lacks something, which is named."""
    parser = argparse.ArgumentParser(prog="python -m hack.demo", description=__doc__)
    parser.add_argument("command", choices=("up", "down"))
    parser.add_argument(
        "--cluster", default="penstock", help="name of the cluster to bring up (default: penstock)"
    )
    arguments = parser.parse_args()
    try:
        if arguments.command == "down":
            down(arguments.cluster)
        else:
            up(arguments.cluster)
    except ClusterError as error:
        print(f"\nThe demo stopped: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(
            "\nInterrupted. `make demo` goes on from here, `make demo-down` removes everything.",
            file=sys.stderr,
        )
        return 130
    return 0


def up(name: str) -> None:
    """The whole way; each part finds what an earlier demo left and goes on from there."""
    preflight()
    show.heading("1/6  A Kubernetes cluster")
    cluster = provider.up(name)
    show.heading("2/6  Penstock's images")
    images = build_images(cluster)
    show.heading("3/6  helm install")
    make_namespace(cluster, NAMESPACE)
    install(cluster, images, {"scope": {"namespaces": [NAMESPACE]}, "store": {"namespaces": [NAMESPACE]}})
    say(f"release penstock in {SYSTEM_NAMESPACE}, serving the namespace {NAMESPACE}")
    show.heading("4/6  Data into the bucket, the pipeline into the cluster")
    load_data(cluster)
    started = time.monotonic()
    apply_pipeline(cluster)
    run_name = newest_run(cluster)
    show.follow(cluster, NAMESPACE, run_name)
    show.heading("5/6  A prediction through the Service")
    predict(cluster)
    say(f"from `kubectl apply` to the first prediction: {time.monotonic() - started:.0f} s")
    show.heading("6/6  Watched: calm traffic, then drift")
    watch.watched(cluster, NAMESPACE, ROOT / DATA / "tumour.csv")
    show.tables(cluster, NAMESPACE)
    show.next_commands(cluster, NAMESPACE)


def apply_pipeline(cluster: Cluster) -> None:
    """Apply the example with windows short enough to wait for."""
    text = (EXAMPLE / "pipeline.yaml").read_text()
    quick, changes = re.subn(r"every: 5m\b", f"every: {watch.EVERY}", text)
    if changes != 1:
        raise ClusterError("examples/tumour/pipeline.yaml should have one monitor step with `every: 5m`")
    words = f"sed 's/every: 5m/every: {watch.EVERY}/' examples/tumour/pipeline.yaml"
    print(f"$ {words} | kubectl apply -n {NAMESPACE} -f -")
    print(kubectl(cluster, "apply", "-n", NAMESPACE, "-f", "-", stdin=quick), end="")


def preflight() -> None:
    """Stop early, in words, where the machine is too small. Raises Missing."""
    free = shutil.disk_usage(Path.home()).free / 1e9
    if free < GIGABYTES_NEEDED:
        raise Missing(f"{Path.home()} has {free:.1f} GB free; the demo needs about {GIGABYTES_NEEDED} GB")


def load_data(cluster: Cluster) -> None:
    """Write the example's data into the bucket, and describe the bucket as a connection."""
    folder = ROOT / DATA
    run([sys.executable, str(ROOT / "examples/data.py"), str(folder)])
    connect(cluster, NAMESPACE)
    with bucket(cluster, NAMESPACE) as store:
        content = (folder / "tumour.csv").read_bytes()
        store.put("lake/tumour.csv", content)
    rows = content.count(b"\n") - 1
    say(f"tumour.csv: {rows} rows, {len(content) / 1e3:.0f} kB, now lake/tumour.csv in the bucket")


def newest_run(cluster: Cluster) -> str:
    """The run that the apply started, or the last one where nothing had changed.

    Raises ClusterError after a minute.
    """
    for _ in range(240):
        pipeline = get(cluster, "pipeline", "tumour", NAMESPACE)
        status = pipeline.get("status", {})
        if status.get("observedGeneration") == pipeline["metadata"]["generation"]:
            if status.get("status") == "Refused":
                raise ClusterError(f"the pipeline was refused: {status.get('message')}")
            if status.get("lastRun"):
                return str(status["lastRun"])
        time.sleep(0.25)
    raise ClusterError(
        f"no run began within a minute: kubectl logs -n {SYSTEM_NAMESPACE} deployment/penstock"
    )


def predict(cluster: Cluster) -> None:
    """Ask the endpoint about one tumour of the data set, as a client would."""
    request = EXAMPLE / "request.json"
    url = "/v2/models/tumour/infer"
    print(f"$ curl -s http://tumour.{NAMESPACE}.svc{url} -d @examples/tumour/request.json")
    with forwarded(cluster, NAMESPACE, "svc/tumour", 80) as port:
        print(show.post(f"http://127.0.0.1:{port}{url}", request.read_bytes()))


def down(name: str) -> None:
    """Remove the cluster with all that is in it; of somebody else's cluster only what the demo put there."""

    cluster = load(name)
    if cluster.provider == "current":
        kubectl(cluster, "delete", "namespace", NAMESPACE, "--ignore-not-found", timeout=180)
        words = ["uninstall", "penstock", "-n", SYSTEM_NAMESPACE, "--ignore-not-found"]
        run([cluster.helm, "--kubeconfig", cluster.kubeconfig, *words])
        kubectl(cluster, "delete", "namespace", SYSTEM_NAMESPACE, "--ignore-not-found", timeout=180)
    provider.down(name)
    say("the demo is gone; built programs and images stay in the cache for the next time")


if __name__ == "__main__":
    sys.exit(main())
