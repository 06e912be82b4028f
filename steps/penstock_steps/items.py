"""Lists: what is gathered from the cells of a step, and the items that cells are done for."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock_artifacts.errors import ArtifactCorrupt, ArtifactMissing
from penstock_artifacts.store import Store
from penstock_spec.contract import INDEX_FILE, LIST_FILE, MOST_ITEMS, OUT, Input
from penstock_spec.matrix import label
from penstock_steps.errors import invalid_result
from penstock_steps.workspace import Workspace, say, write_json

_NAMED = 3  # lost cells in a message; all of them stand beside it
_BYTES = 16 * 1024 * 1024  # of a list: it is read as a whole


class CellsMissing(ArtifactMissing):
    """Some of what is gathered is gone: the cells' numbers, all that are."""

    def __init__(self, entries: Sequence[Mapping[str, Any]], count: int, why: str) -> None:
        named = [_named(entry) for entry in entries[:_NAMED]]
        more = [f"and {len(entries) - _NAMED} more"] if len(entries) > _NAMED else []
        super().__init__(f"{len(entries)} of {count} cells, {', '.join([*named, *more])}: {why}")
        self.numbers = [int(entry["number"]) for entry in entries]


def _is_gone(digest: str, store: Store) -> bool:
    try:
        return not store.holds(digest)
    except ArtifactCorrupt:
        return False  # whoever reads it will say so


def _named(entry: Mapping[str, Any]) -> str:
    """A cell by number and values: `3 (model=b, month=2)`."""
    return f"{entry['number']} ({label(entry['values'])})" if "values" in entry else str(entry["number"])


def fetch_folder(name: str, one: Input, folder: Path, store: Store) -> None:
    """Lay one artifact out, every byte checked. ArtifactMissing where the store has not got it."""
    manifest = store.get_folder(one.digest, folder)
    if manifest.type != one.type:
        raise invalid_result(f"input {name} is of type {manifest.type}, the step needs {one.type}")
    size = sum(entry.size for entry in manifest.files)
    say(f"fetched {name}: {len(manifest.files)} files, {size} bytes, {one.digest}")


def fetch_gathered(name: str, one: Input, workspace: Workspace, store: Store) -> None:
    """Lay the artifacts of all cells out, each in a folder named by its number, beside index.json.

    CellsMissing where the store has not got all of them; those after the first are only looked for then.
    """
    folder = workspace.fresh(workspace.input(name))
    if one.gathered is None or one.gathered.digest != one.digest:
        raise invalid_result(f"input {name}: the list of its cells is not the one that was asked for")
    entries = list(one.gathered.entries())
    for entry, path in zip(entries, folders_of(one, folder), strict=True):
        path.mkdir()
        try:
            fetch_folder(f"{name}/{path.name}", Input(entry["digest"], one.type), path, store)
        except ArtifactMissing as error:
            first = entry["number"]
            later = [other for other in entries[first:] if _is_gone(other["digest"], store)]
            raise CellsMissing([entry, *later], len(entries), str(error)) from error
    write_json(folder / INDEX_FILE, entries)


def folders_of(one: Input, folder: Path) -> Iterator[Path]:
    """The folders in which the input's artifacts lie: its own, or one for each cell."""
    if one.gathered is None:
        yield folder
    else:
        yield from (folder / str(number) for number, _ in enumerate(one.gathered.digests, start=1))


def fetch_item(one: Input, number: int, workspace: Workspace, store: Store) -> None:
    """Pick the cell's item, by number from 1, and leave it as JSON where the program looks for it."""
    folder = workspace.fresh(workspace.scratch)
    fetch_folder("list", one, folder, store)
    items = read_list(folder)
    if not 1 <= number <= len(items):
        raise invalid_result(f"the list has {len(items)} items, and this is cell {number}")
    write_json(workspace.item_file, items[number - 1])
    workspace.item_file.chmod(0o644)
    workspace.fresh(workspace.scratch)
    say(f"picked item {number} of {len(items)}")


def count_of(folder: Path) -> int:
    """How many items the list in the folder has. StepError where it is none that cells can be made of."""
    return len(read_list(folder))


def read_list(folder: Path) -> list[Any]:
    """The items. StepError in words where the file is missing, no JSON array or too long."""
    path = folder / LIST_FILE
    where = f"{OUT}/{folder.name}/{LIST_FILE}"
    if not path.is_file() or path.is_symlink():
        raise invalid_result(f"{where} is missing: an output of type List is that file")
    if path.stat().st_size > _BYTES:
        raise invalid_result(
            f"{where} is larger than {_BYTES >> 20} MiB: list names, and keep the rest in files"
        )
    try:
        items = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise invalid_result(f"{where} is not JSON") from error
    if not isinstance(items, list):
        raise invalid_result(f"{where} is no array")
    if len(items) > MOST_ITEMS:
        raise invalid_result(f"{where} has {len(items)} items, more than {MOST_ITEMS}")
    return items


def _refused(word: str) -> None:
    raise ValueError(word)  # NaN and Infinity are no JSON
