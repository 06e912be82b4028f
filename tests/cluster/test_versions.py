"""Versions are pinned, in one place, and go.mod says the same."""

import re
from pathlib import Path

import pytest

from hack.cluster import versions
from hack.cluster.paths import REPO
from hack.cluster.versions import ALL_TOOLS, Tool

TOOLS = REPO / "hack/cluster/tools"
SILENT = {"kueue", "jobset"}  # they tell their version only in the log of a cluster


@pytest.mark.parametrize("tool", ALL_TOOLS, ids=lambda tool: tool.name)
def test_go_mod_requires_the_version_that_is_said(tool: Tool) -> None:
    module = (TOOLS / tool.name / "go.mod").read_text()
    found = re.findall(rf"^(?:require)?\s*{re.escape(tool.module)} v(\S+)$", module, re.MULTILINE)
    assert found == [tool.version]
    assert (TOOLS / tool.name / "go.sum").stat().st_size > 0


@pytest.mark.parametrize("tool", ALL_TOOLS, ids=lambda tool: tool.name)
def test_tools_go_names_exactly_what_is_built(tool: Tool) -> None:
    imported = re.findall(r'_ "(.+)"', (TOOLS / tool.name / "tools.go").read_text())
    assert sorted(imported) == sorted(tool.programs.values())


@pytest.mark.parametrize("tool", ALL_TOOLS, ids=lambda tool: tool.name)
def test_versions_are_releases(tool: Tool) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", tool.version)
    if tool.name in SILENT:
        assert (tool.prints, f"GitVersion=v{tool.version}" in tool.ldflags) == (None, True)
        return
    assert tool.prints is not None
    assert tool.version in tool.prints


def test_kueue_is_built_against_the_jobset_that_it_is_tried_with() -> None:
    module = (TOOLS / "kueue/go.mod").read_text()
    assert f"sigs.k8s.io/jobset v{versions.JOBSET.version} // indirect" in module


def test_all_parts_of_kubernetes_have_one_version() -> None:
    replaced = re.findall(
        r"^\s*(k8s\.io/\S+) => (\S+) v0(\S+)$", (TOOLS / "kubernetes/go.mod").read_text(), re.MULTILINE
    )
    assert len(replaced) == 31
    assert {(name == target, patch) for name, target, patch in replaced} == {
        (True, versions.KUBERNETES.removeprefix("1"))
    }


def test_go_is_new_enough_for_every_tool() -> None:
    for file in TOOLS.glob("*/go.mod"):
        needed = re.search(r"^go (\d+)\.(\d+)", file.read_text(), re.MULTILINE)
        assert needed is not None
        assert (int(needed[1]), int(needed[2])) <= versions.SMALLEST_GO


def test_no_committed_file_names_a_registry_or_a_place_of_this_machine() -> None:
    files = [f for f in (REPO / "hack/cluster").rglob("*") if f.suffix in (".py", ".go", ".mod")]
    suspicious = re.compile(r"https?://(?!127\.|\{|kubernetes\.default)|/root/|/home/")
    assert not [(f, found[0]) for f in files if (found := suspicious.search(Path(f).read_text()))]
