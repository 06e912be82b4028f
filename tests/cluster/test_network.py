"""No two clusters share an address, and each keeps its own."""

import ipaddress
from itertools import combinations
from pathlib import Path

import pytest

from hack.cluster import network
from hack.cluster.errors import ClusterError
from hack.cluster.network import SLOTS, Ranges, claim
from hack.cluster.paths import Paths


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(network, "_exists", lambda _: False)
    return tmp_path


def networks(ranges: Ranges) -> list[ipaddress.IPv4Network]:
    return [ipaddress.IPv4Network(text) for text in (ranges.link, ranges.pods, ranges.services)]


def test_fifty_names_get_ranges_that_never_overlap() -> None:
    claimed = [claim(Paths(f"cluster-{number}")) for number in range(50)]
    every = [one for ranges in claimed for one in networks(ranges)]
    assert not [(a, b) for a, b in combinations(every, 2) if a.overlaps(b)]


def test_all_slots_stay_in_ranges_that_no_real_network_uses() -> None:
    reserved = [ipaddress.IPv4Network("198.51.100.0/24"), ipaddress.IPv4Network("198.18.0.0/15")]
    for slot in range(SLOTS):
        for one in networks(Ranges(slot)):
            assert any(one.subnet_of(outer) for outer in reserved)


def test_a_cluster_keeps_its_slot() -> None:
    claim(Paths("first"))
    second = claim(Paths("second"))
    assert claim(Paths("second")) == second != claim(Paths("first"))


def test_a_slot_of_a_deleted_cluster_is_used_again() -> None:
    gone, stays = claim(Paths("gone")), claim(Paths("stays"))
    (Paths("gone").root / "slot").unlink()
    assert claim(Paths("new")) == gone != stays


def test_a_slot_whose_interface_exists_belongs_to_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_exists", lambda interface: interface == Ranges(0).host_interface)
    assert claim(Paths("mine")).slot == 1


def test_no_free_slot_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_exists", lambda _: True)
    with pytest.raises(ClusterError, match="clean --name"):
        claim(Paths("late"))


def test_addresses_lie_in_their_ranges() -> None:
    ranges = Ranges(7)
    link, pods, services = networks(ranges)
    assert ipaddress.IPv4Address(ranges.host) in link
    assert ipaddress.IPv4Address(ranges.node) in link
    assert ipaddress.IPv4Interface(ranges.gateway).ip in pods
    assert ipaddress.IPv4Interface(ranges.gateway).network == pods
    assert ipaddress.IPv4Address(ranges.api_service) in services


def test_interface_names_fit_into_linux() -> None:
    # The other end has one letter more until it is moved into the namespace.
    assert max(len(Ranges(slot).host_interface) + 1 for slot in range(SLOTS)) <= 15
