"""The ModelEndpoint as a deploy step wants it: model, scale where the step says one, and no field that
somebody else may own.
"""

from collections.abc import Mapping
from typing import Any

from penstock_operator.manifests import pods
from penstock_spec import names


def endpoint(namespace: str, name: str, version: str, digest: str, replicas: int | None) -> dict[str, Any]:
    """The manifest for server-side apply by the manager penstock-deploy. It has no owner: what is served
    stays. Without `replicas` the scale belongs to whoever sets it.
    """
    spec: dict[str, Any] = {"model": {"version": version, "digest": digest}}
    if replicas is not None:
        spec["scale"] = {"replicas": replicas}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.MODEL_ENDPOINT,
        "metadata": {"name": name, "namespace": namespace, "labels": pods.labels()},
        "spec": spec,
    }


def monitored(namespace: str, name: str, monitoring: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest for server-side apply by the manager penstock-monitor: spec.monitoring alone."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.MODEL_ENDPOINT,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"monitoring": dict(monitoring)},
    }
