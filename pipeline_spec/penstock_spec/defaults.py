"""Defaults of a namespace: the ConfigMap `penstock-defaults`, which people write and runs freeze.

Each key of its data is a field here, each value YAML or JSON. What is in order holds; what is not is named
and holds nowhere, field by field: one mistake takes nothing else away.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import yaml
from pydantic import Field, StringConstraints

from penstock_spec.base import Between, Cpu, Digest, Duration, MapLimits, Memory, Rule, SpecModel
from penstock_spec.checks.memory import too_little
from penstock_spec.checks.triggers import cron_line
from penstock_spec.digest import digest_of
from penstock_spec.errors import Problem, SpecError, SpecReason, did_you_mean
from penstock_spec.paths import Path, show
from penstock_spec.plain import plain
from penstock_spec.policy import Archive, Concurrency, Deadline, KeepPods, OnFailure, Queue
from penstock_spec.shapes import Object, object_shape
from penstock_spec.structure import structure_problems, without_nulls
from penstock_spec.sweep import SweepMode

_LONGEST = 64 * 1024  # characters of one value
_Label = Annotated[
    str,
    StringConstraints(
        pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        max_length=317,
    ),
]
_Value = Annotated[
    str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)
]


class PolicyDefaults(SpecModel):
    """What holds where a pipeline's policy does not say otherwise."""

    concurrency: Concurrency | None = Field(default=None, description="As spec.policy.concurrency.")
    keep_runs: int | None = Field(default=None, ge=1, le=1000, description="As spec.policy.keepRuns.")
    keep_pods: KeepPods | None = Field(default=None, description="As spec.policy.keepPods.")
    archive: Archive | None = Field(default=None, description="As spec.policy.archive.")
    on_failure: OnFailure | None = Field(default=None, description="As spec.policy.onFailure.")
    deadline: Deadline | None = Field(default=None, description="As spec.policy.deadline.")
    queue: Queue | None = Field(default=None, description="As spec.policy.queue.")


class ResourceDefaults(SpecModel):
    """Of steps that ask for none."""

    cpu: Cpu | None = Field(default=None, description="As resources.cpu of a step.")
    memory: Memory | None = Field(default=None, description="As resources.memory of a step.")


class Toleration(SpecModel):
    """A taint of nodes that pods put up with, written as in a pod."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
            "without a key, operator must be Exists",
            holds=lambda data: "key" in data or data.get("operator") == "Exists",
        ),
        Rule(
            "!has(self.value) || !has(self.operator) || self.operator == 'Equal'",
            "value is for operator Equal only",
            holds=lambda data: "value" not in data or data.get("operator", "Equal") == "Equal",
        ),
    )

    key: _Label | None = Field(default=None, description="Key of the taint; left out, every one.")
    operator: Annotated[str, StringConstraints(pattern="^(Exists|Equal)$", max_length=6)] | None = Field(
        default=None, description="Exists, or Equal (default)."
    )
    value: _Value | None = Field(default=None, description="Value of the taint, with Equal.")
    effect: (
        Annotated[str, StringConstraints(pattern="^(NoSchedule|PreferNoSchedule|NoExecute)$", max_length=16)]
        | None
    ) = Field(default=None, description="NoSchedule, PreferNoSchedule or NoExecute; left out, all.")


class SchedulingDefaults(SpecModel):
    """Where the pods of steps run."""

    node_selector: Annotated[Mapping[_Label, _Value], MapLimits(properties=16, key_length=317)] = Field(
        default_factory=dict, description="Labels that a node must have."
    )
    tolerations: tuple[Toleration, ...] = Field(
        default=(), max_length=16, description="Taints of nodes that the pods put up with."
    )


class JobDefaults(SpecModel):
    """How many Jobs there may be."""

    max_parallel: int | None = Field(
        default=None,
        ge=1,
        le=10000,
        description="Jobs of runs that may live in the namespace at a time. Left out, as many as the "
        "installation says.",
    )


class ArtifactDefaults(SpecModel):
    """What becomes of artifacts in the store that nothing refers to."""

    keep: Annotated[Duration, Between("1d", "3650d")] | None = Field(
        default=None,
        description="How old an artifact must be, from its writing, before it may go. Left out, nothing is "
        "looked through.",
    )
    sweep: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(
        default="0 3 * * *", description="When to look, as in cron, in UTC."
    )
    mode: SweepMode = Field(
        default=SweepMode.REPORT, description="Report: say what would go. Delete: delete it."
    )


class NamespaceDefaults(SpecModel):
    """The data of the ConfigMap."""

    policy: PolicyDefaults = Field(default_factory=PolicyDefaults, description="Of pipelines.")
    resources: ResourceDefaults = Field(default_factory=ResourceDefaults, description="Of steps.")
    scheduling: SchedulingDefaults = Field(default_factory=SchedulingDefaults, description="Of steps' pods.")
    jobs: JobDefaults = Field(default_factory=JobDefaults, description="Of the namespace as a whole.")
    artifacts: ArtifactDefaults = Field(
        default_factory=ArtifactDefaults, description="Of the namespace's part of the store."
    )


class FrozenDefaults(SpecModel):
    """What a run keeps of its namespace's defaults, beside those of the policy."""

    digest: Digest = Field(description="Digest over the data of the ConfigMap penstock-defaults.")
    resources: ResourceDefaults = Field(
        default_factory=ResourceDefaults, description="Of steps that ask for none."
    )
    scheduling: SchedulingDefaults = Field(
        default_factory=SchedulingDefaults, description="Where the pods of steps run."
    )


@dataclass(frozen=True)
class Defaults:
    """The defaults of a namespace as read; the digest is empty where it has none."""

    digest: str = ""
    values: NamespaceDefaults = field(default_factory=NamespaceDefaults)
    problems: tuple[Problem, ...] = ()


def read_defaults(data: Mapping[str, Any]) -> Defaults:
    """What the data of the ConfigMap means. Asked at every event, so the last answers are kept."""
    return _read(json.dumps(data, sort_keys=True))


@lru_cache(maxsize=256)
def _read(text: str) -> Defaults:
    data: Mapping[str, Any] = json.loads(text)
    problems: list[Problem] = []
    shape = object_shape(NamespaceDefaults)
    found: dict[str, Any] = {}
    for key, value in data.items():
        part = shape.fields.get(key)
        if part is None or not isinstance(part.shape, Object):
            hint = did_you_mean(key, shape.fields)
            what = "is none of the defaults that a namespace can have"
            problems.append(Problem(show(("data", key)), SpecReason.UNKNOWN_FIELD, what, hint))
            continue
        try:
            found[key] = _sound(part.shape, _parsed(value, ("data", key)), ("data", key), problems)
        except SpecError as error:
            problems += error.problems
    return Defaults(
        digest_of(dict(data)), NamespaceDefaults.model_validate(found, by_alias=True), tuple(problems)
    )


def _parsed(text: Any, path: Path) -> Mapping[str, Any]:
    """The value as JSON data. SpecError where it is no mapping."""
    where = show(path)
    if not isinstance(text, str) or len(text) > _LONGEST:
        hint = "Write YAML or JSON of at most 64 KiB."
        raise SpecError([Problem(where, SpecReason.TOO_LARGE, "is not such a text", hint)])
    try:
        read = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        wrong = Problem(where, SpecReason.INVALID_VALUE, f"is not YAML{line}", "Mend it, or write JSON.")
        raise SpecError([wrong]) from None
    data = plain({} if read is None else read, path)
    if not isinstance(data, dict):
        raise SpecError([Problem(where, SpecReason.WRONG_TYPE, "is not a mapping", "Write name: value.")])
    return data


def _sound(shape: Object, data: Mapping[str, Any], path: Path, problems: list[Problem]) -> dict[str, Any]:
    """The fields in which nothing is wrong; the others go to `problems`."""
    data = without_nulls(shape, data)
    if shape.model is ArtifactDefaults and data and "keep" not in data:
        hint = "Write how old an artifact must be: keep: 30d."
        missing = "is missing, and without it nothing is looked through"
        problems.append(Problem(show((*path, "keep")), SpecReason.MISSING_FIELD, missing, hint))
    wrong = {name: list(_wrong(shape, name, value, path)) for name, value in data.items()}
    for name in data:
        problems += wrong[name]
    return {name: value for name, value in data.items() if not wrong[name]}


def _wrong(shape: Object, name: str, value: Any, path: Path) -> Iterator[Problem]:
    yield from structure_problems(shape, {name: value}, path)
    if shape.model is ResourceDefaults:
        yield from too_little({name: value}, path)
    if shape.model is ArtifactDefaults and name == "sweep":
        yield from cron_line(value, (*path, name))
