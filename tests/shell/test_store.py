"""Stores and caches: what is newer wins, what is gone stays gone, and owners are found at once."""

from typing import Any

import pytest

from penstock_operator.caches import Caches
from penstock_operator.store import Change, Store


def job(name: str = "a", version: int | str = 10, uid: str = "u1", owner: str = "") -> dict[str, Any]:
    owners = [{"uid": owner, "kind": "PipelineRun", "name": "r", "controller": True}] if owner else []
    meta = {
        "namespace": "ml",
        "name": name,
        "uid": uid,
        "resourceVersion": str(version),
        "ownerReferences": owners,
    }
    return {"kind": "Job", "metadata": meta}


@pytest.mark.parametrize("version", [9, 10])
def test_an_older_or_equal_version_is_no_news(version: int) -> None:
    store = Store("Job")
    store.put(job(version=10))
    assert store.put(job(version=version)) is None


def test_versions_are_compared_as_numbers_not_as_texts() -> None:
    store = Store("Job")
    store.put(job(version=9))
    assert store.put(job(version=10)) is not None


def test_a_new_object_takes_the_name_and_the_old_one_s_late_event_does_not_take_it_back() -> None:
    store = Store("Job")
    store.put(job(version=10, uid="old"))
    store.put(job(version=20, uid="new"))
    assert store.put(job(version=10, uid="old")) is None
    assert store.put(job(version=15, uid="old")) is None
    assert store.get("ml", "a")["metadata"]["uid"] == "new"


def test_the_end_of_an_earlier_object_does_not_remove_its_successor() -> None:
    store = Store("Job")
    store.put(job(version=20, uid="new"))
    assert store.remove(job(version=21, uid="old")) is None
    assert len(store) == 1


def test_a_deletion_seen_before_any_state_still_keeps_the_object_out() -> None:
    store = Store("Job")
    store.remove(job(uid="u1"))
    assert store.put(job(version=5, uid="u1")) is None


def test_an_object_that_lost_its_label_is_brought_back_by_a_live_read_only() -> None:
    store = Store("Job")
    store.put(job(version=5))
    store.remove(job(version=8))  # how a watch with a selector tells of a label taken away at version 8
    assert store.put(job(version=8)) is None
    assert store.put(job(version=8), live=True) is not None


def test_a_live_read_from_before_the_deletion_does_not_bring_the_object_back() -> None:
    store = Store("Job")
    store.put(job(version=5))
    store.remove(job(version=8))
    assert store.put(job(version=5), live=True) is None


def test_an_object_whose_label_was_given_back_is_watched_again() -> None:
    store = Store("Job")
    store.remove(job(version=8))
    assert store.put(job(version=9)) is not None


def test_children_are_found_by_their_owner_and_move_when_it_changes() -> None:
    store = Store("Job")
    store.put(job("a", 1, "u1", owner="r1"))
    store.put(job("b", 2, "u2", owner="r1"))
    store.put(job("b", 3, "u2", owner="r2"))
    assert [one["metadata"]["name"] for one in store.find("owner", "r1")] == ["a"]
    assert [one["metadata"]["name"] for one in store.find("owner", "r2")] == ["b"]
    store.remove(job("a", 4, "u1"))
    assert store.find("owner", "r1") == []


def test_versions_that_are_no_numbers_let_the_later_arrival_win() -> None:
    store = Store("Job")
    store.put(job(version="aaa"))
    assert store.put(job(version="zzz")) is not None
    assert store.put(job(version="aaa")) is not None


def test_a_full_list_removes_what_it_lacks_but_not_what_was_made_after_it() -> None:
    changes: list[Change] = []
    caches = Caches(changes.append)
    caches.learn("Job", job("gone", 5, "u1"))
    caches.learn("Job", job("kept", 6, "u2"))
    caches.learn("Job", job("made-since", 50, "u3"))
    differences = caches.compare("Job", "ml", [job("kept", 6, "u2"), job("missed", 7, "u4")], "40")
    names = {one["metadata"]["name"] for one in caches["Job"].all()}
    assert names == {"kept", "made-since", "missed"}
    assert differences == 2


def test_a_list_of_one_namespace_says_nothing_of_others() -> None:
    caches = Caches(lambda _change: None)
    other = job("other", 5, "u1")
    other["metadata"]["namespace"] = "elsewhere"
    caches.learn("Job", other)
    caches.compare("Job", "ml", [], "40")
    assert len(caches["Job"]) == 1
