"""Whether a Pipeline takes a message, and the run that it starts. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from penstock_operator.core.frozen import define
from penstock_operator.core.start import parameter_problem
from penstock_operator.core.text import clip
from penstock_operator.core.times import stamp
from penstock_operator.manifests.runs import Start, run
from penstock_operator.webhook.messages import Address
from penstock_operator.webhook.refusals import Refused, not_found
from penstock_spec.errors import SpecError
from penstock_spec.trigger_names import cause_name

Object = Mapping[str, Any]
_WORDS = 2000


def run_for(
    address: Address,
    pipeline: Object,
    applied: Object | None,
    delivery: str,
    parameters: Mapping[str, Any],
    now: datetime,
) -> dict[str, Any]:
    """The run of this delivery. Raises Refused where the Pipeline does not take it.

    Its name follows from the delivery: the API server is the lock against a second one.
    """
    meta, spec = pipeline["metadata"], pipeline.get("spec") or {}
    triggers = spec.get("triggers") or ()
    taken = any(one.get("name") == address.trigger and "webhook" in one for one in triggers)
    if not taken or "deletionTimestamp" in meta:
        raise not_found(address.namespace, address.pipeline, address.trigger)
    if spec.get("suspend") is True:
        raise Refused(409, "Suspended", f"Pipeline {address.pipeline} is suspended: nothing is started")
    try:
        compiled = define(spec, applied, address.pipeline).pipeline
    except SpecError:
        raise Refused(
            409, "PipelineRefused", f"the spec of Pipeline {address.pipeline} is refused; its status says why"
        ) from None
    problem = parameter_problem(compiled, parameters, stamp(now), delivery)
    if problem is not None:
        raise Refused(422, problem.reason, clip(problem.message, _WORDS))
    return run(
        Start(
            namespace=address.namespace,
            name=cause_name(address.pipeline, meta["uid"], address.trigger, "delivery", delivery),
            pipeline=address.pipeline,
            pipeline_uid=meta["uid"],
            revision="",
            generation=0,
            trigger=address.trigger,
            triggered_by={"delivery": delivery},
            parameters=parameters,
        )
    )
