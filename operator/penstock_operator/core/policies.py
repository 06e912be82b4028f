"""What policy holds: what the pipeline says, before what its namespace says, before what we say."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from penstock_operator.core.actions import EventNote
from penstock_operator.core.conditions import Wanted, find
from penstock_operator.core.frozen import Definition
from penstock_operator.core.observed import Ref
from penstock_operator.core.text import clip
from penstock_spec import names
from penstock_spec.defaults import Defaults
from penstock_spec.errors import format_problems
from penstock_spec.names import Condition, Reason
from penstock_spec.policy import Policy

DEFAULTS = Ref("ConfigMap", names.DEFAULTS)
_EVENT_LENGTH = 1000


def with_defaults(definition: Definition, defaults: Defaults) -> Definition:
    """The definition with the policy that holds. Its digest is the same: no policy is part of it."""
    spec = definition.pipeline.spec
    policy = effective(spec.policy, defaults)
    if policy is spec.policy:
        return definition
    return replace(
        definition, pipeline=replace(definition.pipeline, spec=spec.model_copy(update={"policy": policy}))
    )


def effective(policy: Policy, defaults: Defaults) -> Policy:
    """The policy with the namespace's defaults where it is silent. A default written out is no silence."""
    given = defaults.values.policy.as_set()
    if not given:
        return policy
    said = policy.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return Policy.model_validate(_over(given, said), by_alias=True, by_name=False)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both, and where they differ what is above; mappings field by field."""
    found = dict(below)
    for name, value in above.items():
        old = found.get(name)
        found[name] = _over(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return found


def kept_defaults(defaults: Defaults) -> dict[str, Any]:
    """What the snapshot of a run says of them; empty where the namespace has none."""
    if not defaults.digest:
        return {}
    values = defaults.values.as_set()
    frozen = {name: values[name] for name in ("resources", "scheduling") if name in values}
    return {"defaults": {"digest": defaults.digest, **frozen}}


def defaults_condition(defaults: Defaults) -> tuple[Wanted, ...]:
    """What a Pipeline says of its namespace's defaults; nothing where there are none."""
    if not defaults.digest:
        return ()
    if not defaults.problems:
        return (Wanted(Condition.DEFAULTS_ACCEPTED, status=True, reason=Reason.ACCEPTED),)
    words = f"ConfigMap {names.DEFAULTS}: {format_problems(defaults.problems, 4096)}"
    return (Wanted(Condition.DEFAULTS_ACCEPTED, status=False, reason=Reason.INVALID_DEFAULTS, message=words),)


def defaults_notes(status: Mapping[str, Any], defaults: Defaults) -> tuple[EventNote, ...]:
    """An Event when something else is wrong with them than was said before."""
    told = find(status, Condition.DEFAULTS_ACCEPTED) or {}
    return tuple(
        EventNote(one.reason, clip(one.message, _EVENT_LENGTH), warning=True)
        for one in defaults_condition(defaults)
        if one.message and one.message != told.get("message")
    )
