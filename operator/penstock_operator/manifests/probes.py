"""The Job that looks for a trigger: our image alone, without the store, owned by the Pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock_operator.manifests import pods
from penstock_operator.manifests.identity import owner
from penstock_operator.manifests.settings import PodSettings
from penstock_operator.manifests.small_jobs import SmallJob
from penstock_spec import contract, names
from penstock_spec.contract import Task

KIND = "probe"
CPU, MEMORY = "50m", "256Mi"
_SECONDS = 300  # of the pod, with the pull of its image; a look itself takes a minute at most


@dataclass(frozen=True)
class Probe:
    """One look. `arguments` say at what, under the name of the trigger's kind."""

    namespace: str
    pipeline: str
    pipeline_uid: str
    trigger: str
    name: str
    arguments: Mapping[str, Any]
    connection: str = ""
    config_map: str = ""
    config_key: str = ""
    secret: str = ""
    scheduling: Mapping[str, Any] = field(default_factory=dict)  # nodeSelector and tolerations, as in a pod


def job(probe: Probe, settings: PodSettings) -> dict[str, Any]:
    """The Job's manifest, with its hash. The same probe always gives the same manifest."""
    labels = pods.labels(
        **{
            names.LABEL_COMPONENT: KIND,
            names.LABEL_PIPELINE: probe.pipeline,
            names.LABEL_TRIGGER: probe.trigger,
        }
    )
    return SmallJob(
        probe.namespace,
        probe.name,
        labels,
        owner(names.PIPELINE, names.API_VERSION, probe.pipeline, probe.pipeline_uid),
        pods.pod_spec([_container(probe, settings)], volumes=_volumes(probe), grace_seconds=1),
        _SECONDS,
        probe.scheduling,
    ).manifest()


def _container(probe: Probe, settings: PodSettings) -> dict[str, Any]:
    mounts: list[dict[str, Any]] = [pods.TMP, pods.WORK]
    if probe.config_map:
        mounts.append({"name": "source", "mountPath": contract.SOURCE_FOLDER, "readOnly": True})
    return {
        "name": contract.MAIN,
        "image": settings.steps_image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["python", "-m", "penstock_steps", KIND],
        "env": [
            pods.literal(contract.TASK_VARIABLE, _task(probe).to_json()),
            pods.literal("HOME", pods.TMP["mountPath"]),
            *(pods.connection_environment(probe.connection) if probe.connection else ()),
            *_credentials(probe.secret),
        ],
        "resources": pods.resources(CPU, MEMORY),
        "securityContext": pods.security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }


def _credentials(secret: str) -> list[dict[str, Any]]:
    if not secret:
        return []
    return [
        pods.from_secret(variable, secret, key, optional=key == "ca")
        for key, variable in contract.PROBE_SECRET_VARIABLES.items()
    ]


def _volumes(probe: Probe) -> list[dict[str, Any]]:
    """The ConfigMap, which need not be there: then there is nothing to see."""
    if not probe.config_map:
        return []
    items = [{"key": probe.config_key, "path": probe.config_key}]
    return [{"name": "source", "configMap": {"name": probe.config_map, "items": items, "optional": True}}]


def _task(probe: Probe) -> Task:
    return Task(
        namespace=probe.namespace,
        pipeline=probe.pipeline,
        run=probe.name,
        step=probe.trigger,
        attempt=1,
        kind=KIND,
        arguments=probe.arguments,
    )
