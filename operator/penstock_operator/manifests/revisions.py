"""A pipeline's steps, frozen: an apps/v1 ControllerRevision, whose data the API server never lets anybody
change.
"""

from typing import Any

from penstock_operator.manifests import pods
from penstock_operator.manifests.identity import owner, with_hash
from penstock_spec import names, object_names
from penstock_spec.pipeline import PipelineSpec, Step

FROZEN_FIELDS = ("steps", "parameters", "secrets")


def frozen_data(spec: PipelineSpec) -> dict[str, Any]:
    """What a run depends on, as the user set it: steps, parameters and secrets."""
    data = spec.as_set()
    frozen = {name: data[name] for name in FROZEN_FIELDS if name in data}
    frozen["steps"] = [_said(*one) for one in zip(data["steps"], spec.steps, strict=True)]
    asked = _asked_triggers(spec)
    # They are no part of the digest, but a condition that names one is refused where there is none.
    triggers = [one for one in data.get("triggers", ()) if one["name"] in asked]
    return {**frozen, "triggers": triggers} if triggers else frozen


def _said(entry: dict[str, Any], step: Step) -> dict[str, Any]:
    """The step with all that it says of its resources: what is written out holds against every default, also
    where it is the same as ours.
    """
    said = step.resources.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {**entry, "resources": said} if said else entry


def _asked_triggers(spec: PipelineSpec) -> frozenset[str]:
    """The triggers that conditions of steps name."""
    found: set[str] = set()
    for step in spec.steps:
        tests = (
            (*(step.when.all_ or ()), *(step.when.any_ or ()), *(step.when.none or ())) if step.when else ()
        )
        for test in tests:
            if test.trigger is not None:
                found.update(test.trigger.in_ or (), test.trigger.not_in or ())
    return frozenset(found)


def revision(
    namespace: str, pipeline: str, pipeline_uid: str, digest: str, spec: PipelineSpec
) -> dict[str, Any]:
    """The ControllerRevision that freezes `spec`, named by its run digest."""
    return with_hash(
        {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": object_names.revision_name(pipeline, pipeline_uid, digest),
                "namespace": namespace,
                "labels": pods.labels(**{names.LABEL_PIPELINE: pipeline}),
                "ownerReferences": [owner(names.PIPELINE, names.API_VERSION, pipeline, pipeline_uid)],
            },
            # Required by the API; the order of revisions is that of the runs that name them.
            "revision": 1,
            "data": {"digest": digest, "spec": frozen_data(spec)},
        }
    )
