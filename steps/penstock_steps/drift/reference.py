"""The profile of the served model's training rows, in the form in which windows are compared with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock_steps.profile import FEWEST, MOST_NAMED, PROFILE_VERSION, Floats

Counts = np.ndarray[Any, np.dtype[np.int64]]

# The log cuts texts here, so the profile's are cut before they are compared.
TEXT_LENGTH = 256
# A category is a cell of its own from this many training rows on. Rarer ones are compared together: which of
# them came to be named is chance, and the lucky ones look like a drift in every later window.
SETTLED = 20
TRUE, FALSE = "true", "false"


class NoProfile(ValueError):  # noqa: N818 - named like the reason it becomes
    """The model has no profile of a kind that windows can be compared with; the message says why."""


@dataclass(frozen=True)
class NumberReference:
    """A column of numbers. `values` v1 < v2 < ... are quantiles of the `count` values; `below` and `through`
    count those < v and <= v. `bins` counts the values between the `edges`, see profile.py.
    """

    count: int
    nulls: int
    values: Floats
    below: Counts
    through: Counts
    edges: Floats
    bins: Counts


@dataclass(frozen=True)
class CategoryReference:
    """A column of texts or truth values. `named` counts the categories that the profile names, largest first;
    `other` are the rows of all the rest.
    """

    count: int
    nulls: int
    named: Mapping[str, int]
    other: int
    is_boolean: bool = False

    @property
    def settled(self) -> list[str]:
        """The categories with a cell of their own."""
        return [name for name, count in self.named.items() if self.is_boolean or count >= SETTLED]

    @property
    def expected_unnamed(self) -> int:
        """How many of as many new rows would hold a category that the profile does not name.

        Good's estimate of the frequency of species seen fewer than FEWEST times: every row counts whose
        category would not be named without that row (I. J. Good, Biometrika 40 (1953) 237).
        """
        return self.other + sum(count for count in self.named.values() if count == FEWEST)

    @property
    def is_cut(self) -> bool:
        """Whether there were more categories than a profile names."""
        return len(self.named) >= MOST_NAMED


ColumnReference = NumberReference | CategoryReference


def references(profile: Any, names: Sequence[str]) -> dict[str, ColumnReference]:
    """The references of the columns `names`, in that order. NoProfile where `profile` cannot give them."""
    version = profile.get("version") if isinstance(profile, dict) else None
    if version is None:
        raise NoProfile("the model has no data profile")
    if version != PROFILE_VERSION:
        raise NoProfile(
            f"the model's data profile has version {version}, windows are compared with {PROFILE_VERSION}"
        )
    try:
        by_name = {one["name"]: one for one in profile["columns"]}
        return {name: _reference(by_name[name]) for name in names}
    except (KeyError, TypeError, ValueError, IndexError):
        raise NoProfile("the model's data profile does not describe all columns of its signature") from None


def _reference(column: Mapping[str, Any]) -> ColumnReference:
    count, nulls = int(column["count"]), int(column["nulls"])
    if column["kind"] == "Boolean":
        named = {TRUE: int(column["true"]), FALSE: int(column["false"])}
        return CategoryReference(count, nulls, named, 0, is_boolean=True)
    if column["kind"] == "Text":
        texts: dict[str, int] = {}
        for one in column["top"]:
            text = one["value"][:TEXT_LENGTH]
            texts[text] = texts.get(text, 0) + int(one["count"])
        return CategoryReference(count, nulls, texts, int(column["other"]))
    steps, bins = column["steps"], column["bins"]
    return NumberReference(
        count,
        nulls,
        np.array(steps["values"], dtype=np.float64),
        np.array(steps["below"], dtype=np.int64),
        np.array(steps["through"], dtype=np.int64),
        np.array(bins["edges"], dtype=np.float64),
        np.array(bins["counts"], dtype=np.int64),
    )
