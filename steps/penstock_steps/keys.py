"""Keys of rows for splitting: a salted sha256 that depends on nothing but the salt and the cells.

A row's key is sha256(len(salt) as 8 bytes, salt, cells in the table's order of columns). Each cell is a tag
byte and fixed-length content: 0 missing; 1 a 64-bit float, 2 a 64-bit integer, 3 a boolean, each
little-endian in 8 bytes (-0.0 as 0.0); 4 a text as its sha256. No library's own hash takes part, so keys
stay the same over releases.
"""

import hashlib
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

KEY_BYTES = 32
Bytes = NDArray[np.uint8]


def row_keys(frame: pl.DataFrame, salt: str) -> list[bytes]:
    """One key of 32 bytes per row; equal exactly for rows that are equal in every column."""
    cells = [_cells(frame[name]) for name in frame.columns]
    joined = np.ascontiguousarray(np.concatenate(cells, axis=1))
    text = salt.encode()
    start = hashlib.sha256(len(text).to_bytes(8, "little") + text)
    keys = []
    for row in joined:
        hasher = start.copy()
        hasher.update(row)
        keys.append(hasher.digest())
    return keys


def fraction(key: bytes) -> float:
    """The key as a number in [0, 1): its first 53 bits."""
    return (int.from_bytes(key[:8], "big") >> 11) / float(1 << 53)


def _cells(series: pl.Series) -> Bytes:
    """The column as bytes [rows, 9], or [rows, 33] for texts."""
    missing = series.is_null().to_numpy()
    if series.dtype == pl.String:
        return _texts(series, missing)
    tag, dtype = _KINDS[type(series.dtype)]
    values = series.fill_null(_ZERO[type(series.dtype)]).to_numpy().astype(dtype)
    if tag == 1:
        values = values + 0.0  # -0.0 becomes 0.0
    content = np.ascontiguousarray(values).view(np.uint8).reshape(-1, 8)
    return _tagged(content, missing, tag)


def _texts(series: pl.Series, missing: NDArray[np.bool_]) -> Bytes:
    digests: dict[str | None, bytes] = {None: bytes(KEY_BYTES)}
    for text in series.unique().drop_nulls():
        digests[text] = hashlib.sha256(text.encode()).digest()
    content = np.frombuffer(b"".join(digests[text] for text in series), dtype=np.uint8)
    return _tagged(content.reshape(-1, KEY_BYTES), missing, 4)


def _tagged(content: Bytes, missing: NDArray[np.bool_], tag: int) -> Bytes:
    tags = np.where(missing, 0, tag).astype(np.uint8).reshape(-1, 1)
    return np.concatenate([tags, np.where(missing.reshape(-1, 1), 0, content).astype(np.uint8)], axis=1)


_KINDS: dict[type, tuple[int, str]] = {pl.Float64: (1, "<f8"), pl.Int64: (2, "<i8"), pl.Boolean: (3, "<i8")}
_ZERO: dict[type, Any] = {pl.Float64: 0.0, pl.Int64: 0, pl.Boolean: False}
