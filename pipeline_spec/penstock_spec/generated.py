"""Files that are made from the models: written, or compared with what lies there."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Render = Callable[[], Mapping[str, str]]  # file name -> text


def main(render: Render, what: str, header: str, arguments: Sequence[str]) -> int:
    """`<folder> [--check]`: write what `render` gives into the folder, or say what differs and return 1.

    Files of the folder that begin with `header` but are not rendered any more are removed (or reported).
    """
    folders = [Path(one) for one in arguments if one != "--check"]
    if len(folders) != 1:
        sys.stderr.write(f"usage: python -m <generator> <folder> [--check]   (writes {what})\n")
        return 2
    folder = folders[0]
    files = render()
    stale = [one for one in sorted(folder.glob("*.*")) if one.name not in files and _begins(one, header)]
    if "--check" in arguments:
        return _check(folder, files, stale, what)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        if _read(folder / name) != text:
            (folder / name).write_text(text, encoding="utf-8")
    for one in stale:
        one.unlink()
    return 0


def _check(folder: Path, files: Mapping[str, str], stale: Sequence[Path], what: str) -> int:
    wrong = [f"{folder / name} is missing" for name in files if not (folder / name).exists()]
    wrong += [
        f"{folder / name} differs from what the models say"
        for name, text in files.items()
        if (folder / name).exists() and _read(folder / name) != text
    ]
    wrong += [f"{one} belongs to nothing any more" for one in stale]
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    if wrong:
        sys.stderr.write(f"{what}: out of date. Run `make generate` and commit the result.\n")
    return 1 if wrong else 0


def _begins(path: Path, header: str) -> bool:
    """Whether the file is one of ours: it begins with the header that the generator writes."""
    with path.open("rb") as file:
        return file.read(len(header.encode())) == header.encode()


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
