"""Models of the registry as inputs: which version a run reads is pinned before its steps begin."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import DNS_1035, FromParameter, Name40, Rule, SpecModel, exactly_one

MAX_PINNED = 32  # different references in one pipeline
VersionName = Annotated[str, StringConstraints(pattern=DNS_1035, min_length=1, max_length=63)]


class Standing(StrEnum):
    """How far a version that is asked for must have come."""

    CANDIDATE = "Candidate"
    APPROVED = "Approved"
    PRODUCTION = "Production"


def _together(registered: Mapping[str, Any]) -> bool:
    return ("model" in registered) == ("lifecycle" in registered)


class Registered(SpecModel):
    """Names a version in the registry: itself, or the newest of a model that has come so far."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("model", "version", "versionFrom"),
        Rule(
            "has(self.model) == has(self.lifecycle)",
            "set model and lifecycle together; a version stands by itself",
            holds=_together,
        ),
    )

    model: Name40 | None = Field(
        default=None, description="Model of the registry; of its versions the newest that has come so far."
    )
    lifecycle: Standing | None = Field(
        default=None,
        description="Production: an endpoint serves it. Approved: its gates have passed it, whether or not "
        "it serves by now. Candidate: no gate has judged it yet.",
    )
    version: VersionName | None = Field(default=None, description="This very ModelVersion: tumour-3")
    version_from: FromParameter | None = Field(
        default=None, description="The ModelVersion that this parameter names."
    )


class FromRegistry(SpecModel):
    """An input that no step of this pipeline makes."""

    registered: Registered = Field(
        description="Version in the registry of this namespace. A run pins it before its steps begin."
    )


class RegisteredInput(FromRegistry):
    """A registered model that a program may do without."""

    optional: bool = Field(
        default=False,
        description="Where the registry has no such version: true, the program runs and finds no such "
        "folder; false, the step fails.",
    )


class PinnedVersion(SpecModel):
    """The version that a run reads wherever its pipeline has this reference."""

    reference: Annotated[str, StringConstraints(max_length=64)] = Field(
        description="The version's name, or model and lifecycle as tumour/Production."
    )
    version: Annotated[str, StringConstraints(max_length=63)] = Field(
        default="", description="ModelVersion. Left out where there was none that fits."
    )
    digest: Annotated[str, StringConstraints(max_length=71)] = Field(
        default="", description="Digest of its bytes, whatever becomes of the ModelVersion."
    )
