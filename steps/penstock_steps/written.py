"""What a user's program left behind, read with care: it may be missing, broken, or not what it seems."""

import json
import shutil
from pathlib import Path
from typing import Any

from penstock_artifacts.errors import ArtifactCorrupt
from penstock_artifacts.manifest import open_regular, regular_files
from penstock_spec import contract
from penstock_spec.plain import is_finite
from penstock_steps.errors import invalid_result

_SMALL = 64 << 10
_MOST_METRICS = 32
_NAME_LENGTH = 63


def require(folder: Path, name: str, *one_of: str) -> None:
    """InvalidResult unless the output's folder holds a file, and one of those named."""
    shown = f"{contract.OUT}/{name}"
    if not folder.is_dir() or folder.is_symlink() or not regular_files(folder):
        raise invalid_result(
            f"the program ended well but left nothing in {shown}: it must write the output {name} there"
        )
    if one_of and not any((folder / file).is_file() for file in one_of):
        raise invalid_result(
            f"{shown} holds no {' or '.join(one_of)}: that is what the output {name} consists of"
        )


def read_object(path: Path, shown: str) -> dict[str, Any]:
    """A small JSON object, empty where the file is not there. InvalidResult for anything else."""
    if not path.exists() and not path.is_symlink():
        return {}
    try:
        with open_regular(path) as file:
            content = file.read(_SMALL + 1)
        if len(content) > _SMALL:
            raise invalid_result(
                f"{shown} is larger than {_SMALL >> 10} KiB: write large values to an output folder"
            )
        data = json.loads(content)
    except ArtifactCorrupt as error:
        raise invalid_result(str(error)) from error
    except ValueError as error:
        raise invalid_result(f"{shown} is not JSON") from error
    if not isinstance(data, dict):
        raise invalid_result(f'{shown} must be one JSON object, e.g. {{"rows": 3}}')
    return data


def read_results(path: Path) -> dict[str, Any]:
    """results.json: names and values of JSON. InvalidResult in words."""
    shown = contract.RESULTS_FILE
    data = read_object(path, shown)
    for name, value in data.items():
        if not _is_json(value):
            raise invalid_result(
                f"{shown}: the result {name[:_NAME_LENGTH]!r} holds NaN or an infinity, which JSON does not "
                "have: write a finite number, or a text"
            )
    return data


def _is_json(value: object) -> bool:
    """Python's reader takes NaN and infinities for numbers."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def read_metrics(path: Path) -> dict[str, float]:
    """metrics.json: names and finite numbers. InvalidResult in words."""
    shown = contract.METRICS_FILE
    data = read_object(path, shown)
    if len(data) > _MOST_METRICS:
        raise invalid_result(
            f"{shown} has {len(data)} metrics, at most {_MOST_METRICS} fit; keep those that decide"
        )
    for name, value in data.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not is_finite(value):
            raise invalid_result(f"{shown}: metric {name[:_NAME_LENGTH]!r} is not a finite number")
        if len(name) > _NAME_LENGTH:
            raise invalid_result(f"{shown}: the name of a metric is longer than {_NAME_LENGTH} characters")
    return {name: float(value) for name, value in data.items()}


def copy_files(folder: Path, target: Path) -> None:
    """Copy what the program wrote to `target`. InvalidResult for links and special files."""
    try:
        for path in regular_files(folder):
            copy = target / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            with open_regular(path) as source, copy.open("wb") as file:
                shutil.copyfileobj(source, file)
    except ArtifactCorrupt as error:
        raise invalid_result(f"{contract.OUT}: {error}") from error
