"""What a step takes and gives, read from its raw data: known even where other parts of it are wrong."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from penstock_spec.base import FromValue, SpecModel
from penstock_spec.cells import MOST_ITERATIONS
from penstock_spec.contract import FOR_EACH
from penstock_spec.facts import Reference, RegistryFacts, Taken, TestFacts
from penstock_spec.kinds.child import Child, ChildOutputType
from penstock_spec.kinds.deploy import Deploy, Resources
from penstock_spec.kinds.ingest import Ingest
from penstock_spec.kinds.monitor import Monitor
from penstock_spec.kinds.run import OutputType, Run
from penstock_spec.kinds.split import Split
from penstock_spec.kinds.train import Train
from penstock_spec.kinds.validate import Validate
from penstock_spec.paths import Path
from penstock_spec.shapes import Entries, Object, Shape, object_shape
from penstock_spec.structure import objects
from penstock_spec.values import ParameterType

TABLE, MODEL, REPORT, FILES, LIST = "Table", "Model", "Report", "Files", "List"
KINDS: Mapping[str, type[SpecModel]] = {
    "ingest": Ingest,
    "split": Split,
    "train": Train,
    "validate": Validate,
    "deploy": Deploy,
    "monitor": Monitor,
    "run": Run,
    "pipeline": Child,
}
# The inputs that a kind has by itself, and the type that each takes.
BUILT_IN_INPUTS: Mapping[str, Mapping[str, str]] = {
    "ingest": {},
    "split": {"table": TABLE},
    "train": {"train": TABLE, "validation": TABLE},
    "validate": {"model": MODEL, "test": TABLE},
    "deploy": {"model": MODEL},
    "monitor": {},
    "run": {},
    "pipeline": {},
}
FIXED_OUTPUTS: Mapping[str, Mapping[str, str]] = {
    "ingest": {"table": TABLE},
    "train": {"model": MODEL},
    "validate": {"report": REPORT},
    "deploy": {},
    "monitor": {},
}
# Kinds that say themselves what they give, and the types that their outputs may have.
_DECLARING: Mapping[str, type[StrEnum]] = {"run": OutputType, "pipeline": ChildOutputType}
GROUPS = ("all", "any", "none")  # of a `when`
_REFERENCE = re.compile(r"([a-z](?:[-a-z0-9]*[a-z0-9])?)\.([a-z][a-z0-9_]*)")


@dataclass(frozen=True)
class StepFacts:
    """One step as far as it can be understood. `outputs` is None where what it gives is not known."""

    position: int
    name: str
    kind: str
    body: Mapping[str, Any]
    inputs: Mapping[str, Reference]
    outputs: Mapping[str, str] | None
    depends_on: Sequence[tuple[Path, str]]
    results: Mapping[str, str] | None = None  # name -> type, as far as known
    tests: Sequence["TestFacts"] = ()  # of `when`, in all groups
    until: Sequence["TestFacts"] = ()  # of `repeat`, in all groups
    always: bool = False
    taken: Sequence[Taken] = ()  # values of results
    registered: Mapping[str, RegistryFacts] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)  # all that stands in the step

    @property
    def path(self) -> Path:
        """Where the step stands."""
        return ("spec", "steps", self.position)

    @property
    def gives_lists(self) -> bool:
        """Whether the step is done for many cells of which each counts: what it gives is a list."""
        return "matrix" in self.data or FOR_EACH in self.data

    @property
    def same_as(self) -> str:
        """The step whose cells it has; empty where it has cells of its own, or none."""
        matrix = self.data.get("matrix")
        name = matrix.get("sameAs") if isinstance(matrix, Mapping) else None
        return name if isinstance(name, str) else ""

    @property
    def repeated(self) -> bool:
        """Whether its cells are iterations, one after the other: what it gives is what the last one gave."""
        return "repeat" in self.data

    @property
    def has_cells(self) -> bool:
        """Whether the step is done in cells, each with Jobs of its own."""
        return self.gives_lists or self.repeated

    @property
    def body_path(self) -> Path:
        """Where its kind's body stands."""
        return (*self.path, self.kind)


def read_steps(spec: Mapping[str, Any]) -> list[StepFacts]:
    """The facts of every step that has at least a name, in the order of the file.

    Of equal names, the first.
    """
    steps = spec.get("steps")
    facts: dict[str, StepFacts] = {}
    for position, step in enumerate(steps if isinstance(steps, list) else ()):
        name = step.get("name") if isinstance(step, Mapping) else None
        if isinstance(name, str) and name not in facts:
            facts[name] = _facts(position, name, step)
    return list(facts.values())


def container_of(kind: str, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The user's program of a step: the body itself for `run`, else what stands below `container`."""
    container = body if kind == "run" else body.get("container")
    return container if isinstance(container, Mapping) else None


def _facts(position: int, name: str, step: Mapping[str, Any]) -> StepFacts:
    path: Path = ("spec", "steps", position)
    kinds = [kind for kind in KINDS if isinstance(step.get(kind), Mapping)]
    kind = kinds[0] if len(kinds) == 1 else ""
    body: Mapping[str, Any] = step[kind] if kind else {}
    waits = step.get("dependsOn")
    return StepFacts(
        position=position,
        name=name,
        kind=kind,
        body=body,
        inputs={**dict(_inputs(kind, body, (*path, kind)) if kind else ()), **dict(_list(step, path))},
        outputs=outputs_of(kind, body),
        depends_on=[
            ((*path, "dependsOn", index), one)
            for index, one in enumerate(waits if isinstance(waits, list) else ())
            if isinstance(one, str)
        ],
        results=results_of(kind, body),
        always=step.get("always") is True,
        taken=list(_taken(kind, step, path)),
        registered=dict(_registered(kind, body, (*path, kind))) if kind else {},
        data=step,
        tests=list(_tests(step.get("when"), (*path, "when"))),
        until=list(_tests(_until(step), (*path, "repeat", "until"))),
    )


def most_iterations(step: Mapping[str, Any]) -> int:
    """How often a step that is repeated may be done; 1 where that is written wrongly."""
    repeat = step.get("repeat")
    limit = repeat.get("limit") if isinstance(repeat, Mapping) else None
    return limit if isinstance(limit, int) and 1 <= limit <= MOST_ITERATIONS else 1


def _until(step: Mapping[str, Any]) -> Any:
    repeat = step.get("repeat")
    return repeat.get("until") if isinstance(repeat, Mapping) else None


def results_of(kind: str, body: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Name and type of the small values that a step gives; None where the step's data does not tell."""
    if not kind:
        return None
    declared = body.get("results", []) if kind in _DECLARING else []
    if not isinstance(declared, list):
        return None
    results: dict[str, str] = {}
    for one in declared:
        name = one.get("name") if isinstance(one, Mapping) else None
        type_ = one.get("type", ParameterType.STRING.value) if isinstance(one, Mapping) else None
        if not isinstance(name, str) or type_ not in list(ParameterType):
            return None
        results[name] = str(type_)
    return results


def _tests(when: Any, path: Path) -> Iterator[TestFacts]:
    for group in GROUPS if isinstance(when, Mapping) else ():
        tests = when.get(group)
        for index, one in enumerate(tests if isinstance(tests, list) else ()):
            if isinstance(one, Mapping):
                yield _test(one, (*path, group, index))


def _test(test: Mapping[str, Any], path: Path) -> TestFacts:
    match = _REFERENCE.fullmatch(test["result"]) if isinstance(test.get("result"), str) else None
    if match is not None:
        return TestFacts(path, test, match[1], match[2])
    step = test.get("step")
    return TestFacts(path, test, step if isinstance(step, str) else "")


def _inputs(kind: str, body: Mapping[str, Any], path: Path) -> Iterator[tuple[str, Reference]]:
    for name, wanted in BUILT_IN_INPUTS[kind].items():
        found = _reference(body.get(name), (*path, name), wanted)
        if found is not None:
            yield name, found
    container = container_of(kind, body)
    inputs = {} if container is None else container.get("inputs")
    inside: Path = path if kind == "run" else (*path, "container")
    for name, text in inputs.items() if isinstance(inputs, Mapping) else ():
        found = _reference(text, (*inside, "inputs", name), "")
        if found is not None and name not in BUILT_IN_INPUTS[kind]:
            yield name, found


def _list(step: Mapping[str, Any], path: Path) -> Iterator[tuple[str, Reference]]:
    each = step.get(FOR_EACH)
    found = _reference(
        each.get("list") if isinstance(each, Mapping) else None, (*path, FOR_EACH, "list"), LIST
    )
    if found is not None:
        yield FOR_EACH, found


def _taken(kind: str, step: Mapping[str, Any], path: Path) -> Iterator[Taken]:
    """Every `{result: step.result}` in the step's body and resources."""
    parts: dict[str, type[SpecModel]] = {"resources": Resources, **({kind: KINDS[kind]} if kind else {})}
    for part, model in parts.items():
        for shape, data, place in objects(object_shape(model), step.get(part), (*path, part)):
            for name, one in shape.fields.items():
                for where, value in from_values(one.shape, data.get(name), (*place, name)):
                    match = _REFERENCE.fullmatch(value["result"]) if _is_text(value, "result") else None
                    if match is not None:
                        yield Taken((*where, "result"), match[1], match[2])


def _is_text(value: Mapping[str, Any], name: str) -> bool:
    return isinstance(value.get(name), str)


def from_values(shape: Shape, data: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The `{parameter: ...}` and the like that stand in a field that ends in From, one or a map of them."""
    if not isinstance(data, Mapping):
        return
    if isinstance(shape, Object) and shape.model is FromValue:
        yield path, data
    elif isinstance(shape, Entries):
        for name, value in data.items():
            yield from from_values(shape.value, value, (*path, name))


def _registered(kind: str, body: Mapping[str, Any], path: Path) -> Iterator[tuple[str, RegistryFacts]]:
    for name, wanted in BUILT_IN_INPUTS[kind].items():
        if wanted == MODEL:
            yield from _from_registry(name, body.get(f"{name}From"), (*path, f"{name}From"))
    given = (container_of(kind, body) or {}).get("inputsFrom")
    inside: Path = path if kind == "run" else (*path, "container")
    for name, source in given.items() if isinstance(given, Mapping) else ():
        if name not in BUILT_IN_INPUTS[kind]:
            yield from _from_registry(name, source, (*inside, "inputsFrom", name), in_container=True)


def _from_registry(
    name: str, source: Any, path: Path, *, in_container: bool = False
) -> Iterator[tuple[str, RegistryFacts]]:
    found = source.get("registered") if isinstance(source, Mapping) else None
    if isinstance(found, Mapping):
        yield name, RegistryFacts(path, found, source.get("optional") is True, in_container)


def _reference(text: Any, path: Path, wanted: str) -> Reference | None:
    match = _REFERENCE.fullmatch(text) if isinstance(text, str) else None
    return None if match is None else Reference(path, match[1], match[2], wanted)


def outputs_of(kind: str, body: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Name and type of what a step gives; None where the step's data does not tell."""
    if kind in FIXED_OUTPUTS:
        return FIXED_OUTPUTS[kind]
    if kind == "split":
        parts = body.get("fractions")
        return dict.fromkeys(parts, TABLE) if isinstance(parts, Mapping) else None
    if kind not in _DECLARING:
        return None
    declared = body.get("outputs", [])
    if not isinstance(declared, list):
        return None
    outputs: dict[str, str] = {}
    for one in declared:
        name = one.get("name") if isinstance(one, Mapping) else None
        type_ = one.get("type", OutputType.FILES.value) if isinstance(one, Mapping) else None
        if not isinstance(name, str) or type_ not in list(_DECLARING[kind]):
            return None
        outputs[name] = str(type_)
    return outputs
