"""Programs of users: environment, secrets, and names that would collide in /penstock."""

from collections.abc import Iterator, Mapping

from penstock_spec.checks.document import Document, dicts, problem
from penstock_spec.contract import PREVIOUS, RESERVED_PREFIX
from penstock_spec.errors import Problem, SpecReason, did_you_mean
from penstock_spec.kinds.container import EnvVar
from penstock_spec.paths import Path
from penstock_spec.references import BUILT_IN_INPUTS, container_of

# /penstock/out/log is the file that a program may tee its log to (see contract.py).
_RESERVED_OUTPUT = "log"


def environment(document: Document) -> Iterator[Problem]:
    """No variable of ours is overwritten, and every secret is declared."""
    for shape, data, path in document.objects:
        if shape.model is not EnvVar:
            continue
        name = data.get("name")
        if isinstance(name, str) and name.upper().startswith(RESERVED_PREFIX):
            message = f"names that begin with {RESERVED_PREFIX} are set by Penstock itself"
            yield problem((*path, "name"), SpecReason.RESERVED_NAME, message, "Choose another name.")
        secret = data.get("secret")
        alias = secret.get("name") if isinstance(secret, Mapping) else None
        if isinstance(alias, str) and alias not in document.secrets:
            hint = did_you_mean(alias, document.secrets)
            hint = hint or f"Add {{name: {alias}, secret: <name of the Secret>}} to spec.secrets."
            message = f'the pipeline declares no secret "{alias}"'
            yield problem((*path, "secret", "name"), SpecReason.UNKNOWN_SECRET, message, hint)


def names(document: Document) -> Iterator[Problem]:
    """Inputs that a kind has by itself, and outputs that would lie where a file of ours lies."""
    for step in document.steps:
        container = container_of(step.kind, step.body)
        inputs = [
            (place, name)
            for place in ("inputs", "inputsFrom")
            for name in _keys({} if container is None else container.get(place))
        ]
        inside: Path = step.body_path if step.kind == "run" else (*step.body_path, "container")
        taken = {"source"} if step.kind == "ingest" else set(BUILT_IN_INPUTS.get(step.kind, ()))
        for place, given in inputs:
            if given == PREVIOUS and step.repeated:
                message = "the outputs of the iteration before lie in /penstock/in/previous"
                yield problem(
                    (*inside, place, given), SpecReason.RESERVED_NAME, message, "Choose another name."
                )
            if given in taken:
                message = f"a container of {step.kind} has the input {given} already"
                yield problem(
                    (*inside, place, given), SpecReason.RESERVED_NAME, message, "Choose another name."
                )
        for path, name in _outputs(step.kind, step.body, step.body_path):
            if name == _RESERVED_OUTPUT:
                message = "the name log is taken: /penstock/out/log is the program's log"
                yield problem(path, SpecReason.RESERVED_NAME, message, "Choose another name.")


def _keys(found: object) -> Iterator[str]:
    return iter(found if isinstance(found, Mapping) else ())


def _outputs(kind: str, body: Mapping[str, object], path: Path) -> Iterator[tuple[Path, object]]:
    fractions = body.get("fractions")
    if kind == "split" and isinstance(fractions, Mapping):
        for name in fractions:
            yield (*path, "fractions", name), name
    if kind == "run":
        for position, one in dicts(body.get("outputs")):
            yield (*path, "outputs", position, "name"), one.get("name")
