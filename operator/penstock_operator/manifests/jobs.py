"""One attempt of one step as a Job with one pod.

    built-in        container main: our image fetches, works and publishes
    user's program  init fetch (ours) ─► init main (theirs) ─► container publish (ours)

Only our own containers get the store's and the source's credentials.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock_operator.manifests import gangs, pods
from penstock_operator.manifests.gangs import Gang
from penstock_operator.manifests.identity import owner, with_hash
from penstock_operator.manifests.settings import PodSettings
from penstock_spec import contract, names
from penstock_spec.contract import Task
from penstock_spec.gathered import gathered_variable

_CPU_OF_HELPERS = "100m"


@dataclass(frozen=True)
class Program:
    """A user's container, with parameters resolved and secrets by their real names."""

    image: str
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Sequence[Mapping[str, Any]] = ()  # entries as in a pod: name, and value or valueFrom
    arguments: Mapping[str, Any] = field(default_factory=dict)
    user: int | None = pods.USER  # None: the one that the image names


@dataclass(frozen=True)
class Attempt:
    """Everything that the Job of one attempt depends on."""

    task: Task
    name: str
    run_uid: str
    cpu: str
    memory: str
    scratch: str = ""  # of /tmp and /penstock, each; empty: no bound
    helper_memory: str = "512Mi"  # of fetch and publish
    program: Program | None = None  # None: the built-in one
    connection: str = ""  # of an ingest from a bucket
    config_map: str = ""  # of an ingest from a ConfigMap, with the key
    config_key: str = ""
    deadline: int | None = None  # seconds that the pod may run
    outcome: str = ""  # of a step with `always`: JSON, how the run has gone
    scheduling: Mapping[str, Any] = field(default_factory=dict)  # nodeSelector and tolerations, as in a pod
    queue: str = ""  # of Kueue; empty: it starts at once
    priority: str = ""  # in that queue
    gang: Gang | None = None  # None: one pod
    job_set: str = ""  # that makes the Job, which has a name of its own then; empty: the Job stands alone


def labels_of(pipeline: str, run: str, step: str, attempt: int, cell: int = 0) -> dict[str, str]:
    """The labels of everything that is made for one attempt."""
    return pods.labels(
        **{
            names.LABEL_COMPONENT: "step",
            names.LABEL_PIPELINE: pipeline,
            names.LABEL_RUN: run,
            names.LABEL_STEP: step,
            names.LABEL_ATTEMPT: str(attempt),
            **({names.LABEL_CELL: str(cell)} if cell else {}),
        }
    )


def job(attempt: Attempt, settings: PodSettings) -> dict[str, Any]:
    """The Job's manifest, with its hash. The same attempt always gives the same manifest."""
    return with_hash(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata(attempt, attempt.name),
            "spec": {**job_spec(attempt, settings), **suspended(attempt)},
        }
    )


def metadata(attempt: Attempt, name: str) -> dict[str, Any]:
    """The metadata of what the attempt is: a Job, or a JobSet."""
    task = attempt.task
    return {
        "name": name,
        "namespace": task.namespace,
        "labels": {**attempt_labels(attempt), **_queue_labels(attempt)},
        "ownerReferences": [owner(names.PIPELINE_RUN, names.API_VERSION, task.run, attempt.run_uid)],
    }


def attempt_labels(attempt: Attempt) -> dict[str, str]:
    """Our labels on everything that is made for this attempt."""
    task = attempt.task
    return labels_of(task.pipeline, task.run, task.step, task.attempt, task.cell)


def job_spec(attempt: Attempt, settings: PodSettings) -> dict[str, Any]:
    """The Job's spec."""
    return {
        "backoffLimit": 0,  # attempts are ours: each failure class has its own budget
        **gangs.job_fields(attempt.gang),
        "podReplacementPolicy": "Failed",  # never a second pod beside one that is ending
        "template": {
            "metadata": pods.template_metadata(attempt_labels(attempt), contract.MAIN),
            "spec": {
                **_pod(attempt, settings),
                "restartPolicy": "Never",
                **_deadline(attempt),
                **attempt.scheduling,
            },
        },
    }


def suspended(attempt: Attempt) -> dict[str, Any]:
    """As Kueue's webhook would: where that does not answer, nothing starts without room."""
    return {"suspend": True} if attempt.queue else {}


def _queue_labels(attempt: Attempt) -> dict[str, str]:
    """What Kueue reads; on the attempt alone, for a Job or pod below that bore them would be queued again."""
    wanted = {names.LABEL_QUEUE: attempt.queue, names.LABEL_QUEUE_PRIORITY: attempt.priority}
    return {label: value for label, value in wanted.items() if value and attempt.queue}


def _deadline(attempt: Attempt) -> dict[str, Any]:
    """On the pod and not on the Job: the kubelet ends it, and the pod's end says why."""
    return {} if attempt.deadline is None else {"activeDeadlineSeconds": attempt.deadline}


def _pod(attempt: Attempt, settings: PodSettings) -> dict[str, Any]:
    spec = _containers(attempt, settings)
    # With the Service of this name: each pod's host name is known as <Job>-<worker>.<Service>.
    return spec if attempt.gang is None else {**spec, "subdomain": attempt.job_set or attempt.name}


def _containers(attempt: Attempt, settings: PodSettings) -> dict[str, Any]:
    volumes = _source_volume(attempt)
    if attempt.program is None:
        asked = pods.resources(attempt.cpu, attempt.memory, scratch=attempt.scratch)
        main = _with_source(ours(contract.MAIN, "run", attempt.task, settings, asked), attempt)
        return pods.pod_spec([main], (), volumes, settings.termination_grace_seconds, attempt.scratch)
    asked = pods.resources(_CPU_OF_HELPERS, attempt.helper_memory)
    fetch = _with_source(ours(contract.FETCH, "fetch", attempt.task, settings, asked), attempt)
    # Variables of their own: the kernel bounds each, and the task may take most of one.
    if attempt.outcome:
        fetch["env"] = [*fetch["env"], pods.literal(contract.RUN_VARIABLE, attempt.outcome)]
    for name, one in attempt.task.inputs.items():
        if one.gathered is not None:
            literal = pods.literal(gathered_variable(name), one.gathered.to_json())
            fetch["env"] = [*fetch["env"], literal]
    publish = ours(contract.PUBLISH, "publish", attempt.task, settings, asked)
    if attempt.gang is not None:
        publish["env"] = [*publish["env"], pods.from_field(contract.WORKER_VARIABLE, gangs.INDEX)]
    main = _theirs(attempt.program, attempt, settings)
    grace = settings.termination_grace_seconds
    return pods.pod_spec([publish], [fetch, main], volumes, grace, attempt.scratch)


def ours(
    name: str, mode: str, task: Task, settings: PodSettings, resources: Mapping[str, Any]
) -> dict[str, Any]:
    """A container of our image, with the store."""
    return {
        "name": name,
        "image": settings.steps_image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["python", "-m", "penstock_steps", mode],
        "env": [
            pods.literal(contract.TASK_VARIABLE, task.to_json()),
            pods.literal("HOME", pods.TMP["mountPath"]),
            *pods.store_environment(settings.store_secret),
        ],
        "resources": dict(resources),
        "securityContext": pods.security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [pods.TMP, pods.WORK],
    }


def _with_source(container: dict[str, Any], attempt: Attempt) -> dict[str, Any]:
    """The container with what an ingest reads: a connection's description and credentials, or a ConfigMap."""
    env, mounts = container["env"], container["volumeMounts"]
    if attempt.connection:
        env = [*env, *pods.connection_environment(attempt.connection)]
    if attempt.config_map:
        mounts = [*mounts, {"name": "source", "mountPath": contract.SOURCE_FOLDER, "readOnly": True}]
    return {**container, "env": env, "volumeMounts": mounts}


def _theirs(program: Program, attempt: Attempt, settings: PodSettings) -> dict[str, Any]:
    """The user's container.

    Its image, its user, files and plain values; no credentials but those it names.
    """
    network, gang = attempt.job_set or attempt.name, attempt.gang
    told = gangs.environment(gang, attempt.name, network) if gang is not None else ()
    chosen = {one["name"] for one in program.env}
    env = [
        pods.literal("HOME", pods.TMP["mountPath"]),
        *(one for one in told if one["name"] not in chosen),
        *(
            pods.literal(f"{contract.ARGUMENT_PREFIX}{name.upper()}", _text(value))
            for name, value in sorted(program.arguments.items())
        ),
        *program.env,
    ]
    container: dict[str, Any] = {
        "name": contract.MAIN,
        "image": program.image,
        "imagePullPolicy": settings.image_pull_policy,
        "env": env,
        "resources": pods.resources(attempt.cpu, attempt.memory, scratch=attempt.scratch),
        "securityContext": pods.security(program.user, read_only=False),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        # Inputs cannot be changed: what publish reads of them is what fetch has checked.
        "volumeMounts": [pods.TMP, pods.WORK, pods.INPUTS],
    }
    # The kubelet would expand $(NAME) in both; what users write is what the program gets.
    if program.command:
        container["command"] = [part.replace("$", "$$") for part in program.command]
    if program.args:
        container["args"] = [part.replace("$", "$$") for part in program.args]
    return container


def _text(value: Any) -> str:
    """An argument as an environment variable: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _source_volume(attempt: Attempt) -> list[dict[str, Any]]:
    if not attempt.config_map:
        return []
    items = [{"key": attempt.config_key, "path": attempt.config_key}]
    return [{"name": "source", "configMap": {"name": attempt.config_map, "items": items}}]
