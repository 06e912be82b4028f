"""The folders that a step's programs share, and the one way in which they speak: lines on standard output."""

import json
import shutil
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock_spec import contract


@dataclass(frozen=True)
class Workspace:
    """The folders of one step. In a pod the defaults hold; elsewhere `root` is any folder."""

    root: Path = Path(contract.ROOT)
    termination: Path = Path(contract.TERMINATION_FILE)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def input(self, name: str) -> Path:
        """Folder of the input `name`."""
        return self._below(contract.IN) / name

    def output(self, name: str) -> Path:
        """Folder of the output `name`."""
        return self._below(contract.OUT) / name

    @property
    def out(self) -> Path:
        """Folder of all outputs."""
        return self._below(contract.OUT)

    @property
    def arguments_file(self) -> Path:
        """arguments.json for a user's program."""
        return self._below(contract.ARGUMENTS_FILE)

    @property
    def run_file(self) -> Path:
        """run.json for a user's program that always runs: how the run has gone."""
        return self._below(contract.RUN_FILE)

    @property
    def item_file(self) -> Path:
        """item.json for the program of a cell: its item of the list."""
        return self._below(contract.ITEM_FILE)

    @property
    def results_file(self) -> Path:
        """results.json of a user's program."""
        return self._below(contract.RESULTS_FILE)

    @property
    def metrics_file(self) -> Path:
        """metrics.json of a user's program."""
        return self._below(contract.METRICS_FILE)

    @property
    def mounted_source(self) -> Path:
        """Folder in which a ConfigMap source is mounted."""
        return self._below(contract.SOURCE_FOLDER)

    @property
    def source_note(self) -> Path:
        """Where fetch notes the source's revision for publish; programs of users cannot write there."""
        return self._below(contract.IN) / ".source.json"

    @property
    def scratch(self) -> Path:
        """Folder in which publish lays out what it makes of a program's output."""
        return self.root / "publish"

    def fresh(self, folder: Path) -> Path:
        """`folder`, empty, whatever an earlier start of the same program left there."""
        if folder.exists():
            # Inputs are sealed; what is in a sealed folder cannot be removed.
            if not folder.parent.stat().st_mode & stat.S_IWUSR:
                folder.parent.chmod(0o755)
            for path in (folder, *folder.rglob("*")):
                if path.is_dir() and not path.is_symlink():
                    path.chmod(0o755)
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        return folder

    def _below(self, path: str) -> Path:
        return self.root / Path(path).relative_to(contract.ROOT)


def say(sentence: str) -> None:
    """One line for whoever reads the log. Never with values of rows."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def write_json(path: Path, data: Any) -> None:
    """`data` as readable JSON with sorted keys; the same data always gives the same bytes."""
    path.write_text(
        json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n",
        encoding="utf-8",
    )
