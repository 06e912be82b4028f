"""Triggers that look outside: a commit of a real repository, a tag of a registry, a key of a ConfigMap."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.cluster.cluster import load
from hack.cluster.network import claim
from hack.cluster.paths import Paths
from tests.e2e.listeners import listener
from tests.steps.probe_servers import GitServer, Registry, commit, served, sha256
from tests.support import wait_for

pytestmark = pytest.mark.e2e

TAG = "/v2/acme/base/manifests/stable"


@pytest.fixture
def host() -> str:
    """The address by which pods reach servers of this test."""
    cluster = load(os.environ["PENSTOCK_CLUSTER"])
    if cluster.provider != "bare":
        pytest.skip("git and the registry run beside this test, where pods of a bare cluster reach them")
    return claim(Paths(cluster.name)).host


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repositories" / "churn.git"
    folder.parent.mkdir()
    commit(folder, "first")
    return folder


@pytest.fixture
def outside(host: str, repository: Path) -> Iterator[tuple[str, str, dict[str, bytes]]]:
    """Addresses of git's own server and of a registry, and the registry's tags."""
    tags = {TAG: b"first"}
    with (
        served(GitServer, address=host, root=repository.parent) as (git, _),
        served(Registry, address=host, tags=tags) as (registry, _),
    ):
        yield git, registry, tags


def test_a_commit_a_tag_and_a_key_that_change_start_one_run_each(
    runs, kubectl, namespace, images, outside, repository
) -> None:
    git, registry, tags = outside
    rows = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rows", "namespace": namespace}}
    kubectl.apply({**rows, "data": {"rows.csv": "a\n1\n"}})
    watched = {
        "code": {"git": {"url": f"http://{git}/churn.git", "every": "1m"}},
        "base": {"image": {"image": f"{registry}/acme/base:stable", "every": "1m", "plainHttp": True}},
        "rows": {"newData": {"source": {"configMap": {"name": "rows", "key": "rows.csv"}}, "every": "1m"}},
    }
    policy = {"onChange": "Wait", "concurrency": "Allow"}
    kubectl.apply(listener(namespace, images["server"], watched, policy=policy))
    first = wait_for("all to be looked at", seen_by_all(kubectl, namespace))
    assert first["base"] == sha256(b"first")
    assert runs.names("ear") == [], "a first look only learns"

    tags[TAG] = b"second"
    second = {"code": commit(repository, "second"), "base": sha256(b"second")}
    kubectl.apply({**rows, "data": {"rows.csv": "a\n1\n2\n"}})
    wait_for("three runs", lambda: len(runs.names("ear")) >= 3, 400)
    started = {run["spec"]["trigger"]: run for run in map(runs.finished, runs.names("ear"))}
    assert set(started) == set(watched)
    assert {one["status"]["status"] for one in started.values()} == {"Succeeded"}
    revisions = {name: run["spec"]["triggeredBy"]["revision"] for name, run in started.items()}
    assert revisions == {**second, "rows": revisions["rows"]}
    assert revisions["rows"] != first["rows"]
    assert seen_by_all(kubectl, namespace)() == revisions

    looks = looks_at(kubectl, namespace)
    wait_for(
        "another look of each",
        lambda: all(looks_at(kubectl, namespace)[one] > looks[one] for one in looks),
        300,
    )
    assert len(runs.names("ear")) == 3


def entries(kubectl: Any, namespace: str) -> dict[str, dict[str, Any]]:
    """What the Pipeline says of its triggers, by their names."""
    found = kubectl.get("pipeline", "ear", namespace).get("status", {}).get("triggers") or ()
    return {one["name"]: one for one in found}


def seen_by_all(kubectl: Any, namespace: str) -> Callable[[], dict[str, str] | None]:
    """What each trigger saw, once each has seen anything."""

    def look() -> dict[str, str] | None:
        found = {name: one.get("seen", "") for name, one in entries(kubectl, namespace).items()}
        return found if len(found) == 3 and all(found.values()) else None

    return look


def looks_at(kubectl: Any, namespace: str) -> dict[str, str]:
    """When each trigger looks next."""
    return {name: one["looksAt"] for name, one in entries(kubectl, namespace).items()}
