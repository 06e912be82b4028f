"""Gives a model's bytes a number: once, never two numbers to the same bytes, never one number to two.

The ConfigMap `penstock-model-numbers` of each namespace holds, per model, the last number given and the
digest it was given for: "7 sha256:...". It is raised by compare-and-swap on its resourceVersion *before* the
ModelVersion is made, so that two operators never take the same number, and a deleted ModelVersion never gives
its number back. An operator that died in between finds its own digest in the claim and goes on with that
number.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from penstock_operator.caches import Caches
from penstock_operator.cluster import Cluster
from penstock_operator.core.actions import RegisterModel
from penstock_operator.errors import AlreadyExists, Conflict, NotFound
from penstock_operator.reads import Reads
from penstock_operator.resources import CONFIG_MAP
from penstock_operator.store import Object
from penstock_spec import names

TRIES = 10


class ModelNumbers:
    """The registry's only writer of new ModelVersions."""

    def __init__(self, cluster: Cluster, caches: Caches, reads: Reads) -> None:
        self._cluster = cluster
        self._caches = caches
        self._reads = reads

    async def register(self, action: RegisterModel) -> Object:
        """The ModelVersion of these bytes, which is made where there is none.

        Raises Conflict when others keep claiming numbers at the same time; then it is tried again later.
        """
        namespace = action.manifest["metadata"]["namespace"]
        for _ in range(TRIES):
            # Read after each claim as well: another operator may have made the version before we claimed.
            existing = await self._existing(namespace, action)
            if existing is not None:
                return existing
            number = await self._claimed(namespace, action)
            if number is None:
                continue
            made = await self._make(namespace, action, number)
            if made is not None:
                return made
        raise Conflict(f"no number for model {action.model} after {TRIES} tries: others are claiming numbers")

    async def _existing(self, namespace: str, action: RegisterModel) -> Object | None:
        await self._reads.compare(names.MODEL_VERSION, namespace)
        return next(
            (one for one in self._versions(namespace, action.model) if _digest(one) == action.digest), None
        )

    def _versions(self, namespace: str, model: str) -> list[Object]:
        known = self._caches[names.MODEL_VERSION].find("namespace", namespace)
        return [one for one in known if (one.get("spec") or {}).get("model") == model]

    async def _claimed(self, namespace: str, action: RegisterModel) -> int | None:
        """The number that the ConfigMap gives these bytes; None when it has just been claimed.

        Look again first.
        """
        book = await self._book(namespace)
        last, digest = _entry(book, action.model)
        taken = {one["spec"]["number"]: _digest(one) for one in self._versions(namespace, action.model)}
        if digest == action.digest and taken.get(last, action.digest) == action.digest:
            return last
        claim = f"{max([last, *taken]) + 1} {action.digest}"
        with suppress(AlreadyExists, Conflict):
            if book:
                await self._raise(namespace, book, action.model, claim)
            else:
                await self._cluster.create(_new_book(namespace, action.model, claim))
        return None

    async def _raise(self, namespace: str, book: Object, model: str, claim: str) -> None:
        version = book["metadata"]["resourceVersion"]
        operations = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            {"op": "add", "path": f"/data/{model}", "value": claim}
            if book.get("data")
            else {"op": "add", "path": "/data", "value": {model: claim}},
        ]
        await self._cluster.patch(CONFIG_MAP, namespace, names.MODEL_NUMBERS, operations)

    async def _book(self, namespace: str) -> Object:
        """The ConfigMap; empty where there is none yet."""
        try:
            return await self._cluster.get(CONFIG_MAP, namespace, names.MODEL_NUMBERS)
        except NotFound:
            return {}

    async def _make(self, namespace: str, action: RegisterModel, number: int) -> Object | None:
        name = f"{action.model}-{number}"
        manifest: Mapping[str, Any] = {
            **action.manifest,
            "metadata": {**action.manifest["metadata"], "name": name},
            "spec": {**action.manifest["spec"], "number": number},
        }
        try:
            item = await self._cluster.create(manifest)
        except AlreadyExists:
            held = await self._reads.fresh(names.MODEL_VERSION, namespace, name)
            # Held by other bytes: the cache knows now, and the next claim goes above it.
            return held if held is not None and _digest(held) == action.digest else None
        self._caches.learn(names.MODEL_VERSION, item)
        return item


def _new_book(namespace: str, model: str, claim: str) -> Object:
    """The ConfigMap with its first claim: who makes it has claimed, as who raises it has."""
    return {
        "apiVersion": "v1",
        "kind": CONFIG_MAP,
        "metadata": {
            "name": names.MODEL_NUMBERS,
            "namespace": namespace,
            "labels": {names.LABEL_MANAGED_BY: names.MANAGED_BY},
        },
        "data": {model: claim},
    }


def _digest(version: Object) -> str:
    return str((version.get("spec") or {}).get("digest", ""))


def _entry(book: Object, model: str) -> tuple[int, str]:
    """The last number of a model and the digest it was given for.

    (0, "") where there is none that can be read.
    """
    number, _, digest = str((book.get("data") or {}).get(model, "")).partition(" ")
    return (int(number), digest) if number.isdecimal() else (0, "")
