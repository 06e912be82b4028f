"""Built programs are used only as they were built, and an interrupted build leaves nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from hack.cluster import build
from hack.cluster.errors import ClusterError, Missing
from hack.cluster.versions import Tool

TOOL = Tool("fake", "example/fake", "1.2.3", {"fake": "example/fake"}, {"fake": ("--version",)}, "1.2.3")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(build, "_require_go", lambda: None)
    return tmp_path / "cache/penstock"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces the compiler by one that writes a script; grows by one with each build."""
    builds: list[str] = []

    def compile_script(tool: Tool, into: Path) -> None:
        builds.append(tool.name)
        (into / tool.name).write_text(f"#!/bin/sh\necho {tool.name} {TOOL.version}\n")
        (into / tool.name).chmod(0o755)

    monkeypatch.setattr(build, "_compile", compile_script)
    return builds


def test_a_tool_is_built_once(built: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert build.ensure(TOOL) == build.ensure(TOOL) == build.folder(TOOL)
    assert built == ["fake"]
    assert "fake 1.2.3: cached" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["changed", "missing", "no sums", "damaged sums"])
def test_a_program_that_is_not_what_was_built_is_built_again(built: list[str], damage: str) -> None:
    where = build.ensure(TOOL)
    if damage == "changed":
        (where / "fake").write_text("#!/bin/sh\necho fake 1.2.3 # and more\n")
    elif damage == "missing":
        (where / "fake").unlink()
    elif damage == "no sums":
        (where / "sha256.json").unlink()
    else:
        (where / "sha256.json").write_text("{")
    build.ensure(TOOL)
    assert built == ["fake", "fake"]


CARRIER = replace(TOOL, carries={"chart": "charts/fake"})


@pytest.mark.parametrize("damage", [None, "changed", "missing", "more"])
def test_what_a_module_carries_is_checked_as_its_programs_are(
    built: list[str], monkeypatch: pytest.MonkeyPatch, damage: str | None
) -> None:
    compiled = build._compile

    def compile_with_chart(tool: Tool, into: Path) -> None:
        compiled(tool, into)
        (into / "chart").mkdir()
        (into / "chart/values.yaml").write_text("a: 1\n")

    monkeypatch.setattr(build, "_compile", compile_with_chart)
    values = build.ensure(CARRIER) / "chart/values.yaml"
    if damage == "changed":
        values.write_text("a: 2\n")
    elif damage == "missing":
        values.unlink()
    elif damage == "more":
        values.with_name("more.yaml").write_text("b: 1\n")
    build.ensure(CARRIER)
    assert built == (["fake"] if damage is None else ["fake", "fake"])
    assert [file.name for file in values.parent.iterdir()] == ["values.yaml"]
    assert values.read_text() == "a: 1\n"


def test_a_folder_of_a_module_is_copied_so_that_it_can_be_removed(tmp_path: Path) -> None:
    source = tmp_path / "module/charts/fake/templates"
    source.mkdir(parents=True)
    (source / "a.yaml").write_text("a\n")
    for one in (source / "a.yaml", source, source.parent):
        one.chmod(0o555)
    build._copy(source.parent, tmp_path / "chart")
    assert (tmp_path / "chart/templates/a.yaml").read_text() == "a\n"
    assert {one.stat().st_mode & 0o200 for one in (tmp_path / "chart").rglob("*")} == {0o200}


def test_a_program_of_another_version_is_refused(built: list[str]) -> None:
    other = Tool("fake", "example/fake", "2.0.0", TOOL.programs, TOOL.version_args, "2.0.0")
    with pytest.raises(ClusterError, match=r"says 'fake 1\.2\.3' instead of 2\.0\.0"):
        build.ensure(other)
    assert not build.folder(other).exists()


def test_an_interrupted_build_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(tool: Tool, into: Path) -> None:
        (into / tool.name).write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "_compile", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build.ensure(TOOL)
    assert list(cache.iterdir()) == []


def test_without_go_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Missing, match=r"Go 1\.\d+ or newer"):
        build._require_go()
