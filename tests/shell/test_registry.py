"""Numbers of models on the real API server: one number, one model's bytes, and the other way round."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from penstock_operator.caches import Caches
from penstock_operator.cluster import Cluster
from penstock_operator.core.actions import RegisterModel
from penstock_operator.credentials import Credentials
from penstock_operator.model_numbers import ModelNumbers
from penstock_operator.reads import Reads
from penstock_spec import names
from tests.support import Kubectl

pytestmark = [pytest.mark.e2e, pytest.mark.own_operator]


def action(namespace: str, digit: int) -> RegisterModel:
    """Bytes whose digest ends in `digit`, to be registered as a version of model m."""
    digest = f"sha256:{digit:064x}"
    lineage = {
        **dict.fromkeys(("pipeline", "run", "step", "revision"), "p"),
        **dict.fromkeys(("pipelineUid", "runUid"), "u"),
        "stepDigest": digest,
    }
    manifest = {
        "apiVersion": names.API_VERSION,
        "kind": names.MODEL_VERSION,
        "metadata": {"namespace": namespace},
        "spec": {"model": "m", "digest": digest, "lineage": lineage},
    }
    return RegisterModel("m", digest, manifest)


@asynccontextmanager
async def registrars(upstream: Path, count: int) -> AsyncIterator[list[ModelNumbers]]:
    """So many operators' registrars, each with caches of its own."""
    async with Cluster(Credentials.load(upstream)) as cluster:
        made = []
        for _ in range(count):
            caches = Caches(lambda _change: None)
            made.append(ModelNumbers(cluster, caches, Reads(cluster, caches)))
        yield made


def number(version: dict[str, Any]) -> int:
    return int(version["spec"]["number"])


async def test_operators_that_register_at_once_agree(arena: str, upstream: Path, kubectl: Kubectl) -> None:
    async with registrars(upstream, 2) as (one, other):
        for digit in range(1, 6):
            first, second = await asyncio.gather(
                one.register(action(arena, digit)), other.register(action(arena, digit))
            )
            assert first["metadata"]["uid"] == second["metadata"]["uid"]
    versions = kubectl.list("modelversions", arena)
    assert sorted(number(version) for version in versions) == [1, 2, 3, 4, 5]


async def test_different_bytes_at_once_get_different_numbers(arena: str, upstream: Path) -> None:
    async with registrars(upstream, 4) as several:
        made = await asyncio.gather(*(one.register(action(arena, n)) for n, one in enumerate(several, 1)))
    assert len({number(version) for version in made}) == 4
    assert all(version["metadata"]["name"] == f"m-{number(version)}" for version in made)


async def test_a_claim_that_was_not_used_is_taken_up_by_the_same_bytes(
    arena: str, upstream: Path, kubectl: Kubectl
) -> None:
    claim = {"m": f"7 {action(arena, 1).digest}"}
    meta = {"name": names.MODEL_NUMBERS, "namespace": arena}
    kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": claim})
    async with registrars(upstream, 1) as (one,):
        assert number(await one.register(action(arena, 1))) == 7
        assert number(await one.register(action(arena, 2))) == 8


async def test_a_number_is_not_given_again_after_its_version_was_deleted(
    arena: str, upstream: Path, kubectl: Kubectl
) -> None:
    async with registrars(upstream, 1) as (one,):
        await one.register(action(arena, 1))
        kubectl.run("delete", "modelversion", "m-1", "-n", arena)
        assert number(await one.register(action(arena, 2))) == 2


async def test_a_lost_book_does_not_give_a_taken_number(arena: str, upstream: Path, kubectl: Kubectl) -> None:
    async with registrars(upstream, 1) as (one,):
        await one.register(action(arena, 1))
        kubectl.run("delete", "configmap", names.MODEL_NUMBERS, "-n", arena)
        assert number(await one.register(action(arena, 2))) == 2


async def test_the_same_bytes_trained_again_are_the_same_version(arena: str, upstream: Path) -> None:
    async with registrars(upstream, 1) as (one,):
        first = await one.register(action(arena, 1))
        await one.register(action(arena, 2))
        assert (await one.register(action(arena, 1)))["metadata"]["name"] == first["metadata"]["name"]
