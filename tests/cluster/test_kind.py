"""What kind and Docker are asked for; both are scripts here that write down their words."""

from pathlib import Path

import pytest

from hack.cluster import kind, provider
from hack.cluster.cluster import load
from hack.cluster.errors import ClusterError, Missing
from hack.cluster.images import build_and_load
from hack.cluster.paths import Paths

SCRIPT = """#!/bin/sh
echo "${0##*/} $*" >> "$WORDS"
case "${0##*/} $*" in
  "kind get clusters") cat "$CLUSTERS" ;;
  "kind create"*) echo one >> "$CLUSTERS" ;;
  "docker exec"*) exit 1 ;;
esac
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("docker", "kind", "kubectl", "helm"):
        (folder / name).write_text(SCRIPT)
        (folder / name).chmod(0o755)
    (tmp_path / "clusters").touch()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("WORDS", str(tmp_path / "words"))
    monkeypatch.setenv("CLUSTERS", str(tmp_path / "clusters"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("CLUSTER", raising=False)
    return tmp_path / "words"


def test_a_cluster_is_created_once_with_a_kubeconfig_of_its_own(asked: Path) -> None:
    cluster = provider.up("one")
    assert provider.up("one") == cluster == load("one")
    assert cluster.provider == "kind"
    assert cluster.kubeconfig == str(Paths("one").kubeconfig)
    created = [line for line in asked.read_text().splitlines() if line.startswith("kind create")]
    assert len(created) == 1
    assert f"--name one --config {kind.CONFIG} --kubeconfig {cluster.kubeconfig}" in created[0]
    assert (Paths("one").bin / "kubectl").is_symlink()


def test_images_are_built_by_docker_and_loaded_by_kind(asked: Path, tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("ARG BASE=python:3.13-slim\nFROM ${BASE}\n")
    reference = build_and_load(provider.up("one"), dockerfile, "app", [dockerfile], build_args={"A": "b"})
    words = asked.read_text()
    assert f"docker build --file {dockerfile} --tag {reference} --build-arg A=b" in words
    assert "BASE=" not in words  # Docker has the Dockerfile's own
    assert f"kind load docker-image {reference} --name one" in words


def test_down_deletes_the_cluster_and_forgets_it(asked: Path) -> None:
    provider.up("one")
    provider.down("one")
    assert "kind delete cluster --name one" in asked.read_text()
    assert not Paths("one").root.exists()
    with pytest.raises(ClusterError, match="no cluster"):
        provider.down("one")


def test_without_docker_the_message_says_so(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Missing, match="docker info"):
        provider.up("one", "kind")
