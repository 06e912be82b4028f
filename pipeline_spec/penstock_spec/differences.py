"""What differs between two makings of a step, in the words of whoever wrote the pipeline."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock_spec.digest import Components
from penstock_spec.graph import CompiledPipeline
from penstock_spec.paths import Path, clip, show
from penstock_spec.plain import canonical

WHY_LENGTH = 256  # status.StepStatus.why
_SHOWN = 60  # characters of a value
_LEAD = 16  # of these before the first that differs
_UNSAID = frozenset({"env", "secrets"})  # values that may be confidential are not repeated


@dataclass(frozen=True)
class Said:
    """How users know parts of a step."""

    inputs: Mapping[str, str] = field(default_factory=dict)  # what feeds an input: data.table, tumour-3
    parameters: Mapping[Path, str] = field(default_factory=dict)  # whose value stands at a place of the step


def said_of(pipeline: CompiledPipeline, step: str, versions: Mapping[str, str] | None = None) -> Said:
    """How the pipeline's author knows the step's inputs and the places of parameters.

    `versions` are the registered models that a run reads, by input name.
    """
    found = pipeline.spec.step(step)
    body = found.body.as_set()
    return Said(
        inputs={name: ".".join(source) for name, source in pipeline.inputs(step).items()}
        | {**(versions or {})},
        parameters=dict(_parameter_places(("steps", step, found.kind), body)),
    )


def _parameter_places(path: Path, body: Any) -> Iterator[tuple[Path, str]]:
    """Each place in a resolved body that holds a parameter's value, and the name of the parameter.

    `body` is what the user set, `path` where it stands.
    """
    if isinstance(body, Mapping):
        for name, value in body.items():
            target = (*path, name.removesuffix("From"))
            if name.endswith("From") and isinstance(value, Mapping):
                yield from _sources(target, value)
            yield from _parameter_places((*path, name), value)
    elif isinstance(body, list):
        for index, value in enumerate(body):
            yield from _parameter_places((*path, index), value)


def _sources(target: Path, value: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """`{parameter: trees}`, or a map of names to such."""
    if isinstance(value.get("parameter"), str):
        yield target, value["parameter"]
    for name, one in value.items():
        if isinstance(one, Mapping) and isinstance(one.get("parameter"), str):
            yield (*target, name), one["parameter"]


def difference(
    step: str, old: Components | None, new: Components, before: Said | None = None, now: Said | None = None
) -> str:
    """Why a step runs: the first component that differs from before, in words of at most 256 characters.

    Empty where nothing differs. Values of environment variables are never repeated.
    """
    if old is None:
        return "first run"
    changes = list(dict.fromkeys(_changes(step, old, new, before or Said(), now or Said())))
    if not changes:
        return ""
    more = f" (and {len(changes) - 1} more)" if len(changes) > 1 else ""
    return clip(f"changed: {changes[0]}", WHY_LENGTH - len(more)) + more


def _changes(step: str, old: Components, new: Components, before: Said, now: Said) -> Iterator[str]:
    if old.kind != new.kind:
        yield f"steps.{step} is {new.kind}, was {old.kind}"
        return
    if old.contract != new.contract:
        yield f"contract of {new.kind} {old.contract} -> {new.contract}"
    for path, was, is_ in _differing(("steps", step, new.kind), old.arguments, new.arguments):
        parameter = now.parameters.get(path)
        named = parameter is not None and parameter == before.parameters.get(path)
        place = f"parameters.{parameter}" if named else show(path)
        yield place if _UNSAID & set(path) else f"{place} {_both(was, is_)}"
    for path, was, is_ in _differing(("steps", step, "gang"), old.gang, new.gang):
        yield f"{show(path)} {_both(was, is_)}"
    if old.image != new.image:
        yield f"image {old.image or 'built in'} -> {new.image or 'built in'}"
    for alias in sorted({*old.secrets, *new.secrets}):
        if old.secrets.get(alias) != new.secrets.get(alias):
            yield f"secret {alias}"
    for name in sorted({*old.inputs, *new.inputs}):
        if old.inputs.get(name) != new.inputs.get(name):
            yield f"input {_fed(name, before, now)}"


def _fed(name: str, before: Said, now: Said) -> str:
    """An input by what feeds it; where that is another thing than before, by its own name and both."""
    was, is_ = before.inputs.get(name, ""), now.inputs.get(name, "")
    if was == is_:
        return is_ or name
    return f"{name}: {was or 'unset'} -> {is_ or 'unset'}"


def _differing(path: Path, old: Any, new: Any) -> Iterator[tuple[Path, Any, Any]]:
    """Each leaf in which two JSON values differ, with both."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted({*old, *new}):
            yield from _differing((*path, name), old.get(name), new.get(name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differing((*path, index), before, after)
    elif canonical(old) != canonical(new):
        yield path, old, new


def _both(was: Any, is_: Any) -> str:
    """Both values as far as there is room for them; of long texts the part where they begin to differ."""
    if isinstance(was, str) and isinstance(is_, str):
        pairs = zip(was, is_, strict=False)
        same = next((at for at, (old, new) in enumerate(pairs) if old != new), min(len(was), len(is_)))
        if same > _SHOWN - _LEAD:
            was, is_ = (f"…{one[same - _LEAD :]}" for one in (was, is_))
    return f"{_short(was)} -> {_short(is_)}"


def _short(value: Any) -> str:
    if value is None:
        return "unset"
    return f"{len(value)} items" if isinstance(value, list) else clip(canonical(value), _SHOWN)
