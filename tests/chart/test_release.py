"""The chart on a real cluster: restricted pods, rights, keys and data that stay, words where it refuses."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError, PermissionDeniedError
from obstore.store import S3Store

from hack.cluster.cluster import load
from hack.project import bucket, forwarded, image_values, store_secret
from tests.chart.rendering import CHART, CLUSTER_SCOPED, NO_CLUSTER_RIGHTS, merged, pods, render
from tests.support import ROOT, SYSTEM_NAMESPACE, Kubectl, condition, wait_for

# The release is installed once; its tests follow each other on one worker.
pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("chart")]

GOLDEN = ROOT / "tests/chart/golden"
RELEASE = "trial"
OPERATOR, STORE = f"{RELEASE}-penstock", f"{RELEASE}-penstock-store"


@dataclass(frozen=True)
class Release:
    """A release in a namespace of its own, without anything that belongs to the whole cluster."""

    namespace: str
    helm: Callable[..., Any]
    values: Mapping[str, Any]

    def install(self, **values: Any) -> str:
        """Install or upgrade, and wait until everything is ready."""
        text = json.dumps(merged(self.values, values))
        words = (
            "upgrade",
            "--install",
            RELEASE,
            str(CHART),
            "-n",
            self.namespace,
            "--wait",
            "--timeout",
            "6m",
        )
        return str(self.helm(*words, "--values", "-", input=text).stdout)

    def uninstall(self) -> str:
        """Uninstall and wait."""
        done = self.helm("uninstall", RELEASE, "-n", self.namespace, "--wait", "--timeout", "5m")
        return str(done.stdout + done.stderr)


@pytest.fixture(scope="module")
def release(kubectl: Kubectl, helm, images) -> Iterator[Release]:
    """The chart with the images of this suite, in a namespace that admits restricted pods only."""
    name = f"chart-{os.getpid()}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    ours = {part: image_values(images[part]) for part in ("operator", "steps", "server", "store")}
    found = Release(name, helm, merged(NO_CLUSTER_RIGHTS, {"image": ours}))
    found.install()
    yield found
    helm("uninstall", RELEASE, "-n", name, "--ignore-not-found", check=False)
    kubectl.run("delete", "namespace", name, "--wait=false", check=False)


@pytest.fixture
def store(release) -> Iterator[S3Store]:
    """The bundled store's bucket."""
    with bucket(load(os.environ["PENSTOCK_CLUSTER"]), release.namespace) as found:
        yield found


def keys(release: Release) -> dict[str, str]:
    """What the Secret of the store says."""
    return store_secret(load(os.environ["PENSTOCK_CLUSTER"]), release.namespace)


def pods_of(kubectl: Kubectl, release: Release, component: str) -> list[dict[str, Any]]:
    """Pods of one part of the release that are not on their way out."""
    found = all_pods_of(kubectl, release, component)
    return [one for one in found if "deletionTimestamp" not in one["metadata"]]


def all_pods_of(kubectl: Kubectl, release: Release, component: str) -> list[dict[str, Any]]:
    """Pods of one part of the release."""
    selector = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component={component}"
    return kubectl.list("pods", release.namespace, selector)


def test_operator_and_store_run_restricted(release, kubectl) -> None:
    for component in ("operator", "store"):
        (pod,) = pods_of(kubectl, release, component)
        assert [one["ready"] for one in pod["status"]["containerStatuses"]] == [True]
        assert [one["restartCount"] for one in pod["status"]["containerStatuses"]] == [0]


def test_helm_test_passes(release, helm) -> None:
    said = helm("test", RELEASE, "-n", release.namespace, "--logs", "--timeout", "5m").stdout
    assert "ok: the operator is ready and reads ModelEndpoint, ModelVersion, Pipeline, PipelineRun" in said
    assert f"ok: no endpoint in {release.namespace} to ask\n" in said
    assert f"ok: the store keeps artifacts of {release.namespace}" in said


def test_helm_test_says_what_is_broken(release, helm, kubectl) -> None:
    scale = ("scale", f"deployment/{OPERATOR}", "-n", release.namespace)
    kubectl.run(*scale, "--replicas=0")
    try:
        # Gone, not only going: until then it may answer.
        wait_for("the operator to stop", lambda: not all_pods_of(kubectl, release, "operator"))
        done = helm("test", RELEASE, "-n", release.namespace, "--logs", "--timeout", "5m", check=False)
    finally:
        kubectl.run(*scale, "--replicas=1")
        words = ("status", f"deployment/{OPERATOR}", "-n", release.namespace, "--timeout=120s")
        kubectl.run("rollout", *words)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "FAILED: the operator is not ready: http://" in said
    assert "ok: the store keeps artifacts" in said, "one failure does not hide the other checks"


def test_the_store_keeps_what_it_is_given_and_creates_once(store) -> None:
    content = os.urandom(20 << 20)
    obstore.put(store, "round/trip", content)
    assert bytes(obstore.get(store, "round/trip").bytes()) == content
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "round/trip", b"other", mode="create", use_multipart=False)


def test_the_store_refuses_a_wrong_key(release) -> None:
    secret = keys(release)
    with forwarded(load(os.environ["PENSTOCK_CLUSTER"]), release.namespace, f"svc/{STORE}", 7070) as port:
        stranger = S3Store(
            "penstock",
            endpoint=f"http://127.0.0.1:{port}",
            region=secret["region"],
            access_key_id=secret["accessKeyId"],
            secret_access_key="wrong",
            client_options={"allow_http": True},
        )
        with pytest.raises(PermissionDeniedError):
            obstore.put(stranger, "x", b"x")


def test_an_upgrade_that_changes_nothing_restarts_nothing_and_keeps_the_keys(release, kubectl) -> None:
    def seen() -> tuple[Any, ...]:
        pods = [pods_of(kubectl, release, part)[0]["metadata"]["uid"] for part in ("operator", "store")]
        return (keys(release), *pods)

    before = seen()
    release.install()
    assert seen() == before


def test_the_keys_can_be_changed_and_the_data_stays(release, kubectl, store) -> None:
    obstore.put(store, "kept", b"data")
    (old,) = pods_of(kubectl, release, "store")
    chosen = {"accessKeyId": "CHOSENKEY", "secretAccessKey": "chosen-secret-of-the-test"}
    release.install(store={"bundled": chosen})
    (new,) = pods_of(kubectl, release, "store")
    assert new["metadata"]["uid"] != old["metadata"]["uid"], "the server takes the new keys at its start"
    assert chosen.items() <= keys(release).items()
    with bucket(load(os.environ["PENSTOCK_CLUSTER"]), release.namespace) as again:
        assert bytes(obstore.get(again, "kept").bytes()) == b"data"
    release.install()
    assert chosen.items() <= keys(release).items(), "without new ones the present keys stay"


def test_a_restarted_store_without_volume_has_its_bucket(release, kubectl, helm) -> None:
    release.install(store={"bundled": {"persistence": {"enabled": False}}})
    (pod,) = pods_of(kubectl, release, "store")
    kubectl.run("delete", "pod", pod["metadata"]["name"], "-n", release.namespace)

    def restarted() -> bool:  # `rollout status` may still tell of the pod that has gone
        found = all_pods_of(kubectl, release, "store")
        uids = [one["metadata"]["uid"] for one in found if condition(one, "Ready").get("status") == "True"]
        return len(found) == 1 and uids not in ([], [pod["metadata"]["uid"]])

    wait_for("the store to be back", restarted)
    with bucket(load(os.environ["PENSTOCK_CLUSTER"]), release.namespace) as again:
        obstore.put(again, "first", b"words")
    release.install()


def test_the_scope_is_widened_by_the_commands_in_the_notes(release, helm) -> None:
    notes = release.install(scope={"namespaces": [release.namespace]})
    assert f"--set scope.namespaces='{{{release.namespace},OTHER}}'" in notes
    everywhere = 'scope={"clusterWide":true,"namespaces":[]}'
    assert f"--set-json '{everywhere}'" in notes
    words = ("upgrade", RELEASE, str(CHART), "-n", release.namespace, "--reset-then-reuse-values")
    wider = helm(
        *words, "--dry-run=server", "--set", f"scope.namespaces={{{release.namespace},default}}"
    ).stdout
    assert f"--namespace={release.namespace}\n" in wider
    assert "--namespace=default\n" in wider
    widest = helm(*words, "--dry-run=server", "--set-json", everywhere).stdout
    assert "--all-namespaces\n" in widest
    assert "kind: ClusterRoleBinding" in widest
    release.install()


def rights(kubectl: Kubectl, account: str, namespace: str) -> str:
    """What `kubectl auth can-i --list` says, in an order of its own."""
    done = kubectl.run("auth", "can-i", "--list", "--as", f"system:serviceaccount:{account}", "-n", namespace)
    head, *lines = done.stdout.splitlines()
    return "\n".join([head.rstrip(), *sorted(line.rstrip() for line in lines)]) + "\n"


def agree(name: str, text: str, *, update: bool) -> None:
    """Compare with, or write, a golden file."""
    path = GOLDEN / name
    if update:
        path.write_text(text)
    assert text == path.read_text(), "pytest --update-golden writes it; look at the difference"


def test_s9_the_operators_rights_in_its_namespace(release, kubectl, update_golden) -> None:
    found = rights(kubectl, f"{release.namespace}:{OPERATOR}", release.namespace)
    agree("can-i-where-it-works.txt", found, update=update_golden)


def test_s9_the_cluster_wide_operator_has_the_same_rights_in_every_namespace(kubectl) -> None:
    found = rights(kubectl, f"{SYSTEM_NAMESPACE}:penstock", "default")
    agree("can-i-where-it-works.txt", found, update=False)


def test_s9_the_namespaced_operator_has_no_rights_elsewhere(release, kubectl, update_golden) -> None:
    found = rights(kubectl, f"{release.namespace}:{OPERATOR}", "default")
    agree("can-i-elsewhere.txt", found, update=update_golden)


@pytest.mark.parametrize(
    "values", [{}, {"scope": {"clusterWide": True}}, {"networkPolicy": {"enabled": True}}]
)
def test_the_api_server_takes_every_object_and_admits_every_pod(values, release, kubectl) -> None:
    objects = render(values)
    here = [
        {**one, "metadata": {**one["metadata"], "namespace": release.namespace}}
        for one in objects
        if one["kind"] not in CLUSTER_SCOPED
    ]
    whole = [one for one in objects if one["kind"] in CLUSTER_SCOPED - {"CustomResourceDefinition"}]
    bare = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"admitted-{number}", "namespace": release.namespace},
            "spec": {**pod["spec"], "serviceAccountName": "default"},
        }
        for number, (_, pod) in enumerate(pods(objects))
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [*here, *whole, *bare]})
    done = kubectl.run(
        "apply", "--dry-run=server", "--server-side", "--force-conflicts", "-f", "-", input=text
    )
    assert "Warning" not in done.stderr


def test_who_may_edit_a_namespace_may_run_pipelines_and_who_may_view_it_may_look(release, kubectl) -> None:
    for role in ("view", "edit", "admin"):
        words = ("create", "rolebinding", f"test-{role}", "-n", release.namespace)
        kubectl.run(*words, f"--clusterrole={role}", f"--user={role}er")

    def may(user: str, verb: str, kind: str) -> bool:
        resource, _, part = kind.partition("/")
        words = ("auth", "can-i", verb, f"{resource}.penstock.dev", f"--subresource={part}", "--as", user)
        return kubectl.run(*words, "-n", release.namespace, check=False).stdout.strip() == "yes"

    # The cluster's roles are put together by a controller.
    wait_for("the roles to be aggregated", lambda: may("adminer", "create", "pipelines"))
    for kind in ("pipelines", "pipelineruns", "modelversions", "modelendpoints"):
        assert may("viewer", "get", kind)
        assert not may("viewer", "create", kind)
        for user in ("editer", "adminer"):
            assert may(user, "create", kind) is (kind != "modelversions")
            assert not may(user, "patch", f"{kind}/status")


def test_another_release_is_told_who_owns_the_definitions_and_may_take_them(helm, release) -> None:
    words = ("install", "another", str(CHART), "-n", "default", "--dry-run=server")
    done = helm(*words, check=False)
    assert done.returncode != 0
    assert "penstock.dev" in done.stderr
    assert "release-name" in done.stderr
    helm(*words, "--take-ownership")


def test_uninstalling_keeps_data_and_definitions_and_installing_again_finds_them(
    release, kubectl, store
) -> None:
    obstore.put(store, "survivor", b"data")
    said = release.uninstall()
    assert STORE in said, "helm says what it keeps"

    def left() -> set[tuple[str, str]]:
        kinds = "all,configmaps,secrets,roles,rolebindings,serviceaccounts,pvc"
        ours = kubectl.list(kinds, release.namespace, f"app.kubernetes.io/instance={RELEASE}")
        # The pod of the last `helm test` is a hook, which helm does not own.
        return {(one["kind"], one["metadata"]["name"]) for one in ours if one["kind"] != "Pod"}

    # A ReplicaSet goes by garbage collection, after its Deployment.
    wait_for("the rest to go", lambda: left() == {("PersistentVolumeClaim", STORE)})
    kubectl.run("get", "crd", "pipelines.penstock.dev")
    release.install()
    with bucket(load(os.environ["PENSTOCK_CLUSTER"]), release.namespace) as again:
        assert bytes(obstore.get(again, "survivor").bytes()) == b"data"
