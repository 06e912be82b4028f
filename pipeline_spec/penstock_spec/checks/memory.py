"""Memory that no program can start with: a number whose unit was forgotten means bytes."""

from collections.abc import Iterator, Mapping
from typing import Any

from penstock_spec.checks.document import Document, problem
from penstock_spec.errors import Problem, SpecReason
from penstock_spec.kinds.deploy import Resources
from penstock_spec.paths import Path
from penstock_spec.quantities import parse

LEAST = "16Mi"  # less than a container needs to begin at all


def steps(document: Document) -> Iterator[Problem]:
    """Each step that says how much memory it wants."""
    for shape, data, path in document.objects:
        if shape.model is Resources:
            yield from too_little(data, path)


def too_little(resources: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """What is wrong with the memory that `resources` ask for, at `path`."""
    asked = resources.get("memory")
    message = shortage(asked) if isinstance(asked, str) else ""
    if message:
        yield problem((*path, "memory"), SpecReason.OUT_OF_RANGE, message, f"Write {_meant(str(asked))}.")


def shortage(memory: str) -> str:
    """Why nothing starts with this memory, in words; empty where something may."""
    try:
        found = parse(memory)
    except ValueError:
        return ""  # reported by the check of its shape
    if found >= parse(LEAST):
        return ""
    unit = " bytes" if memory[-1].isdigit() else ""
    return f"is {memory}{unit}, less than the {LEAST} without which no container starts"


def _meant(memory: str) -> str:
    number = memory.rstrip("kKiMGT") or memory
    return (
        f"{number}Mi or {number}Gi for mebibytes or gibibytes" if memory[-1].isdigit() else f"{LEAST} or more"
    )
