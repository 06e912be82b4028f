"""A store that is away while a step's outputs are stored."""

import time
from pathlib import Path
from typing import Any

import pytest

from penstock_artifacts.errors import StoreUnavailable
from penstock_steps import storing

AWAY, REFUSES = StoreUnavailable("nobody answers", away=True), StoreUnavailable("wrong key")


class Place:
    """A store that answers in this order, the last answer for ever."""

    def __init__(self, *answers: str | StoreUnavailable) -> None:
        self.answers, self.asked = list(answers), 0

    def put_folder(self, _folder: Path, _type: str) -> str:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, StoreUnavailable):
            raise answer
        return answer


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses; each takes its time on the clock and none in truth."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(pauses))
    return pauses


def put(place: Any) -> str:
    return storing.put(place, Path("rows"), "Files")


def test_outputs_wait_for_a_store_that_is_away_and_are_stored_when_it_is_back(slept: list[float]) -> None:
    assert put(Place(AWAY, AWAY, AWAY, "sha256:1")) == "sha256:1"
    assert slept == [1, 2, 4]


def test_patience_ends_in_the_stores_own_words(slept: list[float]) -> None:
    place = Place(AWAY)
    with pytest.raises(StoreUnavailable, match="nobody answers"):
        put(place)
    assert storing.PATIENCE - storing.LONGEST_PAUSE < sum(slept) <= storing.PATIENCE
    assert place.asked == len(slept) + 1


def test_a_store_that_refuses_is_not_asked_again(slept: list[float]) -> None:
    place = Place(AWAY, REFUSES, "sha256:1")
    with pytest.raises(StoreUnavailable, match="wrong key"):
        put(place)
    assert (place.asked, slept) == (2, [1])
