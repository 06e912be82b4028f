"""Which objects to look at again when another one has changed. Work in proportion to what changed."""

from collections.abc import Iterator

from penstock_operator import views
from penstock_operator.caches import Caches
from penstock_operator.core import room
from penstock_operator.core.run_sorts import RunSort
from penstock_operator.core.sweep import first_of
from penstock_operator.resources import CONFIG_MAP, JOB, JOB_SET, POD
from penstock_operator.store import Change, Object, controller_of
from penstock_operator.workqueue import Key
from penstock_spec import names

PLANNED_KINDS = (names.PIPELINE, names.PIPELINE_RUN, names.MODEL_ENDPOINT)


def affected(change: Change, caches: Caches) -> Iterator[Key]:
    """The objects whose plan may be another one now."""
    item = change.subject
    if change.kind == names.PIPELINE:
        yield _key(change.kind, item)
        if change.after is None or change.after["metadata"].get("deletionTimestamp"):
            yield from _first(item["metadata"]["namespace"], caches)
        if change.before is None or change.after is None or _resumes(change) or _orders_anew(change):
            yield from _unfinished(caches, "pipeline", _pipeline_index(item, item["metadata"]["name"]))
    elif change.kind == names.PIPELINE_RUN:
        yield from _of_run(change, caches)
    elif change.kind == names.MODEL_VERSION:
        yield from _of_version(item, caches)
    elif change.kind == names.MODEL_ENDPOINT:
        yield _key(change.kind, item)
        yield from _unfinished(caches, "namespace", item["metadata"]["namespace"])
        about = item["metadata"]
        yield from _triggered_by(about["namespace"], "endpointCondition", "endpoint", about["name"], caches)
    elif change.kind == POD:
        yield from _of_pod(item, caches)
    elif change.kind == CONFIG_MAP:
        yield from _of_defaults(item["metadata"]["namespace"], caches)
    else:
        yield from _owner(item, caches)
    if _leaves_room(change):
        yield from _next_in_line(item["metadata"].get("namespace", ""), caches)


def _first(namespace: str, caches: Caches) -> Iterator[Key]:
    """The Pipeline that has the namespace's artifacts swept from now on."""
    known = list(caches[names.PIPELINE].find("namespace", namespace))
    uid = first_of(map(views.meta, known))
    yield from (_key(names.PIPELINE, one) for one in known if one["metadata"]["uid"] == uid)


def _leaves_room(change: Change) -> bool:
    """Whether a place for a Job became free, or one who had claimed one does no longer."""
    if change.kind in (JOB, JOB_SET):
        over = change.after is None or not views.is_live_job(change.after)
        return over and change.before is not None and views.is_live_job(change.before)
    return change.kind == names.PIPELINE_RUN and _claims(change.after) < _claims(change.before)


def _claims(run: Object | None) -> int:
    return 0 if run is None else room.claims(views.run(run))


def _next_in_line(namespace: str, caches: Caches) -> Iterator[Key]:
    """The oldest run that waits for a place. When it has taken what it claims, the next one is looked at."""
    waiting = [views.run(one) for one in caches[names.PIPELINE_RUN].find("waits", namespace)]
    if waiting:
        yield Key(names.PIPELINE_RUN, namespace, min(waiting, key=room.age).meta.name)


def _resumes(change: Change) -> bool:
    """Whether a Pipeline was suspended or is no longer: runs that have not begun wait."""
    return _suspended(change.before) != _suspended(change.after)


def _orders_anew(change: Change) -> bool:
    """Whether another `policy.concurrency` holds: whose turn it is may have changed."""
    before, after = (
        ((one or {}).get("spec") or {}).get("policy") or {} for one in (change.before, change.after)
    )
    return bool(before.get("concurrency") != after.get("concurrency"))


def _suspended(item: Object | None) -> bool:
    return ((item or {}).get("spec") or {}).get("suspend") is True


def unfinished(caches: Caches) -> Iterator[Key]:
    """Everything about which a decision may still be made."""
    for kind in PLANNED_KINDS:
        for item in caches[kind].all():
            if kind != names.PIPELINE_RUN or not views.finished(item):
                yield _key(kind, item)
    for item in caches[names.MODEL_VERSION].all():
        for endpoint in (item.get("status") or {}).get("endpoints") or ():
            # It was deleted while nobody watched; the registry still says that it serves.
            if caches[names.MODEL_ENDPOINT].get(item["metadata"]["namespace"], endpoint) is None:
                yield Key(names.MODEL_ENDPOINT, item["metadata"]["namespace"], endpoint)


def _of_run(change: Change, caches: Caches) -> Iterator[Key]:
    item = change.subject
    if change.after is not None:
        yield _key(change.kind, item)
    spec = item.get("spec") or {}
    pipeline = spec.get("pipeline", "")
    if spec.get("partOf"):
        yield Key(names.PIPELINE_RUN, item["metadata"]["namespace"], spec["partOf"])
    yield Key(names.PIPELINE, item["metadata"]["namespace"], pipeline)
    if change.after is None or views.finished(item):
        yield from _unfinished(caches, "pipeline", _pipeline_index(item, pipeline))
    elif change.before is None and views.run(item).sort is RunSort.ORDINARY:
        yield from _begun(caches, _pipeline_index(item, pipeline))
    if _holds(change.before) != _holds(change.after):
        yield from _below(item, caches)
        if views.run(item).sort is RunSort.ORDINARY:
            yield from _in_line(caches, _pipeline_index(item, pipeline))


def _begun(caches: Caches, pipeline: str) -> Iterator[Key]:
    """The runs under way, which a new one may replace. Those that wait are looked at when these end."""
    for run in caches[names.PIPELINE_RUN].find("pipeline", pipeline):
        if (run.get("status") or {}).get("startedAt") and not views.finished(run):
            yield _key(names.PIPELINE_RUN, run)


def _in_line(caches: Caches, pipeline: str) -> Iterator[Key]:
    """The runs that have not begun: one that waits for another says whether that is suspended."""
    for run in caches[names.PIPELINE_RUN].find("pipeline", pipeline):
        if not ((run.get("status") or {}).get("startedAt") or views.finished(run)):
            yield _key(names.PIPELINE_RUN, run)


def _holds(run: Object | None) -> bool:
    return run is not None and views.run(run).holds


def _below(item: Object, caches: Caches) -> Iterator[Key]:
    """The unfinished runs that are steps of this one, and those of theirs: a suspension holds them all."""
    for child in caches[names.PIPELINE_RUN].find("owner", item["metadata"]["uid"]):
        if not views.finished(child):
            yield _key(names.PIPELINE_RUN, child)
            yield from _below(child, caches)


def _of_version(item: Object, caches: Caches) -> Iterator[Key]:
    namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
    yield from _unfinished(caches, "namespace", namespace)
    for endpoint in caches[names.MODEL_ENDPOINT].find("namespace", namespace):
        model, status = (endpoint.get("spec") or {}).get("model") or {}, endpoint.get("status") or {}
        if name in {model.get("version"), status.get("stable"), status.get("next")}:
            yield _key(names.MODEL_ENDPOINT, endpoint)
    spec = item.get("spec") or {}
    lineage = spec.get("lineage") or {}
    if lineage.get("pipeline"):
        yield Key(names.PIPELINE, namespace, lineage["pipeline"])
    yield from _triggered_by(namespace, "registry", "model", spec.get("model", ""), caches)


def _triggered_by(namespace: str, kind: str, field: str, value: str, caches: Caches) -> Iterator[Key]:
    """The Pipelines with a trigger of this kind whose field has this value."""
    for pipeline in caches[names.PIPELINE].find("namespace", namespace):
        triggers = (pipeline.get("spec") or {}).get("triggers") or ()
        if any((one.get(kind) or {}).get(field) == value for one in triggers):
            yield _key(names.PIPELINE, pipeline)


def _of_defaults(namespace: str, caches: Caches) -> Iterator[Key]:
    """Pipelines say what is wrong with them; runs that wait for their turn may have it now."""
    for pipeline in caches[names.PIPELINE].find("namespace", namespace):
        yield _key(names.PIPELINE, pipeline)
    yield from _unfinished(caches, "namespace", namespace)


def _of_pod(item: Object, caches: Caches) -> Iterator[Key]:
    namespace = item["metadata"]["namespace"]
    owner = controller_of(item) or {}
    if owner.get("kind") == JOB:
        job = caches[JOB].get(namespace, owner["name"])
        if job is not None:
            yield from _owner(job, caches)
        return
    # A server's pod belongs to a replica set, which is not watched; its label is a hint, and only that.
    endpoint = (item["metadata"].get("labels") or {}).get(names.LABEL_ENDPOINT)
    if endpoint:
        yield Key(names.MODEL_ENDPOINT, namespace, endpoint)


def _owner(item: Object, caches: Caches) -> Iterator[Key]:
    owner = controller_of(item) or {}
    if owner.get("kind") == JOB_SET:
        job_set = caches[JOB_SET].get(item["metadata"]["namespace"], owner["name"])
        owner = controller_of(job_set) or {} if job_set is not None else {}
    if owner.get("kind") in PLANNED_KINDS:
        yield Key(owner["kind"], item["metadata"]["namespace"], owner["name"])


def _unfinished(caches: Caches, index: str, value: str) -> Iterator[Key]:
    for run in caches[names.PIPELINE_RUN].find(index, value):
        if not views.finished(run):
            yield _key(names.PIPELINE_RUN, run)


def _pipeline_index(item: Object, pipeline: str) -> str:
    return f"{item['metadata']['namespace']}/{pipeline}"


def _key(kind: str, item: Object) -> Key:
    return Key(kind, item["metadata"]["namespace"], item["metadata"]["name"])
