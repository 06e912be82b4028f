"""The endpoint's whole life is worth something only if it catches real mistakes: several are sown here."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from penstock_operator.core import endpoint_status, plan_endpoint, rollout, switch
from tests.core.endpoint_life import DEADLINE, EndpointLife
from tests.core.test_endpoint_life import expect_rest
from tests.core.test_seeded_bugs import sow

FATES = ("good", "slow", "hanging", "crashing")


def deaths(random: Random) -> Iterator[str]:
    """At every third write the operator dies, before or after it; late it lives on."""
    for _ in range(60):
        yield random.choice(("", "", "", "", "before", "after"))


def check_changes_in_place() -> None:
    """Settings that cannot start, then others that can, then a version with more; the operator dies often."""
    for seed in range(8):
        random = Random(seed)  # noqa: S311 - a world, not a secret
        write = deaths(random)
        life = EndpointLife(
            fates={"acme:1": FATES[seed % 4]},
            fate_of_write=lambda write=write: next(write, ""),  # type: ignore[misc]  # mypy knows no default of a lambda
            lag=lambda random=random: random.choice((0, 0, 1, 2)),  # type: ignore[misc]  # the same
        )
        life.ask("m-1")
        life.live(20)
        for image in ("acme:1", "acme:2"):
            life.edit(server={"image": image})
            life.live(5)
            life.unwatched(100 if seed >= 4 else 0)  # 100 s without an operator
            life.live(2 * DEADLINE)
            expect_rest(life)
        life.ask("m-2", "run m-g2, step serve")
        life.edit(resources={"memory": "1Gi"})
        life.live(2 * DEADLINE)
        expect_rest(life)
        assert len([one for one in life.events if one.warning]) <= 1, "a refusal is told once"


def test_without_a_bug_changes_in_place_come_to_the_right_rest() -> None:
    check_changes_in_place()


BUGS: dict[str, tuple[Callable[..., Any], str, str]] = {
    "old pods go before their clients have noticed": (
        switch.switched_at,
        "shown != scene.last_stable",
        "False",
    ),
    "what was refused stays": (switch.surplus, "None if refused else scene.wanted", "scene.wanted"),
    "what was refused is made again": (
        plan_endpoint._applied,
        " or (rollout is not None and rollout.refused)",
        "",
    ),
    "late pods take over": (rollout.ready_in_time, "since <= rollout.due", "bool(since)"),
    "half of the pods are enough": (switch.chosen, "if takes_over:", "if scene.deployment(scene.wanted):"),
    "other settings are the same request": (
        rollout._request,
        "(spec.server, spec.resources",
        "(spec.resources",
    ),
    "the settings that serve are forgotten": (
        endpoint_status.status_of,
        '"stableSettings": shown.settings if shown is not None else ""',
        '"stableSettings": ""',
    ),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_seeded_bug_is_caught(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    sow(monkeypatch, *BUGS[name])
    with pytest.raises(AssertionError):
        check_changes_in_place()
