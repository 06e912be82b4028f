"""Kubeconfigs, configuration of the servers, the choice of a provider."""

import json
from pathlib import Path

import pytest

from hack.cluster import components, docker, pki, provider, storage, teardown
from hack.cluster.__main__ import main
from hack.cluster.cluster import Cluster, load
from hack.cluster.errors import ClusterError, Missing
from hack.cluster.network import Ranges
from hack.cluster.packages import find
from hack.cluster.paths import Paths, write_atomically
from hack.cluster.shell import run, wait_until
from hack.cluster.teardown import mounts_below, remove_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CLUSTER", raising=False)
    return tmp_path


def described(name: str = "one", by: str = "bare") -> Cluster:
    return Cluster(name, str(Paths(name).kubeconfig), "/k/kubectl", "/h/helm", by)  # type: ignore[arg-type]


@pytest.mark.parametrize("xdg", [True, False])
def test_the_kubeconfig_is_never_the_users_own(
    home: Path, monkeypatch: pytest.MonkeyPatch, xdg: bool
) -> None:
    if not xdg:
        monkeypatch.delenv("XDG_STATE_HOME")
    for name in ("penstock", "config", "kube"):
        kubeconfig = Paths(name).kubeconfig
        assert kubeconfig.is_relative_to(Paths(name).root)
        assert home / ".kube" not in kubeconfig.parents


@pytest.mark.parametrize("name", ["", "A", "1a", "a_b", "a/b", "..", "a-", "a" * 31])
def test_names_that_cannot_be_a_node_are_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="name"):
        Paths(name)


def test_the_longest_name_leaves_room_for_sockets() -> None:
    socket = Path("/root/.local/state/penstock/clusters") / ("a" * 30) / "containerd/containerd.sock.ttrpc"
    assert len(str(socket)) < 108


@pytest.mark.skipif(find("openssl") is None, reason="needs openssl")
def test_certificates_are_for_ten_years_and_kubeconfigs_private() -> None:
    paths, ranges = Paths("one"), Ranges(3)
    pki.ensure(paths, ranges)
    before = {file: file.read_bytes() for file in paths.pki.iterdir()}
    pki.ensure(paths, ranges)
    assert {file: file.read_bytes() for file in paths.pki.iterdir()} == before
    nine_years = str(9 * 365 * 24 * 3600)
    for certificate in paths.pki.glob("*.crt"):
        run(["openssl", "x509", "-in", certificate, "-noout", "-checkend", nine_years])
    run(["openssl", "verify", "-CAfile", paths.pki / "ca.crt", paths.pki / "kubelet.crt"])
    text = run(["openssl", "x509", "-in", paths.pki / "apiserver.crt", "-noout", "-text"])
    assert f"IP Address:{ranges.node}" in text
    assert f"IP Address:{ranges.api_service}" in text
    assert paths.kubeconfig.stat().st_mode & 0o077 == 0
    config = json.loads(paths.kubeconfig.read_text())
    assert config["clusters"][0]["cluster"]["server"] == f"https://{ranges.node}:6443"


def test_everything_that_servers_write_is_in_the_clusters_folder() -> None:
    paths = Paths("one")
    components.configure(paths, Ranges(3), "localhost/pause:1")
    kubelet = json.loads((paths.config / "kubelet.json").read_text())
    for key in ("podLogsDir", "volumePluginDir"):
        assert kubelet[key].startswith(str(paths.root))
    for server in components.servers(paths, Ranges(3)).in_start_order():
        assert server.log.is_relative_to(paths.root)
    toml = (paths.config / "containerd.toml").read_text()
    places = [
        line.split('"')[1] for line in toml.splitlines() if line.startswith(("root", "state", "  address"))
    ]
    assert len(places) == 4
    assert all(place.startswith(str(paths.root)) for place in places)


def test_two_clusters_have_nothing_in_common_but_programs() -> None:
    files = []
    for name, slot in (("one", 0), ("two", 1)):
        components.configure(Paths(name), Ranges(slot), "localhost/pause:1")
        files.append(json.loads((Paths(name).config / "kubelet.json").read_text()))
    for key in ("cgroupRoot", "containerRuntimeEndpoint", "clusterDNS", "podLogsDir"):
        assert files[0][key] != files[1][key]


def test_unchanged_files_are_not_written_again(tmp_path: Path) -> None:
    file = tmp_path / "folder/file"
    write_atomically(file, "a", 0o600)
    before = file.stat()
    write_atomically(file, "a")
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    write_atomically(file, "b")
    assert file.read_text() == "b"
    assert [child.name for child in file.parent.iterdir()] == ["file"]


def test_a_cluster_is_found_again() -> None:
    described().save()
    assert load("one") == described()
    with pytest.raises(ClusterError, match="there is no cluster 'two'"):
        load("two")


def test_the_choice_of_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "answers", lambda: False)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert provider.choose() == "bare"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(Missing, match=r"Docker.*root.*CLUSTER=current"):
        provider.choose()
    monkeypatch.setattr(docker, "answers", lambda: True)
    assert provider.choose() == "kind"
    monkeypatch.setenv("CLUSTER", "current")
    assert provider.choose() == "current"
    monkeypatch.setenv("CLUSTER", "minikube")
    with pytest.raises(ClusterError, match=r"minikube.*bare, kind, current"):
        provider.choose()


def test_a_cluster_is_not_taken_over_by_another_provider() -> None:
    described(by="kind").save()
    with pytest.raises(ClusterError, match="down --name one"):
        provider.up("one", "bare")


def test_a_docker_without_engine_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = tmp_path / "docker"
    client.write_text('#!/bin/sh\n[ "$1" = --version ]\n')
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert not docker.answers()


def test_without_root_the_command_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["start"]) == 2
    assert "root" in capsys.readouterr().err


def test_commands_on_a_cluster_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--name", "nobody"]) == 1
    assert "there is no cluster 'nobody'" in capsys.readouterr().err


def test_env_can_be_evaluated_by_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    described().save()
    assert main(["env", "--name", "one"]) == 0
    printed = capsys.readouterr().out
    shown = run(["sh", "-c", f'{printed}\necho "$KUBECONFIG|$PATH"'])
    kubeconfig, path = shown.strip().split("|")
    assert kubeconfig == str(Paths("one").kubeconfig)
    assert path.split(":")[0] == str(Paths("one").bin)


def test_images_for_the_current_context_need_a_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PENSTOCK_REGISTRY", raising=False)
    described(by="current").save()
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM scratch\n")
    assert main(["image", str(dockerfile), "--name", "one", "--tag", "x", "--inputs", str(dockerfile)]) == 2
    assert "PENSTOCK_REGISTRY" in capsys.readouterr().err


def test_a_folder_with_a_mount_in_it_is_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Path("/proc") in mounts_below(Path("/"))
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setattr(teardown, "mounts_below", lambda _: [folder / "volume"])
    with pytest.raises(ClusterError, match="mounted at"):
        remove_folder(folder)
    assert folder.exists()
    monkeypatch.undo()
    remove_folder(folder)
    assert not folder.exists()


def test_waiting_has_a_bound_and_shows_the_log(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("first\nthe reason\n")
    with pytest.raises(ClusterError, match=r"(?s)not within 0 s.*server\.log.*the reason"):
        wait_until(lambda: False, "server is not ready", seconds=0, log=log, every=0.01)


def test_released_volumes_are_renewed_and_others_left(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    phases = {"penstock-local-1": "Released", "penstock-local-2": "Bound"}
    items = [
        {"metadata": {"name": n}, "spec": {"storageClassName": "penstock-local"}, "status": {"phase": p}}
        for n, p in phases.items()
    ]

    def answer(words: list[str], stdin: str | None = None) -> str:
        asked.append(words)
        return json.dumps({"items": items}) if "get" in words else ""

    monkeypatch.setattr(storage, "run", answer)
    paths = Paths("one")
    for name in phases:
        (paths.volumes / name).mkdir(parents=True)
        (paths.volumes / name / "data").touch()
    storage.Objects(paths, ["kubectl"]).apply()
    assert [words[3] for words in asked if "delete" in words] == ["penstock-local-1"]
    assert not (paths.volumes / "penstock-local-1/data").exists()
    assert (paths.volumes / "penstock-local-2/data").exists()
