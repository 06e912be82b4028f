"""What a step refers to, each with its place in the file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock_spec.paths import Path


@dataclass(frozen=True)
class Reference:
    """An input: the output of another step. `wanted` is the type that fits; empty where any does."""

    path: Path
    step: str
    output: str
    wanted: str = ""

    @property
    def source(self) -> tuple[str, str]:
        """Step and output that are referred to."""
        return (self.step, self.output)

    def __str__(self) -> str:
        """As users write it."""
        return f"{self.step}.{self.output}"


@dataclass(frozen=True)
class Taken:
    """A field that takes the value of a result: `{result: step.result}`."""

    path: Path
    step: str
    result: str


@dataclass(frozen=True)
class RegistryFacts:
    """An input that is a model of the registry; `data` is what stands below `registered`."""

    path: Path
    data: Mapping[str, Any]
    optional: bool = False
    in_container: bool = False  # of the user's program, not of the kind itself

    @property
    def key(self) -> str:
        """Equal for inputs that are one version in every run."""
        source = self.data.get("versionFrom")
        if isinstance(source, Mapping):
            return f"({source.get('parameter')})"
        return str(self.data.get("version") or f"{self.data.get('model')}/{self.data.get('lifecycle')}")


@dataclass(frozen=True)
class TestFacts:
    """One test of a `when`. `step` is the one that it asks about, `result` what it asks of it; else empty."""

    path: Path
    data: Mapping[str, Any]
    step: str = ""
    result: str = ""

    @property
    def place(self) -> Path:
        """Where it names the step."""
        return (*self.path, "result" if self.result else "step")
