"""The manifest of an artifact: its files with digest and size. The digest of the manifest names the
artifact.
"""

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from penstock_artifacts.errors import ArtifactCorrupt

MANIFEST_VERSION = 1
TYPES = ("Table", "Model", "Report", "Files", "List")
_CHUNK = 1 << 20
_MAXIMUM_FILES = 10_000


@dataclass(frozen=True, order=True)
class FileEntry:
    """One file: path below the artifact's folder with `/`, sha256 in hexadecimal, size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """What an artifact consists of. The same type and files always give the same bytes and so the same
    digest.
    """

    type: str
    files: tuple[FileEntry, ...]

    def to_bytes(self) -> bytes:
        """Canonical JSON: sorted, without blanks, UTF-8."""
        files = [{"path": one.path, "sha256": one.sha256, "size": one.size} for one in sorted(self.files)]
        data = {"version": MANIFEST_VERSION, "type": self.type, "files": files}
        return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @property
    def digest(self) -> str:
        """`sha256:` and 64 hexadecimal digits."""
        return f"sha256:{hashlib.sha256(self.to_bytes()).hexdigest()}"

    @classmethod
    def from_bytes(cls, content: bytes) -> "Manifest":
        """What `to_bytes` wrote. ArtifactCorrupt for anything else, also for a path that would leave the
        folder.
        """
        try:
            data = json.loads(content)
            if data["version"] != MANIFEST_VERSION:
                raise ArtifactCorrupt(
                    f"a manifest of version {data['version']}; this release reads {MANIFEST_VERSION}"
                )
            files = tuple(_entry(one) for one in data["files"])
            return cls(type=str(data["type"]), files=files)
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactCorrupt("this is not the manifest of an artifact") from error


def _entry(data: Any) -> FileEntry:
    entry = FileEntry(path=str(data["path"]), sha256=str(data["sha256"]), size=int(data["size"]))
    parts = PurePosixPath(entry.path).parts
    if not parts or entry.path.startswith("/") or ".." in parts or "\x00" in entry.path:
        raise ArtifactCorrupt("a manifest names a file outside of its folder")
    if len(entry.sha256) != 64 or not set(entry.sha256) <= set("0123456789abcdef"):
        raise ArtifactCorrupt("a manifest has a digest that is none")
    return entry


def scan(folder: Path, type_: str) -> Manifest:
    """The manifest of what lies in `folder`, read in one pass with constant memory.

    ArtifactCorrupt, naming the path, for symbolic links and other special files: a link could point at
    anything that this program can read and the one who wrote the link cannot.
    """
    entries = tuple(_describe(folder, path) for path in regular_files(folder))
    return Manifest(type=type_, files=entries)


def regular_files(folder: Path) -> list[Path]:
    """All files below `folder`, sorted. ArtifactCorrupt as in `scan`."""
    if folder.is_symlink():
        raise ArtifactCorrupt(f"{folder.name} is a symbolic link; write a folder")
    found: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=_unreadable):
        for name in folders + names:
            path = Path(parent, name)
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                kind = "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"
                raise ArtifactCorrupt(f"{path.relative_to(folder.parent)} is {kind}; write plain files")
        found.extend(Path(parent, name) for name in names)
        if len(found) > _MAXIMUM_FILES:
            raise ArtifactCorrupt(f"{folder.name} holds more than {_MAXIMUM_FILES} files; pack them into one")
    return sorted(found)


def open_regular(path: Path) -> BinaryIO:
    """The file opened for reading, unless it is a link or special by now. ArtifactCorrupt where it cannot be
    read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        _unreadable(error)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise ArtifactCorrupt(f"{path.name} is not a regular file")
    return file


def _unreadable(error: OSError) -> None:
    name = Path(error.filename or "?").name
    raise ArtifactCorrupt(
        f"{name} cannot be read ({error.strerror}): make files readable and folders searchable for the group"
    ) from error


def _describe(folder: Path, path: Path) -> FileEntry:
    hasher, size = hashlib.sha256(), 0
    with open_regular(path) as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
            size += len(chunk)
    try:
        relative = path.relative_to(folder).as_posix()
        relative.encode()
    except UnicodeEncodeError as error:
        raise ArtifactCorrupt("a file's name is not UTF-8") from error
    return FileEntry(relative, hasher.hexdigest(), size)
