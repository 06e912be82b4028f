"""Fields that the API server dropped without a word because the schema does not know them."""

from collections.abc import Iterator, Mapping
from typing import Any

from penstock_spec.errors import Problem, SpecError, SpecReason, did_you_mean
from penstock_spec.paths import Path, show
from penstock_spec.plain import canonical, plain
from penstock_spec.shapes import Entries, Items, Object, Shape
from penstock_spec.structure import without_nulls


def unknown_fields(shape: Object, applied: Any, stored: Any) -> list[Problem]:
    """A problem per field of `applied` (the spec as the user sent it) that is unknown and so not in `stored`.

    Nothing when `applied` less its unknown fields is not what is stored: then it is out of date, and somebody
    has since written the object in another way.
    """
    try:
        sent = without_nulls(shape, plain(applied))
    except SpecError:
        return []
    if canonical(_known(shape, sent)) != canonical(_known(shape, stored)):
        return []
    return list(_unknown(shape, sent, stored, ("spec",)))


def _known(shape: Shape, data: Any) -> Any:
    """A copy without unknown fields."""
    if isinstance(shape, Object) and isinstance(data, Mapping):
        return {name: _known(one.shape, data[name]) for name, one in shape.fields.items() if name in data}
    if isinstance(shape, Items) and isinstance(data, list):
        return [_known(shape.item, one) for one in data]
    if isinstance(shape, Entries) and isinstance(data, Mapping):
        return {name: _known(shape.value, one) for name, one in data.items()}
    return data


def _unknown(shape: Shape, sent: Any, stored: Any, path: Path) -> Iterator[Problem]:
    """Both have the same known part, so they can be walked side by side."""
    if isinstance(shape, Object) and isinstance(sent, Mapping):
        for name, value in sent.items():
            here = (*path, name)
            if name in shape.fields:
                yield from _unknown(shape.fields[name].shape, value, stored[name], here)
            elif name not in stored:
                hint = did_you_mean(name, [one for one in shape.fields if one not in sent])
                message = "there is no such field here; the API server dropped it"
                yield Problem(show(here), SpecReason.UNKNOWN_FIELD, message, hint)
    elif isinstance(shape, Items) and isinstance(sent, list):
        for position, item in enumerate(sent):
            yield from _unknown(shape.item, item, stored[position], (*path, position))
    elif isinstance(shape, Entries) and isinstance(sent, Mapping):
        for name, value in sent.items():
            yield from _unknown(shape.value, value, stored[name], (*path, name))
