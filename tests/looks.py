"""What the API server has, asked within this process.

Tests look while they wait, several times a second and beside each other. Starting kubectl for a look takes 80
ms of CPU, asking over a connection that stays open one.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from kubernetes.client.exceptions import ApiException
from kubernetes.config import new_client_from_config
from urllib3.exceptions import HTTPError

DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_PAUSES = (1, 2, 4)  # seconds, after which an API server that did not answer is asked again
_TIMEOUT = 60.0  # seconds


@dataclass(frozen=True)
class Resource:
    """Where the objects of a kind are."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        """The path of the collection, or of one object."""
        parts = ["api" if "/" not in self.api_version else "apis", self.api_version]
        if self.namespaced:
            parts += ["namespaces", namespace]
        return "/" + "/".join([*parts, self.plural, *([name] if name else [])])


class Looks:
    """Reads objects as kubectl shows them: kinds by any of their names, and not who wrote which field."""

    def __init__(self, kubeconfig: str) -> None:
        self._client = new_client_from_config(config_file=kubeconfig)
        self._resources: dict[str, tuple[Resource, ...]] = {}

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        """One object; AssertionError with the API server's words where it has none."""
        (resource,) = self._named(kind)
        return _plain(self._read(resource.path(namespace, name)))

    def list(self, kinds: str, namespace: str, selector: str = "", fields: str = "") -> list[dict[str, Any]]:
        """All objects of these kinds (several with commas) that a label and a field selector choose."""
        query = {"labelSelector": selector, "fieldSelector": fields}
        chosen = [(key, value) for key, value in query.items() if value]
        found = []
        for resource in (one for kind in kinds.split(",") for one in self._named(kind)):
            items = self._read(resource.path(namespace), chosen)["items"]
            named = {"apiVersion": resource.api_version, "kind": resource.kind}
            found += [_plain({**named, **one}) for one in items]
        return found

    def _named(self, word: str) -> tuple[Resource, ...]:
        """One by plural, singular or short name, with or without its group; by a category all of it."""
        if word not in self._resources:  # a definition may have come since
            self._resources = self._discovered()
        assert word in self._resources, f"the server doesn't have a resource type {word!r}"
        return self._resources[word]

    def _discovered(self) -> dict[str, tuple[Resource, ...]]:
        """Every name; where several have one, the first is meant, as the API server orders them."""
        names: dict[str, tuple[Resource, ...]] = {}
        categories: dict[str, tuple[Resource, ...]] = {}
        for group, version, one in self._served():
            if f"{one['resource']}.{group}" in names:
                continue  # by a version that is preferred
            kind, namespaced = one["responseKind"]["kind"], one["scope"] == "Namespaced"
            api_version = f"{group}/{version}" if group else version
            resource = Resource(api_version, kind, one["resource"], namespaced)
            for word in (one["resource"], one["singularResource"], *one.get("shortNames", ())):
                names.setdefault(word, (resource,))
                names.setdefault(f"{word}.{group}", (resource,))
            for word in one.get("categories", ()):
                categories[word] = (*categories.get(word, ()), resource)
        return {**categories, **names}

    def _served(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Group, version and description of each resource."""
        for path in ("/api", "/apis"):
            for group in self._read(path, accept=DISCOVERY).get("items", ()):
                for version in group["versions"]:
                    for one in version.get("resources", ()):
                        yield group["metadata"].get("name", ""), version["version"], one

    def _read(
        self, path: str, query: Sequence[tuple[str, str]] = (), accept: str = "application/json"
    ) -> dict[str, Any]:
        """The answer; a server that gives none for a moment is no finding about Penstock, and asked again."""
        request = self._client.param_serialize(
            "GET",
            path,
            query_params=[*query],
            header_params={"Accept": accept},
            auth_settings=["BearerToken"],
        )
        for pause in (*_PAUSES, None):
            try:
                answer = self._client.call_api(*request, _request_timeout=_TIMEOUT)
                text = answer.read()
                status, words = answer.status, text.decode(errors="replace")
            except (HTTPError, ApiException) as error:
                status, words = 0, str(error)
            if 200 <= status < 300:
                found: dict[str, Any] = json.loads(text)
                return found
            if (400 <= status < 500 and status != 429) or pause is None:
                break
            print(f"asked again in {pause} s: GET {path}: {status} {words[:200]}")
            time.sleep(pause)
        raise AssertionError(f"GET {path}: {status} {words[:2000]}")


@cache
def looks(kubeconfig: str) -> Looks:
    """One for each cluster: its connection stays open."""
    return Looks(kubeconfig)


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    found["metadata"].pop("managedFields", None)
    return found
