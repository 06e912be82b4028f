"""A wanted status as a JSON patch of the stored one: only what differs is sent."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock_operator.store import Object

STEPS, CELLS = "steps", "cells"


def status_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Object]:
    """The operations that turn `before` into `after`; none where they are equal.

    Steps are replaced one by one, and so are the cells of a step that has any.
    """
    if not before:
        return [{"op": "add", "path": "/status", "value": dict(after)}] if after else []
    return list(_fields("/status", before, after))


def _fields(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Object]:
    yield from ({"op": "remove", "path": f"{path}/{key}"} for key in before if key not in after)
    for key, value in after.items():
        old = before.get(key)
        if key in before and old == value:
            continue
        if key == STEPS and isinstance(old, list) and len(old) == len(value):
            for index, (one, new) in enumerate(zip(old, value, strict=True)):
                yield from _step(f"{path}/{key}/{index}", one, new)
        elif key == CELLS and isinstance(old, list) and _goes_on(old, value):
            yield from _cells(f"{path}/{key}", old, value)
        else:
            yield {"op": "add", "path": f"{path}/{key}", "value": value}


def _step(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Object]:
    if old == new:
        return
    if old.get(CELLS) and new.get(CELLS):
        yield from _fields(path, old, new)
    else:
        yield {"op": "replace", "path": path, "value": new}


def _goes_on(old: Sequence[Object], new: Sequence[Object]) -> bool:
    """Whether the cells are the known ones in their places, with more behind them or without."""
    known = [one.get("number") for one in old]
    return known == [one.get("number") for one in new[: len(old)]]


def _cells(path: str, old: Sequence[Object], new: Sequence[Object]) -> Iterator[Object]:
    for index, (one, other) in enumerate(zip(old, new, strict=False)):
        if one != other:
            yield {"op": "replace", "path": f"{path}/{index}", "value": other}
    yield from ({"op": "add", "path": f"{path}/-", "value": one} for one in new[len(old) :])
