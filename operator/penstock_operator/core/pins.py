"""Which versions of registered models a run reads: chosen once, by what its pipeline asks for.

Two inputs that ask for the same get the same, whatever becomes of the registry while the run goes on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock_operator.core.observed import VersionView
from penstock_spec.graph import CompiledPipeline
from penstock_spec.model_version import Lifecycle
from penstock_spec.references import RegistryFacts
from penstock_spec.registered import Standing

# What a version has come to at least; the registry's newest of them is meant.
_STANDS: Mapping[str, frozenset[str]] = {
    # One that is deployed does not cease to be approved: else the next run would go back to an older one.
    Standing.APPROVED: frozenset({Lifecycle.APPROVED, Lifecycle.PRODUCTION}),
    Standing.PRODUCTION: frozenset({Lifecycle.PRODUCTION}),
    Standing.CANDIDATE: frozenset({Lifecycle.CANDIDATE, ""}),  # empty: registered a moment ago
}


@dataclass(frozen=True)
class Pin:
    """The version that a reference means in this run; empty where there was none."""

    version: str = ""
    digest: str = ""


Pins = Mapping[str, Pin]  # by reference


def pins_of(status: Mapping[str, Any]) -> Pins:
    """What a run's status says that it reads."""
    return {
        one["reference"]: Pin(one.get("version", ""), one.get("digest", ""))
        for one in status.get("pinned", ())
    }


def to_status(pins: Pins) -> list[dict[str, str]]:
    """The same as it stands in the status."""
    entries = (
        {"reference": name, "version": pin.version, "digest": pin.digest} for name, pin in pins.items()
    )
    return [{key: value for key, value in entry.items() if value} for entry in entries]


def reference_of(facts: RegistryFacts, values: Mapping[str, Any]) -> str:
    """The reference of an input in a run with these parameters: tumour-3, or tumour/Production."""
    source = facts.data.get("versionFrom")
    return facts.key if source is None else str(values[source["parameter"]])


def reads_registry(pipeline: CompiledPipeline) -> bool:
    """Whether any step reads a registered model."""
    return any(pipeline.registered(step.name) for step in pipeline.spec.steps)


def references(pipeline: CompiledPipeline, values: Mapping[str, Any]) -> Sequence[str]:
    """All that the pipeline asks of the registry, in the order of the file."""
    inputs = (one for step in pipeline.spec.steps for one in pipeline.registered(step.name).values())
    return tuple(dict.fromkeys(reference_of(one, values) for one in inputs))


def choose(wanted: Iterable[str], versions: Sequence[VersionView], kept: Pins) -> Pins:
    """The version that each reference means now; those that are `kept` stay what they were."""
    known = {name: pin for name, pin in kept.items() if pin.version}
    return {name: known.get(name) or _chosen(name, versions) for name in wanted}


def _chosen(reference: str, versions: Sequence[VersionView]) -> Pin:
    model, _, standing = reference.partition("/")
    if not standing:
        fitting = [one for one in versions if one.meta.name == reference]
    else:
        stands = _STANDS[standing]
        fitting = [one for one in versions if one.model == model and one.lifecycle in stands]
    newest = max(fitting, key=lambda one: one.number, default=None)
    return Pin() if newest is None else Pin(newest.meta.name, newest.digest)


def read_by(
    pipeline: CompiledPipeline, step: str, values: Mapping[str, Any], pins: Pins
) -> Mapping[str, Pin]:
    """What a step reads of the registry, by input name, as far as that is there."""
    inputs = pipeline.registered(step)
    found = {name: pins.get(reference_of(one, values), Pin()) for name, one in inputs.items()}
    return {name: pin for name, pin in found.items() if pin.version}
