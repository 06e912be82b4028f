"""A pipeline's steps, frozen: an apps/v1 ControllerRevision, whose data the API server never lets anybody
change.
"""

from typing import Any

from penstock_operator.manifests import pods
from penstock_operator.manifests.identity import owner, with_hash
from penstock_spec import names
from penstock_spec.pipeline import PipelineSpec

FROZEN_FIELDS = ("steps", "parameters", "secrets")


def frozen_data(spec: PipelineSpec) -> dict[str, Any]:
    """What a run depends on, as the user set it: steps, parameters and secrets."""
    data = spec.as_set()
    return {name: data[name] for name in FROZEN_FIELDS if name in data}


def revision(
    namespace: str, pipeline: str, pipeline_uid: str, digest: str, spec: PipelineSpec
) -> dict[str, Any]:
    """The ControllerRevision that freezes `spec`, named by its run digest."""
    return with_hash(
        {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": names.revision_name(pipeline, pipeline_uid, digest),
                "namespace": namespace,
                "labels": pods.labels(**{names.LABEL_PIPELINE: pipeline}),
                "ownerReferences": [owner(names.PIPELINE, names.API_VERSION, pipeline, pipeline_uid)],
            },
            # Required by the API; the order of revisions is that of the runs that name them.
            "revision": 1,
            "data": {"digest": digest, "spec": frozen_data(spec)},
        }
    )
