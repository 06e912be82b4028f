"""The manifests of a whole pipeline in which every step has its turn, under fixed uids and times."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from penstock_operator.core.child_starts import child_manifest
from penstock_operator.core.context import RunContext
from penstock_operator.core.deploy_fields import asked_fields
from penstock_operator.core.frozen import Definition
from penstock_operator.core.looks import look_job
from penstock_operator.core.observed import Meta, PipelineObject, RunObject
from penstock_operator.core.observed_pipeline import ObservedPipeline
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.core.probe_targets import target_of
from penstock_operator.core.record import StepRecord
from penstock_operator.core.scaling import autoscaler_of
from penstock_operator.core.serving import server_of
from penstock_operator.core.settings import Settings
from penstock_operator.core.start import fresh_records
from penstock_operator.core.target import Target
from penstock_operator.core.trigger_world import TriggerWorld
from penstock_operator.core.work import job_manifest, job_name, service_manifest, work_of
from penstock_operator.manifests.archive import ArchiveJob
from penstock_operator.manifests.archive import job as archive_job
from penstock_operator.manifests.endpoints import Wish, endpoint, monitored
from penstock_operator.manifests.facade import Facade, budget, service
from penstock_operator.manifests.revisions import revision
from penstock_operator.manifests.runs import Start, run
from penstock_operator.manifests.serving import deployment
from penstock_operator.manifests.sweep import SweepJob
from penstock_operator.manifests.sweep import job as sweep_job
from penstock_operator.manifests.windows import WindowJob
from penstock_operator.manifests.windows import job as window_job
from penstock_spec import object_names
from penstock_spec.contract import Known
from penstock_spec.digest import run_digest
from penstock_spec.endpoint import ModelEndpointSpec
from penstock_spec.graph import CompiledPipeline, compile_pipeline
from penstock_spec.kinds.child import Child
from penstock_spec.monitoring import Monitoring
from penstock_spec.resolve import resolve_parameters
from penstock_spec.status import StepState

ROOT = Path(__file__).parents[2]
PIPELINES = sorted([*ROOT.glob("examples/*/pipeline.yaml"), *ROOT.glob("tests/golden/pipelines/*.yaml")])
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
SETTINGS = Settings()
Object = dict[str, Any]


def digest_of(*words: str) -> str:
    return "sha256:" + hashlib.sha256("/".join(words).encode()).hexdigest()


def pipeline_in(path: Path) -> Object:
    """The Pipeline of a file that may hold more."""
    documents = [one for one in yaml.safe_load_all(path.read_text()) if one]
    found: Object = next(one for one in documents if one["kind"] == "Pipeline")
    return found


def golden_name(path: Path) -> str:
    return path.parent.name if path.name == "pipeline.yaml" else path.stem


def context_of(name: str, compiled: CompiledPipeline) -> RunContext:
    """A run in which every step has succeeded, so that each one's inputs are known."""
    about = Meta("ml", f"{name}-g1", "11111111-2222-3333-4444-555555555555", NOW)
    records: dict[str, StepRecord] = {}
    for one in fresh_records(compiled):
        outputs = {output: digest_of(one.name, output) for output in compiled.outputs(one.name)}
        done = StepRecord(
            one.name,
            one.kind,
            StepState.SUCCEEDED,
            outputs=outputs,
            results=dict.fromkeys(compiled.results(one.name), "3"),
        )
        records[one.name] = with_cells(done, compiled)
    observed = ObservedRun(RunObject(about, name), None)
    values = resolve_parameters(compiled.spec, {})
    policy = compiled.spec.policy
    return RunContext(observed, NOW, SETTINGS, compiled, values, records, records, policy)


def with_cells(record: StepRecord, compiled: CompiledPipeline) -> StepRecord:
    """The step with its cells, two of a list or iterations, where it has any."""
    if not compiled.has_cells(record.name):
        return record
    count = len(compiled.cells(record.name) or "ab")
    cells = {number: replace(record, cell=number) for number in range(1, count + 1)}
    outputs = {} if compiled.gives_lists(record.name) else record.outputs
    return replace(record, cell_count=count, cells=cells, outputs=outputs)


def job_sets_in(path: Path) -> list[Object]:
    """The first attempts of the gangs of the pipeline in this file, in a cluster that has JobSets."""
    stored = pipeline_in(path)
    name, compiled = stored["metadata"]["name"], compile_pipeline(stored["spec"])
    made = jobs_of(name, compiled, {"snapshot": {"gangs": "JobSet"}})
    return [one for one in made if one["kind"] == "JobSet"]


def jobs_of(name: str, compiled: CompiledPipeline, status: Object | None = None) -> list[Object]:
    """The Job of every step's first attempt, behind its Service where it has one; an ingest knows an earlier
    result, and what is repeated is in its second iteration. The run has this status.
    """
    context = context_of(name, compiled)
    run = replace(context.observed.run, status=status or {})
    context = replace(context, observed=replace(context.observed, run=run))
    made = []
    for step in compiled.order:
        first, *more = context.records[step].leaves
        record = more[0] if compiled.repeated(step) else first  # which is given what the first has made
        body = compiled.spec.step(step).body
        if isinstance(body, Child):
            made.append(child_manifest(context, record, body, job_name(context, record, 1)))
        elif record.kind not in ("deploy", "monitor"):
            known = Known(f"{name}-g0", "etag-1", record.outputs) if record.kind == "ingest" else None
            job = job_manifest(context, record, work_of(context, record), 1, known)
            begun = replace(record, job=job["metadata"]["name"], attempt=1)
            found = service_manifest(context, begun)
            made += [job] if found is None else [found, job]
    return made


def serving_of(compiled: CompiledPipeline) -> list[Object]:
    """What a deploy step and its endpoint make."""
    made: list[Object] = []
    for step in compiled.spec.steps:
        if step.deploy is None:
            continue
        source, output = step.deploy.model.split(".")
        digest, name = digest_of(source, output), step.deploy.endpoint
        fields = asked_fields(step.deploy, None)
        wish = Wish(f"{name}-1", digest, f"run {name}-g1, step {step.name}", fields)
        manifest = endpoint("ml", name, wish)
        spec, watched = dict(manifest["spec"]), monitoring_of(compiled, name)
        if watched is not None:
            spec["monitoring"] = watched["spec"]["monitoring"]
        made += [manifest, *([watched] if watched is not None else [])]
        made += [*children_of(name, f"{name}-1", digest, spec), *windows_of(name, f"{name}-1", digest, spec)]
    return made


def monitoring_of(compiled: CompiledPipeline, endpoint: str) -> Object | None:
    """What a monitor step applies to this endpoint."""
    found = (one.monitor for one in compiled.spec.steps if one.monitor is not None)
    step = next((one for one in found if one.endpoint == endpoint), None)
    return None if step is None else monitored("ml", endpoint, step.monitoring())


def windows_of(name: str, version: str, digest: str, spec: Mapping[str, Any]) -> list[Object]:
    """The Job of a window, and its third attempt, which got more memory."""
    if "monitoring" not in spec:
        return []
    monitoring = Monitoring.model_validate(spec["monitoring"], by_alias=True, by_name=False)
    memory = {1: "1Gi", 3: "1536Mi"}
    return [
        window_job(
            WindowJob(
                "ml",
                name,
                "me-uid",
                object_names.window_job(name, "me-uid", NOW, number),
                version,
                digest,
                NOW,
                number,
                size,
            ),
            monitoring,
            SETTINGS.pods,
        )
        for number, size in memory.items()
    ]


def children_of(name: str, version: str, digest: str, spec: Mapping[str, Any]) -> list[Object]:
    """What an endpoint of this spec makes."""
    compiled = ModelEndpointSpec.model_validate(dict(spec), by_alias=True, by_name=False)
    server = server_of(Meta("ml", name, "me-uid", NOW), compiled, Target(name, version, digest, "", ""))
    facade = Facade("ml", name, "me-uid")
    scaler = autoscaler_of(facade, compiled.scale)
    return [
        deployment(server, SETTINGS.pods),
        service(facade, server.selector),
        *([scaler] if scaler is not None else []),
        budget(facade, server.selector),
    ]


def archive_of(name: str) -> list[Object]:
    """The Job that writes the records of two runs, which stand for any; of one example only."""
    if name != "tumour":
        return []
    runs = {f"11111111-2222-3333-4444-55555555555{number}": digest_of(str(number)) for number in range(2)}
    job = object_names.archive_job(name, "pl-uid", list(runs), 1)
    return [archive_job(ArchiveJob("ml", name, "pl-uid", job, runs, ["H4sI", "AAAA"], 1), SETTINGS.pods)]


def sweep_of(name: str) -> list[Object]:
    """The Job that looks through the artifacts, with three references; of one example only."""
    if name != "tumour":
        return []
    job = object_names.sweep_job(name, "pl-uid", NOW)
    texts = ["H4sI"]  # compressed, and so not the same with every zlib
    asked = SweepJob(
        "ml", name, "pl-uid", job, "Delete", 2592000.0, 86400.0, "2026-11-21T10:00:00Z", 3, texts
    )
    return [sweep_job(asked, SETTINGS.pods)]


def probes_of(name: str, compiled: CompiledPipeline) -> list[Object]:
    """The Jobs that look for the triggers."""
    found = []
    for trigger in compiled.spec.triggers:
        target = target_of(trigger)
        if target is not None:
            observed = ObservedPipeline(PipelineObject(Meta("ml", name, "pl-uid", NOW), {}))
            definition = Definition(compiled, "")
            world = TriggerWorld(observed, definition, NOW, SETTINGS, trigger, None)
            found.append(look_job(world, target, NOW))
    return [dict(one) for one in found]


def manifests_of(path: Path) -> list[Object]:
    """All that the operator makes for the pipeline in this file, in the order in which it comes about."""
    stored = pipeline_in(path)
    name = stored["metadata"]["name"]
    compiled = compile_pipeline(stored["spec"])
    frozen = revision("ml", name, "pl-uid", run_digest(compiled.spec), compiled.spec)
    started = run(Start("ml", f"{name}-g1", name, "pl-uid", frozen["metadata"]["name"], 1))
    return [
        frozen,
        started,
        *probes_of(name, compiled),
        *jobs_of(name, compiled),
        *serving_of(compiled),
        *archive_of(name),
        *job_sets_in(path),
        *sweep_of(name),
    ]
