"""Tensors as raw bytes: the binary tensor data extension over HTTP and the raw contents of gRPC, which agree.

Little endian, row by row, no padding. A text of BYTES is its length (4 bytes) and then its UTF-8. Layout:
https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md and
Triton's extension_binary_data.md.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock_server.refusals import Blame, RequestError

DTYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
_LENGTH = struct.Struct("<I")


def decode(
    datatype: str, content: bytes | memoryview, where: str, max_texts: int
) -> NDArray[Any] | list[str]:
    """The cells in `content`. RequestError, beginning with `where`, when it is not of that datatype.

    More texts than `max_texts` are refused before they take thirty times their size in memory.
    """
    if datatype == "BYTES":
        return _texts(content, where, max_texts)
    dtype = DTYPES[datatype]
    if len(content) % dtype.itemsize:
        raise RequestError(
            f"{where}: {len(content)} bytes are no whole number of {datatype}, {dtype.itemsize} bytes each"
        )
    if datatype == "BOOL":
        octets: NDArray[Any] = np.frombuffer(content, np.uint8)
        if len(octets) and octets.max() > 1:
            row = int(np.flatnonzero(octets > 1)[0])
            raise RequestError(f"{where}, row {row}: a BOOL is one byte, 0 or 1")
    cells: NDArray[Any] = np.frombuffer(content, dtype)
    return cells


def check_texts(count: int, where: str, max_texts: int) -> None:
    """RequestError when that many texts are too many."""
    if count > max_texts:
        message = f"{where}: more than {max_texts} texts are more rows than are taken; send them in parts"
        raise RequestError(message, Blame.SIZE)


def _texts(content: bytes | memoryview, where: str, max_texts: int) -> list[str]:
    texts: list[str] = []
    position, end = 0, len(content)
    while position < end:
        check_texts(len(texts) + 1, where, max_texts)
        start = position + 4
        position = start + _LENGTH.unpack_from(content, position)[0] if start <= end else end + 1
        if position > end:
            raise RequestError(f"{where}, row {len(texts)}: the text goes beyond the end of its bytes")
        texts.append(text(content[start:position], where, len(texts)))
    return texts


def text(content: bytes | memoryview, where: str, row: int) -> str:
    """One cell of BYTES. RequestError when it is not UTF-8."""
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"{where}, row {row}: a text must be UTF-8") from error


def encode(datatype: str, cells: Sequence[Any] | NDArray[Any]) -> bytes:
    """The bytes of an answer's cells, which are of that datatype."""
    if datatype != "BYTES":
        return np.ascontiguousarray(cells, dtype=DTYPES[datatype]).tobytes()
    parts: list[bytes] = []
    for cell in cells:
        content = str(cell).encode()
        parts += (_LENGTH.pack(len(content)), content)
    return b"".join(parts)
