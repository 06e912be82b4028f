"""What an image is built from, and the tag that follows from it."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.paths import REPO

_SKIPPED = ("__pycache__", ".git", ".mypy_cache", ".ruff_cache", ".pytest_cache")
_TAG_LENGTH = 12


@dataclass(frozen=True)
class Recipe:
    """A Dockerfile, its context, the files that decide what comes out of it, and its build arguments.

    ``name`` is the image's name without tag; without a registry's host in front it goes under ``localhost/``.
    """

    dockerfile: Path
    name: str
    inputs: tuple[Path, ...]
    context: Path = REPO
    build_args: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is not there while the message can still say which part is missing."""
        for path in (self.dockerfile, self.context, *self.inputs):
            if not path.exists():
                raise ClusterError(f"image {self.name}: no such file or folder: {path}")
        if ":" in self.name.rpartition("/")[2]:
            raise ClusterError(
                f"image {self.name}: give the name without a tag; the tag is the hash of the inputs"
            )

    @property
    def full_name(self) -> str:
        """The name with a host in front."""
        host, slash, _ = self.name.partition("/")
        has_host = bool(slash) and (host == "localhost" or "." in host or ":" in host)
        return self.name if has_host else f"localhost/{self.name}"

    @property
    def short_name(self) -> str:
        """The name as a file name."""
        return re.sub(r"[^A-Za-z0-9.-]+", "_", self.name)

    @property
    def wants_base(self) -> bool:
        """Whether the Dockerfile lets its base be chosen (``ARG BASE``) and the caller has not done so."""
        declared = re.search(r"^ARG\s+BASE\b", self.dockerfile.read_text(), re.MULTILINE)
        return declared is not None and "BASE" not in self.build_args

    def tag(self, base: str) -> str:
        """12 hex digits of the SHA-256 of everything that decides the image: contents, not times.

        ``base`` is the version of the base image that goes in from outside of the Dockerfile.
        """
        digest = hashlib.sha256()

        def add(*parts: str | bytes) -> None:
            for part in parts:
                data = part.encode() if isinstance(part, str) else part
                digest.update(len(data).to_bytes(8, "big") + data)

        add("dockerfile", self.dockerfile.read_bytes(), "base", base)
        for key in sorted(self.build_args):
            add("argument", key, self.build_args[key])
        for file in sorted({found for path in self.inputs for found in _files(path.absolute())}):
            add("file", self._label(file))
            if file.is_symlink():
                add("link", str(file.readlink()))
            else:
                add("executable" if os.access(file, os.X_OK) else "plain", file.read_bytes())
        return digest.hexdigest()[:_TAG_LENGTH]

    def _label(self, file: Path) -> str:
        context = self.context.absolute()
        return str(file.relative_to(context)) if file.is_relative_to(context) else file.name


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir() and not path.is_symlink():
        for child in path.iterdir():
            if child.name not in _SKIPPED and child.suffix != ".pyc":
                yield from _files(child)
    else:
        yield path
