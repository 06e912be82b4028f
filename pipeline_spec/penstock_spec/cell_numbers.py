"""Numbers of cells as a short text, `2,5-7`: what of a list is lost, as containers and the status say it."""

import re
from collections.abc import Collection, Iterable, Mapping

from penstock_spec.matrix import MOST_CELLS

LENGTH = 256  # of such a text, wherever it stands; what would be longer is not told
_SPAN = re.compile(r"([1-9][0-9]{0,3})(?:-([1-9][0-9]{0,3}))?")


def text_of(numbers: Iterable[int]) -> str:
    """The numbers in their order, those that follow each other as a span."""
    spans: list[tuple[int, int]] = []
    for one in sorted(set(numbers)):
        if spans and one == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], one)
        else:
            spans.append((one, one))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def numbers_of(text: object) -> frozenset[int]:
    """What `text_of` was given. Empty for anything else than a text of it: then nothing is known."""
    found: set[int] = set()
    if not isinstance(text, str) or len(text) > LENGTH:
        return frozenset()
    for span in text.split(","):
        match = _SPAN.fullmatch(span)
        first = int(match[1]) if match else 0
        last = int(match[2] or match[1]) if match else 0
        if not 1 <= first <= last <= MOST_CELLS:
            return frozenset()
        found |= set(range(first, last + 1))
    return frozenset(found)


def texts_of(cells: Mapping[str, Collection[int]]) -> dict[str, str]:
    """The numbers of each name; one that has none, or too many for a text, is left out."""
    told = {name: text_of(numbers) for name, numbers in cells.items()}
    return {name: text for name, text in told.items() if 0 < len(text) <= LENGTH}


def cells_of(told: object) -> dict[str, frozenset[int]]:
    """What `texts_of` was given. What is not well said is left out, as by a release that does not say it."""
    if not isinstance(told, dict):
        return {}
    return {str(name): numbers for name, text in told.items() if (numbers := numbers_of(text))}
