"""The Job that judges one window of an endpoint: our image alone, with the store, owned by the endpoint."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from penstock_operator.manifests import pods
from penstock_operator.manifests.identity import owner
from penstock_operator.manifests.jobs import ours
from penstock_operator.manifests.server import PredictionLog
from penstock_operator.manifests.settings import PodSettings
from penstock_operator.manifests.small_jobs import SmallJob
from penstock_spec import contract, names
from penstock_spec.base import seconds_of
from penstock_spec.contract import Input, Task
from penstock_spec.monitoring import Monitoring

KIND = "monitor"
_DAY = 86400


@dataclass(frozen=True)
class WindowJob:
    """One attempt to judge one window."""

    namespace: str
    endpoint: str
    endpoint_uid: str
    name: str
    version: str
    digest: str
    end: datetime  # in UTC
    number: int
    memory: str


def job(window: WindowJob, monitoring: Monitoring, settings: PodSettings) -> dict[str, Any]:
    """The Job's manifest, with its hash. The same window and monitoring always give the same manifest.

    Its labels are none by which a Service selects: the pod must get no traffic.
    """
    labels = pods.labels(
        **{
            names.LABEL_COMPONENT: "window",
            names.LABEL_WINDOW_OF: window.endpoint,
            names.LABEL_WINDOW_VERSION: window.version,
            names.LABEL_ATTEMPT: str(window.number),
        }
    )
    asked = pods.resources(settings.default_cpu, window.memory)
    main = ours(contract.MAIN, "run", _task(window, monitoring), settings, asked)
    return SmallJob(
        window.namespace,
        window.name,
        labels,
        owner(names.MODEL_ENDPOINT, names.API_VERSION, window.endpoint, window.endpoint_uid),
        pods.pod_spec([main], grace_seconds=settings.termination_grace_seconds),
        settings.window_deadline_seconds,  # the next window waits for this one
    ).manifest()


def _task(window: WindowJob, monitoring: Monitoring) -> Task:
    quality, log = monitoring.data_quality, monitoring.prediction_log
    return Task(
        namespace=window.namespace,
        pipeline="",
        run=window.name,
        step=window.endpoint,
        attempt=window.number,
        kind=KIND,
        arguments={
            "endpoint": window.endpoint,
            "version": window.version,
            "digest": window.digest,
            "start": _time(window.end - timedelta(seconds=monitoring.seconds)),
            "end": _time(window.end),
            "drift": [{"method": str(one.method), "maximum": one.maximum} for one in monitoring.drift],
            "significance": monitoring.significance,
            "minimumSamples": monitoring.minimum_samples,
            "nullsMaximumIncrease": quality.nulls.maximum_increase,
            "unseenMaximumRatio": quality.unseen.maximum_ratio,
            "redact": list(log.redact),
            "retentionDays": math.ceil(seconds_of(log.retention) / _DAY),
        },
        inputs={"model": Input(window.digest, "Model")},
        outputs={"report": "Report"},
    )


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def log_of(monitoring: Monitoring | None) -> PredictionLog | None:
    """What the serving pods log, so that the rows of a window lie in the store when it is judged."""
    if monitoring is None:
        return None
    log = monitoring.prediction_log
    return PredictionLog(log.sample_ratio, log.redact, monitoring.flush_seconds)
