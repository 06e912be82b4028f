"""The ModelEndpoint as a deploy step wants it: model, scale where the step says one, and no field that
somebody else may own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock_operator.manifests import pods
from penstock_spec import names


@dataclass(frozen=True)
class Wish:
    """What a deploy step asks of an endpoint. `fields` are spec.scale and spec.rollout as far as they are its
    own.
    """

    version: str
    digest: str
    asked_by: str
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def endpoint(namespace: str, name: str, wish: Wish, *, monitoring_follows: bool = False) -> dict[str, Any]:
    """The manifest for server-side apply by the manager penstock-deploy. It has no owner: what is served
    stays. What is not in it belongs to whoever sets it.
    """
    more = {"annotations": {names.ANNOTATION_MONITORING_FOLLOWS: "true"}} if monitoring_follows else {}
    model = {"version": wish.version, "digest": wish.digest, "askedBy": wish.asked_by}
    own = {part: dict(values) for part, values in wish.fields.items()}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.MODEL_ENDPOINT,
        "metadata": {"name": name, "namespace": namespace, "labels": pods.labels(), **more},
        "spec": {"model": model, **own},
    }


def monitored(namespace: str, name: str, monitoring: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest for server-side apply by the manager penstock-monitor: spec.monitoring alone."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.MODEL_ENDPOINT,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"monitoring": dict(monitoring)},
    }
