"""A status patch turns the stored status into the wanted one, and says no more than that."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock_operator.statuses import status_patch

STATE = st.sampled_from(["Waiting", "Running"])
CELLS = st.dictionaries(st.integers(1, 5), STATE, max_size=4).map(
    lambda found: [{"number": number, "state": found[number]} for number in sorted(found)]
)
STEP = st.fixed_dictionaries(
    {"name": st.sampled_from("abc"), "state": STATE},
    optional={"message": st.text(max_size=2), "cells": CELLS},
)
STATUS = st.fixed_dictionaries(
    {},
    optional={
        "reason": st.text(max_size=3),
        "progress": st.text(max_size=3),
        "steps": st.lists(STEP, max_size=4),
        "snapshot": st.dictionaries(st.sampled_from("xy"), st.integers(), max_size=2),
    },
)


def applied(item: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """What RFC 6902 makes of it, for the paths that we use."""
    for one in operations:
        *folders, last = one["path"].strip("/").split("/")
        place: Any = item
        for part in folders:
            place = place[int(part)] if isinstance(place, list) else place[part]
        if isinstance(place, list) and last == "-":
            assert one["op"] == "add"
            place.append(one["value"])
        elif isinstance(place, list):
            assert one["op"] == "replace"
            place[int(last)] = one["value"]
        elif one["op"] == "remove":
            del place[last]
        else:
            place[last] = one["value"]
    return item


@given(STATUS, STATUS)
def test_the_patch_leads_from_any_status_to_any_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    patched = applied({"status": before} if before else {}, status_patch(before, after))
    assert patched.get("status", {}) == after


@given(STATUS)
def test_nothing_is_sent_where_nothing_differs(status: dict[str, Any]) -> None:
    assert status_patch(status, status) == []


def test_of_many_steps_only_those_that_changed_are_sent() -> None:
    steps = [{"name": str(n), "state": "Waiting"} for n in range(256)]
    changed = [*steps[:7], {"name": "7", "state": "Running"}, *steps[8:]]
    operations = status_patch({"steps": steps, "reason": "x"}, {"steps": changed, "reason": "x"})
    assert operations == [{"op": "replace", "path": "/status/steps/7", "value": changed[7]}]


def test_of_many_cells_only_those_that_changed_or_are_new_are_sent() -> None:
    cells = [{"number": n, "state": "Running"} for n in range(1, 1000)]
    old = {"name": "fit", "state": "Running", "message": "a", "cells": cells}
    ended = {"number": 3, "state": "Succeeded"}
    begun = {"number": 1000, "state": "Starting"}
    new = {**old, "message": "b", "cells": [*cells[:2], ended, *cells[3:], begun]}
    assert status_patch({"steps": [old]}, {"steps": [new]}) == [
        {"op": "add", "path": "/status/steps/0/message", "value": "b"},
        {"op": "replace", "path": "/status/steps/0/cells/2", "value": ended},
        {"op": "add", "path": "/status/steps/0/cells/-", "value": begun},
    ]
