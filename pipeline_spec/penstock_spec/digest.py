"""Digests: two specs that mean the same have the same digest, two that may give other results do not.

A digest is over canonical JSON of what the user set, defaults removed, so that neither a release of Penstock
that adds a field nor a client that writes a default out starts anything. See docs/adr/0003-digests.md.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock_spec.contract import FOR_EACH
from penstock_spec.pipeline import PipelineSpec
from penstock_spec.plain import canonical, plain
from penstock_spec.references import BUILT_IN_INPUTS
from penstock_spec.resolve import ResolvedStep

# Raised when the same arguments and inputs give another result, e.g. because a default that matters has
# changed.
KIND_CONTRACTS: Mapping[str, int] = {
    "ingest": 2,  # 2: profiles that windows of predictions can be compared with; so in split, train and run
    "split": 2,
    "train": 2,
    "validate": 1,
    "deploy": 1,
    "monitor": 1,
    "run": 2,
    "pipeline": 1,
}


def digest_of(data: Any) -> str:
    """`sha256:<hex>` over the canonical JSON of any JSON value.

    SpecError where it is none, or larger than 1 MiB.
    """
    return "sha256:" + hashlib.sha256(canonical(plain(data, limit=1024 * 1024)).encode()).hexdigest()


def packed(digest: str) -> str:
    """The digest in 43 characters (base64url), for lists of many."""
    return _base64(bytes.fromhex(digest.removeprefix("sha256:")))


def unpacked(text: str) -> str:
    """The digest that `packed` wrote."""
    return "sha256:" + base64.urlsafe_b64decode(text + "=").hex()


def key_of(digest: str) -> str:
    """The first 72 bits in 12 characters: enough to know a step's work again. A key stays as it is."""
    return _base64(bytes.fromhex(digest[7:25])) if digest.startswith("sha256:") else digest


def same_digest(one: str, other: str) -> bool:
    """Whether both are the same digest, as far as is known where one is only a key."""
    return one == other if len(one) == len(other) else key_of(one) == key_of(other)


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def run_digest(spec: PipelineSpec) -> str:
    """The digest whose change starts a run: over steps, parameters and secrets, as the user set them.

    Description, owner, policy and the descriptions of parameters do not count, nor does the order of the
    steps.
    """
    data = spec.as_set()
    parameters = [
        {key: value for key, value in one.items() if key != "description"}
        for one in data.get("parameters", [])
    ]
    return digest_of(
        {
            "steps": _by_name(data["steps"]),
            "parameters": _by_name(parameters),
            "secrets": _by_name(data.get("secrets", [])),
        }
    )


def _by_name(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {one["name"]: one for one in items}


@dataclass(frozen=True)
class Components:
    """Everything that determines a step's result; where two of them are equal, the results are.

    `inputs` maps input names to artifact digests. References to steps do not count: their digests do.
    """

    kind: str
    contract: int
    arguments: Mapping[str, Any]
    image: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    child: str = ""  # of a pipeline as a step: the run digest of what it executes
    gang: Mapping[str, Any] = field(default_factory=dict)  # its size may change what is learned
    iteration: int = 0  # of a step that is repeated: the same from the same is another try


def step_components(
    step: ResolvedStep, inputs: Mapping[str, str], *, child: str = "", cell: int = 0, repeated: bool = False
) -> Components:
    """The components of a resolved step, given the digests of its inputs by input name, and its child's.

    Of a step with forEach the `cell`'s number says which item of the list it is given, of one that is
    `repeated` which iteration it is.
    """
    arguments = {
        name: value
        for name, value in step.arguments.items()
        if name.removesuffix("From") not in BUILT_IN_INPUTS[step.kind]
    }
    if step.kind == "run":
        arguments = _without_references(arguments)
    elif "container" in arguments:
        arguments["container"] = _without_references(arguments["container"])
    return Components(
        kind=step.kind,
        contract=KIND_CONTRACTS[step.kind],
        arguments=arguments,
        image=step.image,
        secrets=dict(step.secrets),
        inputs={name: f"{one}#{cell}" if name == FOR_EACH else one for name, one in inputs.items()},
        child=child,
        gang=dict(step.gang),
        iteration=cell if repeated else 0,
    )


def _without_references(container: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in container.items() if name not in {"inputs", "inputsFrom", "image"}}


def step_digest(components: Components) -> str:
    """The digest by which a step's result is known again."""
    return digest_of(
        {
            "kind": components.kind,
            "contract": components.contract,
            "arguments": components.arguments,
            "image": components.image,
            "secrets": components.secrets,
            "inputs": components.inputs,
            **({"child": components.child} if components.child else {}),
            **({"gang": components.gang} if components.gang else {}),
            **({"iteration": components.iteration} if components.iteration else {}),
        }
    )


def reusable_image(image: str) -> bool:
    """Whether the same reference will mean the same bytes: it has a digest, or a tag other than latest.

    The empty reference stands for the built-in program, whose version is the kind's contract.
    """
    if image == "" or "@sha256:" in image:
        return True
    tag = image.rpartition("/")[2].partition(":")[2]
    return tag not in {"", "latest"}
