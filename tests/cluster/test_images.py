"""What happens to images on their way to a bare cluster."""

import os
from pathlib import Path

import pytest

from hack.cluster import buildah, images
from hack.cluster.cluster import Cluster
from hack.cluster.containerd import Containerd
from hack.cluster.images import build_and_load
from hack.cluster.recipe import Recipe

CLUSTER = Cluster("one", "/kubeconfig", "/kubectl", "/helm", "bare")


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text("FROM scratch\nCOPY file /file\n")
    return tmp_path / "context"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A buildah and a containerd that only remember what they were asked."""
    seen: dict[str, list[str]] = {"built": [], "loaded": [], "forgotten": []}

    def build(recipe: Recipe, reference: str, arguments: dict[str, str]) -> None:
        seen["built"].append(reference)

    def export(reference: str, archive: Path) -> None:
        archive.parent.mkdir(parents=True, exist_ok=True)
        archive.touch()

    monkeypatch.setattr(images, "require_root", lambda: None)
    monkeypatch.setattr(images, "ensure_packages", lambda: None)
    monkeypatch.setattr(buildah, "build", build)
    monkeypatch.setattr(buildah, "export", export)
    monkeypatch.setattr(buildah, "references", lambda name: list(seen["built"]))
    monkeypatch.setattr(buildah, "forget", seen["forgotten"].extend)
    monkeypatch.setattr(Containerd, "has_image", lambda self, reference: reference in seen["loaded"])
    monkeypatch.setattr(Containerd, "load", lambda self, archive: seen["loaded"].append(archive.stem))
    return seen


def image(context: Path, content: str) -> str:
    (context / "file").write_text(content)
    return build_and_load(CLUSTER, context / "Dockerfile", "app", [context / "file"], context=context)


def test_an_archive_is_loaded_without_a_build(context: Path, world: dict[str, list[str]]) -> None:
    assert image(context, "a") == image(context, "a")
    assert len(world["built"]) == 1
    assert len(world["loaded"]) == 2


def test_an_image_that_the_cluster_has_is_left_alone(context: Path, world: dict[str, list[str]]) -> None:
    world["loaded"].append(image(context, "a"))
    loaded = list(world["loaded"])
    image(context, "a")
    assert world["loaded"] == loaded


def test_the_newest_three_archives_of_a_name_are_kept(
    context: Path, world: dict[str, list[str]], tmp_path: Path
) -> None:
    folder = tmp_path / "cache/penstock/images"
    references = []
    for age, content in enumerate(["a", "b", "c", "d"]):
        references.append(image(context, content))
        archive = folder / f"app-{references[-1].rpartition(':')[2]}.tar"
        if archive.exists():
            os.utime(archive, (age, age))
    other = folder / "app-server-0123456789ab.tar"
    other.touch()
    references.append(image(context, "e"))
    kept = {f"app-{reference.rpartition(':')[2]}.tar" for reference in references[-3:]}
    assert {file.name for file in folder.iterdir()} == {*kept, other.name}
    assert set(references[:2]) <= set(world["forgotten"])
    assert references[-1] not in world["forgotten"]


def test_pip_gets_the_hosts_settings_for_the_time_of_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/50%25/simple")
    monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
    with buildah._host_settings() as words:
        mounts = [word.split(":") for word in words if word != "--volume"]
        pip = next(source for source, target, _ in mounts if target == "/etc/pip.conf")
        text = Path(pip).read_text()
        assert all(mode == "ro" for _, _, mode in mounts)
    assert "index-url = https://index.example/50%25/simple" in text
    assert "virtualenv" not in text
    assert not Path(pip).exists()
