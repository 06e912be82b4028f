"""What an object refers to in the store: every digest that stands anywhere in it.

Nobody lists the fields that may hold one, so none can be forgotten. A digest of something else, of an image
or a spec, keeps nothing that is there.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock_spec import names
from penstock_spec.sweep import WIDTH

REFERENCES = "References"  # as a Ref: all of the namespace, read live
# Read in this order. What a digest moves to is read after what it moves from: from the task of a Job and the
# last words of its pod to the status of its run, on to the registry and to what serves.
HOLDERS = (
    "Job",
    "Pod",
    names.PIPELINE_RUN,
    names.PIPELINE,
    names.MODEL_VERSION,
    names.MODEL_ENDPOINT,
    "Deployment",
)

_HEXADECIMAL = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{64}(?![0-9a-zA-Z])")
_PACKED = re.compile(r"(?<![-_0-9a-zA-Z])[-_0-9a-zA-Z]{43}(?![-_0-9a-zA-Z])")
_SHORTEST = 43


def referred_by(item: Any) -> set[bytes]:
    """The first WIDTH bytes of each digest in the object, in whatever form it stands there."""
    found: set[bytes] = set()
    for text in _texts(item):
        found.update(bytes.fromhex(one)[:WIDTH] for one in _HEXADECIMAL.findall(text))
        found.update(base64.urlsafe_b64decode(f"{one}=")[:WIDTH] for one in _PACKED.findall(text))
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if len(value) >= _SHORTEST:
            yield value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _texts(name)
            yield from _texts(one)
    elif isinstance(value, Sequence):
        for one in value:
            yield from _texts(one)
