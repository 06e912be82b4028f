"""A root of its own in every hierarchy, of both kinds of machine."""

from pathlib import Path

import pytest

from hack.cluster import cgroups


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    for hierarchy in ("memory", "cpuset", "systemd"):
        (tmp_path / hierarchy).mkdir()
        (tmp_path / hierarchy / "cgroup.procs").touch()
    (tmp_path / "cpuset/cpuset.cpus").write_text("0-1\n")
    (tmp_path / "cpuset/cpuset.mems").write_text("0\n")
    (tmp_path / "cpu").symlink_to("memory")
    (tmp_path / "unified").mkdir()
    return tmp_path


def test_v1_gets_a_root_in_each_hierarchy(v1: Path) -> None:
    assert cgroups.is_v1(v1)
    cgroups.ensure("one", v1)
    cgroups.ensure("one", v1)
    roots = {path.parent.name for path in v1.glob("*/penstock-one") if not path.parent.is_symlink()}
    assert roots == {"memory", "cpuset", "systemd"}


def test_v1_fills_an_empty_cpuset(v1: Path) -> None:
    # The kernel makes these files together with the folder.
    root = v1 / "cpuset/penstock-one"
    root.mkdir()
    (root / "cpuset.cpus").write_text("\n")
    (root / "cpuset.mems").write_text("0\n")
    cgroups.ensure("one", v1)
    assert (root / "cpuset.cpus").read_text() == "0-1\n"


def test_removal_takes_all_groups_of_this_cluster_only(v1: Path) -> None:
    for name in ("one", "two"):
        cgroups.ensure(name, v1)
    (v1 / "memory/penstock-one/kubepods/pod1").mkdir(parents=True)
    cgroups.remove("one", v1)
    cgroups.remove("one", v1)
    assert not list(v1.glob("*/penstock-one"))
    assert (v1 / "memory/penstock-two").exists()


def test_v2_hands_down_the_controllers_that_are_offered(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    (tmp_path / "cgroup.procs").touch()
    (tmp_path / "cgroup.subtree_control").touch()
    cgroups.ensure("one", tmp_path)
    assert not cgroups.is_v1(tmp_path)
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+pids"  # the last of those written
    assert (tmp_path / "penstock-one").is_dir()
    cgroups.remove("one", tmp_path)
    assert not (tmp_path / "penstock-one").exists()
