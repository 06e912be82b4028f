"""The trained pipeline in the skops format: data only, no code runs when it is loaded."""

import io
import re
import zipfile
from typing import Any

import skops.io

_SCHEMA = "schema.json"
# skops names objects and files by their addresses in memory, which differ each time.
_ADDRESS = re.compile(r'(?<="__id__": )\d+|(?<=")\d+(?=\.(?:npy|npz|bin)")')
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


def dump(pipeline: Any) -> bytes:
    """The pipeline as bytes, the same for equal pipelines: addresses become numbers, times a constant."""
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(pipeline))) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return numbers.setdefault(found.group(), str(len(numbers)))

    schema = _ADDRESS.sub(number, contents.pop(_SCHEMA).decode())
    renamed = {_renamed(name, numbers): content for name, content in contents.items()}
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted({**renamed, _SCHEMA: schema.encode()}.items()):
            archive.writestr(zipfile.ZipInfo(name, _FIXED_TIME), content, zipfile.ZIP_DEFLATED)
    return result.getvalue()


def _renamed(name: str, numbers: dict[str, str]) -> str:
    stem, dot, ending = name.partition(".")
    return f"{numbers[stem]}{dot}{ending}"
