"""An image's tag changes with everything that decides the image, and with nothing else."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hack.cluster.errors import ClusterError
from hack.cluster.recipe import Recipe


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("ARG BASE=python:3.13-slim\nFROM ${BASE}\nCOPY src /src\n")
    (tmp_path / "src/inner").mkdir(parents=True)
    (tmp_path / "src/a.py").write_text("a = 1\n")
    (tmp_path / "src/inner/b.py").write_text("b = 1\n")
    return Recipe(dockerfile, "penstock/operator", (tmp_path / "src",), tmp_path, {"K": "v"})


def _rename(recipe: Recipe) -> None:
    (recipe.context / "src/a.py").rename(recipe.context / "src/c.py")


CHANGES: dict[str, Callable[[Recipe], object]] = {
    "the Dockerfile": lambda r: r.dockerfile.write_text("FROM scratch\n"),
    "a file's content": lambda r: (r.context / "src/inner/b.py").write_text("b = 2\n"),
    "a file's name": _rename,
    "a new file": lambda r: (r.context / "src/new.py").touch(),
    "a missing file": lambda r: (r.context / "src/a.py").unlink(),
    "the right to execute": lambda r: (r.context / "src/a.py").chmod(0o755),
    "a link": lambda r: (r.context / "src/link").symlink_to("a.py"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_tag_changes_with(recipe: Recipe, what: str) -> None:
    before = recipe.tag("base-1")
    CHANGES[what](recipe)
    assert recipe.tag("base-1") != before


def test_the_tag_changes_with_build_arguments_and_base(recipe: Recipe) -> None:
    changed = (
        replace(recipe, build_args={"K": "w"}),
        replace(recipe, build_args={"L": "v"}),
        replace(recipe, build_args={}),
    )
    tags = {recipe.tag("base-1"), recipe.tag("base-2"), *(one.tag("base-1") for one in changed)}
    assert len(tags) == 5


def test_the_tag_stays_with_times_caches_and_the_order_of_inputs(recipe: Recipe) -> None:
    before = recipe.tag("")
    os.utime(recipe.context / "src/a.py", (1, 1))
    os.utime(recipe.dockerfile, (1, 1))
    (recipe.context / "src/__pycache__").mkdir()
    (recipe.context / "src/__pycache__/a.cpython-311.pyc").write_bytes(b"x")
    a, b = recipe.context / "src/a.py", recipe.context / "src/inner"
    assert recipe.tag("") == before
    assert replace(recipe, inputs=(b, a, a)).tag("") == replace(recipe, inputs=(a, b)).tag("") == before


def test_the_tag_stays_when_the_checkout_moves(recipe: Recipe, tmp_path: Path) -> None:
    before = recipe.tag("")
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(moved)
    after = replace(recipe, dockerfile=moved / "Dockerfile", inputs=(moved / "src",), context=moved)
    assert after.tag("") == before


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("operator", "localhost/operator"),
        ("penstock/operator", "localhost/penstock/operator"),
        ("localhost/operator", "localhost/operator"),
        ("registry.example/penstock/operator", "registry.example/penstock/operator"),
        ("host:5000/operator", "host:5000/operator"),
    ],
)
def test_a_name_without_host_goes_under_localhost(recipe: Recipe, name: str, full: str) -> None:
    assert replace(recipe, name=name).full_name == full


def test_a_base_is_brought_only_where_it_is_wanted(recipe: Recipe) -> None:
    assert recipe.wants_base
    assert not replace(recipe, build_args={"BASE": "mine"}).wants_base
    recipe.dockerfile.write_text("FROM scratch\nARG BASENAME\n")
    assert not recipe.wants_base


def test_what_is_missing_is_named(recipe: Recipe) -> None:
    with pytest.raises(ClusterError, match="nowhere"):
        replace(recipe, inputs=(recipe.context / "nowhere",))
    with pytest.raises(ClusterError, match="without a tag"):
        replace(recipe, name="localhost:5000/operator:latest")
