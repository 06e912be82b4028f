"""The repository's own promises: where files may lie, and what must never be committed."""

import re
import subprocess
import tomllib

import pytest

from tests.support import ROOT

SOURCE_ROOTS = ["pipeline_spec", "artifacts", "operator", "steps", "serving"]


def tracked() -> list[str]:
    """Paths of all files that git knows."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("root", SOURCE_ROOTS)
def test_no_python_file_lies_directly_in_a_source_root(root) -> None:
    assert [path.name for path in (ROOT / root).glob("*.py")] == []
    packages = sorted(path.name for path in (ROOT / root).iterdir() if (path / "__init__.py").exists())
    assert len(packages) == 1


def test_the_standard_librarys_operator_is_the_standard_librarys() -> None:
    import operator

    assert operator.add(1, 2) == 3
    assert "penstock" not in (operator.__file__ or "")


def test_every_package_is_in_the_distribution() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert sorted(path.split("/")[0] for path in packages) == sorted(SOURCE_ROOTS)


def test_tests_have_no_init_files() -> None:
    assert [path for path in tracked() if path.startswith("tests/") and path.endswith("__init__.py")] == []


def test_lock_files_carry_hashes_and_no_addresses() -> None:
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        text = lock.read_text()
        pinned = re.findall(r"^[a-z0-9][a-z0-9._-]*==", text, flags=re.MULTILINE)
        assert pinned, lock
        assert text.count("--hash=sha256:") >= len(pinned), lock
        assert "://" not in text, lock


def test_adrs_are_numbered_without_gaps_and_repeats() -> None:
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs/adr").glob("[0-9]*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
