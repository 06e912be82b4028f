"""What a step has to do in this run: arguments and inputs resolved, the digest that it is known by, and its
Job.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock_operator.core.context import RunContext
from penstock_operator.core.deadlines import pod_seconds
from penstock_operator.core.expectation import Expectation
from penstock_operator.core.forms import kind_of
from penstock_operator.core.outcome import outcome_text
from penstock_operator.core.pins import read_by
from penstock_operator.core.record import StepRecord
from penstock_operator.core.taking import input_of, previous_of, resolved_of, taken_text
from penstock_operator.manifests import gangs, job_sets, jobs, pods
from penstock_operator.manifests.gangs import Gang
from penstock_operator.manifests.identity import owner
from penstock_operator.manifests.job_sets import JOB_SET
from penstock_operator.manifests.quantity import grown_memory
from penstock_spec import names, object_names
from penstock_spec.contract import Input, Known, Task
from penstock_spec.digest import Components, step_components, step_digest
from penstock_spec.kinds.ingest import Ingest
from penstock_spec.kinds.run import Run
from penstock_spec.names import FailureClass
from penstock_spec.pipeline import Step
from penstock_spec.policy import Queue
from penstock_spec.references import MODEL, container_of
from penstock_spec.resolve import ResolvedStep


@dataclass(frozen=True)
class Work:
    """A step whose needs are all met."""

    resolved: ResolvedStep
    inputs: Mapping[str, Input]
    outputs: Mapping[str, str]  # name -> type
    components: Components
    digest: str


def step_of(context: RunContext, name: str) -> Step:
    """The step as the user wrote it, in the frozen spec."""
    return context.pipeline.spec.step(name)


def work_of(context: RunContext, record: StepRecord) -> Work:
    """The work of a step whose inputs exist. SpecError where a result does not fit its field."""
    pipeline = context.pipeline
    resolved = resolved_of(context, record)
    sources = pipeline.inputs(record.name)
    inputs = {name: input_of(context, source, record) for name, source in sources.items()}
    read = read_by(pipeline, record.name, context.values, context.pins)
    inputs |= {name: Input(pin.digest, MODEL) for name, pin in read.items()}
    inputs |= previous_of(context, record)
    digests = {name: one.digest for name, one in inputs.items()}
    child, again = record.child.get("digest", ""), pipeline.repeated(record.name)
    components = step_components(resolved, digests, child=child, cell=record.cell, repeated=again)
    return Work(resolved, inputs, pipeline.outputs(record.name), components, step_digest(components))


def memory_of(context: RunContext, record: StepRecord) -> str:
    """The memory of the next attempt's program: as grown, else as asked, else the namespace's default, else
    the installation's.
    """
    asked = step_of(context, record.name).resources
    if record.memory:
        return record.memory
    if asked.memory_from is not None:
        return taken_text(context, record, asked.memory_from)
    if "memory" in asked.model_fields_set:
        return asked.memory
    return context.defaults.resources.memory or context.settings.pods.default_memory


def scratch_of(context: RunContext, record: StepRecord) -> str:
    """The scratch space of the next attempt: as grown, else as asked; empty where it has no bound."""
    asked = step_of(context, record.name).resources
    if record.scratch:
        return record.scratch
    if asked.scratch_from is not None:
        return taken_text(context, record, asked.scratch_from)
    return asked.scratch or ""


def cpu_of(context: RunContext, record: StepRecord) -> str:
    """The CPU of the step's program: as asked, else the namespace's default, else the installation's."""
    asked = step_of(context, record.name).resources
    if asked.cpu_from is not None:
        return taken_text(context, record, asked.cpu_from)
    if "cpu" in asked.model_fields_set:
        return asked.cpu
    return context.defaults.resources.cpu or context.settings.pods.default_cpu


def queue_of(context: RunContext, name: str) -> Queue | None:
    """The queue in which the step's Jobs wait: its own, else that of the run's policy; None where none is."""
    return step_of(context, name).queue or context.policy.queue


def gang_of(context: RunContext, name: str) -> Gang | None:
    """The gang that does the step; None where one pod does."""
    asked = step_of(context, name).gang
    return None if asked is None else Gang(asked.workers, asked.processes_per_worker)


def service_manifest(context: RunContext, record: StepRecord) -> dict[str, Any] | None:
    """The Service of the record's attempt; None where one pod does the step, or JobSet's controller makes
    it.
    """
    if gang_of(context, record.name) is None or kind_of(context, record.name) == JOB_SET:
        return None
    run = context.observed.run
    labels = jobs.labels_of(run.pipeline, run.meta.name, record.name, record.attempt, record.cell)
    reference = owner(names.PIPELINE_RUN, names.API_VERSION, run.meta.name, run.meta.uid)
    return gangs.service(record.job, run.meta.namespace, labels, reference)


def job_name(context: RunContext, record: StepRecord, attempt: int) -> str:
    """The name of the Job, or JobSet, of this attempt."""
    meta = context.observed.run.meta
    named = object_names.job_set_name if kind_of(context, record.name) == JOB_SET else object_names.job_name
    return named(meta.name, meta.uid, record.name, attempt, record.cell)


def job_manifest(
    context: RunContext, record: StepRecord, work: Work, attempt: int, known: Known | None
) -> dict[str, Any]:
    """The Job, or JobSet, of this attempt."""
    settings, meta = context.settings, context.observed.run.meta
    task = Task(
        namespace=meta.namespace,
        pipeline=context.observed.run.pipeline,
        run=meta.name,
        step=record.name,
        attempt=attempt,
        kind=record.kind,
        arguments=work.resolved.arguments,
        inputs=work.inputs,
        outputs=work.outputs,
        known=known,
        cell=record.cell,
    )
    source = work.resolved.arguments.get("source", {}) if record.kind == "ingest" else {}
    grown = record.retries.get(FailureClass.OUT_OF_MEMORY, 0)
    queue = queue_of(context, record.name)
    made = job_sets.job_set if kind_of(context, record.name) == JOB_SET else jobs.job
    return made(
        jobs.Attempt(
            task=task,
            name=job_name(context, record, attempt),
            run_uid=meta.uid,
            cpu=cpu_of(context, record),
            memory=memory_of(context, record),
            scratch=scratch_of(context, record),
            helper_memory=grown_memory(settings.pods.helper_memory, settings.memory_factor**grown),
            program=_program(work.resolved),
            connection=source.get("object", {}).get("connection", ""),
            config_map=source.get("configMap", {}).get("name", ""),
            config_key=source.get("configMap", {}).get("key", ""),
            deadline=pod_seconds(step_of(context, record.name)),
            scheduling=context.defaults.scheduling.as_set(),
            outcome=outcome_text(context) if context.pipeline.always(record.name) else "",
            queue=queue.local_queue if queue is not None else "",
            priority=queue.priority_class or "" if queue is not None else "",
            gang=gang_of(context, record.name),
        ),
        settings.pods,
    )


def _program(resolved: ResolvedStep) -> jobs.Program | None:
    container = container_of(resolved.kind, resolved.arguments)
    if container is None:
        return None
    user = None if container.get("useImageUser") else container.get("runAsUser", pods.USER)
    return jobs.Program(
        image=resolved.image,
        command=container.get("command", ()),
        args=container.get("args", ()),
        env=[_variable(one, resolved) for one in container.get("env", ())],
        arguments=container.get("arguments", {}),
        user=user,
    )


def _variable(entry: Mapping[str, Any], resolved: ResolvedStep) -> dict[str, Any]:
    if "secret" in entry:
        secret = entry["secret"]
        return pods.from_secret(entry["name"], resolved.secrets[secret["name"]], secret["key"])
    return pods.literal(entry["name"], str(entry["value"]))


def expectation(context: RunContext, record: StepRecord) -> Expectation:
    """How the pod of the step's current attempt should look."""
    body = step_of(context, record.name).body
    source = body.source.object if isinstance(body, Ingest) else None
    queue = queue_of(context, record.name)
    in_set = kind_of(context, record.name) == JOB_SET
    return Expectation(
        kind=record.kind,
        job=job_sets.job_name(record.job) if in_set else record.job,
        job_set=record.job if in_set else "",
        namespace=context.namespace,
        users_program=isinstance(body, Run) or getattr(body, "container", None) is not None,
        outputs=context.pipeline.outputs(record.name),
        results=context.pipeline.results(record.name),
        connection=source.connection if source is not None else "",
        store_secret=context.settings.pods.store_secret,
        deadline=step_of(context, record.name).deadline or "",
        cpu=cpu_of(context, record),
        memory=memory_of(context, record),
        queue=queue.local_queue if queue is not None else "",
        priority=queue.priority_class or "" if queue is not None else "",
        workers=gang.workers if (gang := gang_of(context, record.name)) is not None else 1,
        watched_since=context.observed.watched_since,
    )
