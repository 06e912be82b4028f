"""`make e2e`: a cluster of its own, the project's images, the chart, then every test that needs them."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hack.cluster import provider
from hack.cluster.build import ensure
from hack.cluster.cluster import Cluster
from hack.cluster.errors import ClusterError, Missing
from hack.cluster.images import build_and_load
from hack.cluster.paths import BESIDE, Paths, beside
from hack.cluster.shell import say
from hack.cluster.versions import JOBSET, KIND, KUEUE
from hack.project import ROOT, SYSTEM_NAMESPACE, build_images, install, kubectl
from hack.prometheus import ensure_prometheus

BIN = Path(sys.executable).parent
OPERATOR = "app.kubernetes.io/component=operator"
WORKERS = ["-n", "4", "--dist", "loadgroup"]  # more than cores: most of the time they wait
NO_TESTS = 5  # pytest's exit code where nothing was selected
MARK = "pytest.mark.e2e"


def main() -> int:
    """Run the suite; the exit code is pytest's, or 1 when the cluster could not be made.

    2 when the machine lacks something and CI=true; without CI it says what was not tested and returns 0.
    """
    parser = argparse.ArgumentParser(prog="python -m hack.e2e", description=__doc__)
    parser.add_argument("--cluster", default="penstock-test")
    parser.add_argument(
        "--keep", action="store_true", default=os.environ.get("KEEP") == "1", help="keep the cluster"
    )
    parser.add_argument("--down", action="store_true", help="only remove the clusters that were kept")
    parser.add_argument("words", nargs="*", help="further words for pytest, after --")
    arguments = parser.parse_args()
    if arguments.down:
        remove(arguments.cluster)
        return 0
    print("── end to end", flush=True)
    try:
        cluster = provider.up(arguments.cluster)
    except Missing as missing:
        return not_tested(missing)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    try:
        return run_suite(cluster, arguments.words, keep=arguments.keep)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        if arguments.keep or cluster.provider == "current":
            say(f"the cluster {cluster.name} stays up: `make e2e-down` removes it")
        else:
            tidy_up(arguments.cluster)


def tidy_up(name: str) -> None:
    """Remove the clusters; that one cannot be removed is said, and is no finding of the tests."""
    try:
        remove(name)
    except ClusterError as error:
        print(f"error: {error}\n`make e2e-down` removes what is left", file=sys.stderr)


def remove(name: str) -> None:
    """Take down the cluster, and those of tests that have one of their own, where they have left it."""
    for one in (*(beside(name, of) for of in BESIDE), name):
        if Paths(one).record.exists():
            provider.down(one)


def run_suite(cluster: Cluster, words: list[str], *, keep: bool) -> int:
    """Prepare the cluster and run pytest; its exit code."""
    images = prepare(cluster)
    prometheus = ensure_prometheus()
    ensure(KIND)  # only to check kind-config.yaml with kind's own parser
    # Now, and not beside tests that would have half a core each for minutes. What Kueue needs is most of what
    # JobSet does.
    for controller in (KUEUE, JOBSET) if cluster.provider != "current" else ():
        ensure(controller)
    say("release penstock installed; running the tests")
    words = chosen(words)
    started = time.monotonic()
    environment = {
        **os.environ,
        "PENSTOCK_CLUSTER": cluster.name,
        "PENSTOCK_KEEP": "1" if keep else "",
        "PENSTOCK_KUBECONFIG": cluster.kubeconfig,
        "PENSTOCK_KUBECTL": cluster.kubectl,
        "PENSTOCK_HELM": cluster.helm,
        "PENSTOCK_IMAGES": json.dumps(images),
        "PENSTOCK_PROMETHEUS": prometheus.server,
        "PENSTOCK_PROMTOOL": prometheus.tool,
    }
    # Tests marked `patient` only wait, for minutes: beside the others. Those marked `alone` take the operator
    # down: they come after all others, one at a time. Those with an operator of their own come last, beside
    # each other, while none is installed.
    patient = start(["-m", "e2e and patient", *words], environment)
    beside = "e2e and not alone and not patient and not own_operator"
    codes = {pytest(["-m", beside, *WORKERS, *words], environment)}
    codes.add(finish(patient))
    codes.add(pytest(["-m", "e2e and alone", *words], environment))
    with no_operator(cluster):
        codes.add(pytest(["-m", "e2e and own_operator", *WORKERS, *words], environment))
    say(f"end-to-end tests took {time.monotonic() - started:.0f} s")
    # A narrow choice may leave some of them without tests; that all have none is an error.
    return max(codes - {NO_TESTS} or {NO_TESTS})


@contextmanager
def no_operator(cluster: Cluster) -> Iterator[None]:
    """Take the installed operator down while the context lasts."""
    scale = ("scale", "deployment", "penstock", "-n", SYSTEM_NAMESPACE)
    kubectl(cluster, *scale, "--replicas=0")
    kubectl(cluster, "wait", "--for=delete", "pod", "-n", SYSTEM_NAMESPACE, "-l", OPERATOR, "--timeout=60s")
    try:
        yield
    finally:
        kubectl(cluster, *scale, "--replicas=1")


def prepare(cluster: Cluster) -> dict[str, str]:
    """Install Penstock and load what the tests run; full references of the images by their names."""
    images = build_images(cluster)
    # Grace times of minutes are for people; the tests see the same rules in seconds.
    settings = {"imageGrace": 20, "containerGrace": 15, "sweepDay": 20}
    install(cluster, images, {"scope": {"clusterWide": True}, "settings": settings})
    for name in ("digits", "torch", "wine"):
        folder = ROOT / "examples" / name
        images[name] = build_and_load(
            cluster, folder / "Dockerfile", f"penstock/example-{name}", [folder], context=folder
        )
    root = ROOT / "tests/images/root.Dockerfile"
    images["root"] = build_and_load(cluster, root, "penstock/test-root", [root])
    return images


def chosen(words: list[str]) -> list[str]:
    """The words with the files that have such tests, where they name none.

    Each process of pytest imports all that it chooses from, and ten times as many tests need no cluster.
    """
    if any((ROOT / word.split("::")[0]).exists() for word in words):
        return words
    files = (file for file in (ROOT / "tests").rglob("test_*.py") if MARK in file.read_text())
    return [*map(str, sorted(files)), *words]


def pytest(words: list[str], environment: dict[str, str]) -> int:
    """Run pytest with these words; its exit code."""
    command = [str(BIN / "pytest"), *words, "--durations", "8"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def start(words: list[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
    """Start pytest with these words in the background; its words are kept until it is finished."""
    command = [str(BIN / "pytest"), *words]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process: "subprocess.Popen[str]") -> int:
    """Wait for it, and show what it said; its exit code."""
    said, _ = process.communicate()
    print(said, flush=True)
    return process.returncode


def not_tested(missing: Missing) -> int:
    """Say what was not tested; a failure in CI."""
    bar = "!" * 100
    print(
        f"{bar}\nNOT TESTED: the whole end-to-end suite (tests marked e2e), because {missing}\n{bar}",
        file=sys.stderr,
    )
    return 2 if os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
