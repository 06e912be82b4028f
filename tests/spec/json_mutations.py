"""Strategies: any JSON, and correct pipelines with a few random things changed."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tests.spec.good_spec import celled, good, looped, paired

WORDS = [
    "name",
    "steps",
    "train",
    "split.train",
    "data",
    "true",
    "y",
    "",
    "parameter",
    "0",
    "columns",
    "a.b",
    "\ud800",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**30, -(10**400), 2**63, -1]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(WORDS),
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(WORDS), st.text(max_size=5)), inner, max_size=4),
    ),
    max_leaves=12,
)


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value below `data`, containers included."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def at(data: Any, path: tuple[Any, ...]) -> Any:
    """The value at a path."""
    for part in path:
        data = data[part]
    return data


@st.composite
def mutated_specs(draw: st.DrawFn) -> Any:
    """A correct spec after one to four random edits: replace, remove, rename, repeat, move."""
    spec: Any = draw(st.sampled_from([good, good, celled, looped, paired]))()
    for _ in range(draw(st.integers(1, 4))):
        known = list(places(spec))
        if not known:
            break
        path = draw(st.sampled_from(known))
        parent, key = at(spec, path[:-1]), path[-1]
        match draw(st.sampled_from(["replace", "remove", "rename", "repeat", "move"])):
            case "replace":
                parent[key] = draw(ANY_JSON)
            case "remove":
                del parent[key]
            case "rename" if isinstance(parent, dict):
                parent[draw(st.sampled_from(WORDS))] = parent.pop(key)
            case "repeat" if isinstance(parent, list):
                parent.append(copy.deepcopy(parent[key]))
            case _:
                parent[key] = copy.deepcopy(at(spec, draw(st.sampled_from(known))))
    return spec
