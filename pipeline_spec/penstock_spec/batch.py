"""A batch of JSON values on its way from the operator to a Job of ours, in the Job's own environment.

No object lies beside the Job: it is made in one write, and everything goes when it goes.
"""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

from penstock_spec.plain import canonical

PREFIX = "PENSTOCK_BATCH_"
_LONGEST = 96 * 1024  # of one variable: the kernel bounds each, with its name, to 128 KiB
# Of all together: a Job has to fit etcd's 1.5 MiB, and a program's environment 2 MiB.
LIMIT = 640 * 1024


def pack(values: Sequence[Any]) -> list[str]:
    """The texts of the variables. The same values always give the same texts."""
    text = base64.b64encode(gzip.compress(canonical(list(values)).encode(), 6, mtime=0)).decode()
    return [text[start : start + _LONGEST] for start in range(0, len(text), _LONGEST)]


def variables(texts: Sequence[str]) -> dict[str, str]:
    """The variables by name."""
    return {f"{PREFIX}{index}": text for index, text in enumerate(texts)}


def unpack(environment: Mapping[str, str]) -> list[Any]:
    """What was packed. ValueError where it is not whole."""
    texts: list[str] = []
    while (text := environment.get(f"{PREFIX}{len(texts)}")) is not None:
        texts.append(text)
    try:
        found = json.loads(gzip.decompress(base64.b64decode("".join(texts), validate=True)))
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"the batch in {PREFIX}* is not whole: {type(error).__name__}") from None
    return list(found)
