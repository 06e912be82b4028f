"""Images of the project: built when their inputs have changed, and brought to the cluster."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from hack.cluster import buildah, docker, kind
from hack.cluster.base import base_image
from hack.cluster.cluster import Cluster
from hack.cluster.containerd import Containerd
from hack.cluster.errors import Missing
from hack.cluster.packages import ensure_packages, require_root
from hack.cluster.paths import REPO, Paths, cache_home, locked
from hack.cluster.recipe import Recipe
from hack.cluster.shell import say
from hack.cluster.versions import BASE_IMAGE

_KEPT = 3


class Store(Protocol):
    """Where a cluster finds images, and how they get there."""

    def reference(self, recipe: Recipe) -> str:
        """The image's full name and tag in this store."""

    def has(self, reference: str) -> bool:
        """Whether the cluster has the image already."""

    def put(self, recipe: Recipe, reference: str) -> None:
        """Build the image and bring it to the cluster."""


def build_and_load(
    cluster: Cluster,
    dockerfile: Path,
    name: str,
    inputs: Sequence[Path],
    *,
    build_args: Mapping[str, str] | None = None,
    context: Path = REPO,
) -> str:
    """Make sure that ``cluster`` can run the image that ``dockerfile`` gives, and return its full reference.

    ``inputs`` are the files and folders that decide what the image holds; with the Dockerfile, the build
    arguments and the version of the base image they give the tag. Nothing is built when the cluster has it.
    Raises ClusterError when a path is missing or the build fails, Missing when there is nowhere to bring it.
    """
    recipe = Recipe(dockerfile, name, tuple(inputs), context, dict(build_args or {}))
    store = _store(cluster)
    reference = store.reference(recipe)
    with locked(f"image-{recipe.short_name}"):
        if store.has(reference):
            say(f"image {reference}: already in the cluster")
        else:
            store.put(recipe, reference)
    return reference


def tag(cluster: Cluster, reference: str, tag: str) -> str:
    """Give an image that a cluster of ours has another tag as well, and return its full reference.

    Raises Missing in a cluster of somebody else, whose images are in a registry.
    """
    other = f"{reference.rpartition(':')[0]}:{tag}"
    if cluster.provider == "bare":
        Containerd(Paths(cluster.name)).tag(reference, other)
    elif cluster.provider == "kind":
        kind.tag_image(cluster.name, reference, other)
    else:
        raise Missing("images in a registry cannot be given another tag here")
    return other


def _store(cluster: Cluster) -> Store:
    if cluster.provider == "bare":
        return _Bare(cluster.name)
    if cluster.provider == "kind":
        return _Kind(cluster)
    return _Registry()


class _Bare:
    """The containerd of a bare cluster; archives are kept in the cache, the newest few of each name."""

    def __init__(self, name: str) -> None:
        require_root()
        ensure_packages()
        self._containerd = Containerd(Paths(name))

    def reference(self, recipe: Recipe) -> str:
        return f"{recipe.full_name}:{recipe.tag(BASE_IMAGE if recipe.wants_base else '')}"

    def has(self, reference: str) -> bool:
        return self._containerd.has_image(reference)

    def put(self, recipe: Recipe, reference: str) -> None:
        archive = self._archive(recipe, reference)
        if not archive.exists():
            say(f"image {reference}: building")
            base = {"BASE": base_image()} if recipe.wants_base else {}
            buildah.build(recipe, reference, {**base, **recipe.build_args})
            buildah.export(reference, archive)
        os.utime(archive)
        say(f"image {reference}: loading {archive.stat().st_size / 1e6:.0f} MB")
        self._containerd.load(archive)
        self._forget_old(recipe)
        say(f"image {reference}: loaded")

    def _archive(self, recipe: Recipe, reference: str) -> Path:
        return cache_home() / "images" / f"{recipe.short_name}-{reference.rpartition(':')[2]}.tar"

    def _forget_old(self, recipe: Recipe) -> None:
        pattern = f"{recipe.short_name}-{'[0-9a-f]' * 12}.tar"
        archives = sorted(
            (cache_home() / "images").glob(pattern), key=lambda p: p.stat().st_mtime, reverse=True
        )
        for old in archives[_KEPT:]:
            old.unlink()
        kept = {f"{recipe.full_name}:{archive.stem[-12:]}" for archive in archives[:_KEPT]}
        buildah.forget([r for r in buildah.references(recipe.full_name) if r not in kept])


class _Kind:
    """The nodes of a kind cluster; images are built by Docker."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def reference(self, recipe: Recipe) -> str:
        return f"{recipe.full_name}:{recipe.tag('')}"

    def has(self, reference: str) -> bool:
        return kind.has_image(self._cluster.name, reference)

    def put(self, recipe: Recipe, reference: str) -> None:
        say(f"image {reference}: building")
        docker.build(recipe, reference)
        kind.load_image(self._cluster.name, reference)
        say(f"image {reference}: loaded")


class _Registry:
    """The registry that a cluster of somebody else pulls from, named by PENSTOCK_REGISTRY."""

    def __init__(self) -> None:
        self._registry = os.environ.get("PENSTOCK_REGISTRY", "").rstrip("/")
        if not self._registry:
            raise Missing(
                "images for the current context go through a registry that its nodes can pull from: set "
                "PENSTOCK_REGISTRY to its address (host/path) and log in to it first"
            )
        self._docker = docker.answers()
        if not self._docker and shutil.which("buildah") is None:
            raise Missing("neither Docker nor buildah is here to build images with")

    def reference(self, recipe: Recipe) -> str:
        return f"{self._registry}/{recipe.name.removeprefix('localhost/')}:{recipe.tag('')}"

    def has(self, reference: str) -> bool:
        return self._docker and docker.in_registry(reference)

    def put(self, recipe: Recipe, reference: str) -> None:
        say(f"image {reference}: building and pushing")
        if self._docker:
            docker.build(recipe, reference)
            docker.push(reference)
        else:
            buildah.build(recipe, reference, dict(recipe.build_args), pull=True)
            buildah.push(reference)
        say(f"image {reference}: pushed")
