"""The part of a window's page that tells what is wrong with the data, apart from drift."""

from collections.abc import Iterable, Sequence
from html import escape

from penstock_steps.drift.judge import Finding
from penstock_steps.drift.quality import Unseen
from penstock_steps.page import table
from penstock_steps.profile import FEWEST
from penstock_steps.window_result import null_columns, unit_columns, unit_words, unseen_columns

_MOST_VALUES = 20
_LENGTH = 60


def quality(findings: Sequence[Finding]) -> str:
    """A table of all problems as HTML, or the sentence that there are none."""
    rows = list(_rows(findings))
    if not rows:
        return "<p>Nothing found: no burst of missing values, no unseen texts, no change of unit.</p>"
    return table([("<strong>Column</strong>", "<strong>Problem</strong>", "<strong>Found</strong>"), *rows])


def _rows(findings: Sequence[Finding]) -> Iterable[tuple[str, str, str]]:
    for one in unit_columns(findings):
        words = f"{unit_words(one)}; not compared for drift"
        yield escape(one.name), "another unit", escape(words)
    for one in null_columns(findings):
        share = f"{one.nulls.window:.1%} missing, {one.nulls.reference:.1%} in training"
        yield escape(one.name), "missing values", f"{share}; compared for drift by the other values"
    for one in unseen_columns(findings):
        if one.unseen is not None:
            yield escape(one.name), "unseen values", _unseen(one.unseen)


def _unseen(unseen: Unseen) -> str:
    more = (
        "" if unseen.exact else f" more than the {unseen.expected:.1%} that rare values of training explain"
    )
    values = ", ".join(
        f"{escape(value[:_LENGTH])} ({count:,} rows)" for value, count in unseen.often[:_MOST_VALUES]
    )
    left = len(unseen.often) - _MOST_VALUES
    parts = [f"{unseen.ratio:.1%} of the values{more}"]
    if values:
        parts.append(values + (f" and {left:,} more values" if left > 0 else ""))
    if unseen.seldom:
        parts.append(f"{unseen.seldom:,} rows of values that fewer than {FEWEST} rows hold, not named here")
    return "; ".join(parts)
