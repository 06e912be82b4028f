"""What a request asks for: where to, and the parameters in its body."""

import json
import re
from dataclasses import dataclass
from typing import Any

from penstock_operator.webhook.refusals import Refused

LARGEST = 64 * 1024
_DEEPEST = 8
_PATH = re.compile(
    r"/v1/namespaces/([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)"
    r"/pipelines/([a-z](?:[-a-z0-9]{0,38}[a-z0-9])?)"
    r"/triggers/([a-z](?:[-a-z0-9]{0,38}[a-z0-9])?)",
    re.ASCII,
)


@dataclass(frozen=True)
class Address:
    """The trigger that a message is for."""

    namespace: str
    pipeline: str
    trigger: str


def address_of(path: str) -> Address:
    """The address in a request's raw path; nothing is decoded, so there is one way to write it."""
    found = _PATH.fullmatch(path)
    if found is None:
        raise Refused(
            404, "NoSuchPath", "POST /v1/namespaces/<namespace>/pipelines/<pipeline>/triggers/<trigger>"
        )
    return Address(*found.groups())


def parameters_of(body: bytes) -> dict[str, Any]:
    """The parameters in a body: {"parameters": {...}}, or nothing at all."""
    if not body:
        return {}
    try:
        data = json.loads(body, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, _Odd) else "it is not JSON in UTF-8"
        raise Refused(422, "InvalidBody", f"the body cannot be read: {why}") from None
    if not isinstance(data, dict) or set(data) - {"parameters"}:
        raise Refused(422, "InvalidBody", 'the body must be {"parameters": {...}} and nothing else')
    parameters = data.get("parameters", {})
    if not isinstance(parameters, dict) or _depth(parameters) > _DEEPEST:
        raise Refused(422, "InvalidBody", "parameters must be a mapping from names to values")
    return parameters


class _Odd(ValueError):  # noqa: N818 - the name says what happened
    """JSON that means different things to different readers."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Odd("a name stands in it twice")
    return found


def _no_constant(name: str) -> None:
    raise _Odd(f"{name} is no JSON")


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0
