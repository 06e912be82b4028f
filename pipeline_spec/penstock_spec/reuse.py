"""Whether what an earlier run has made from exactly the same is made again. No part of any step's digest."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field

from penstock_spec.base import Duration, Rule, SpecModel


class ReusePolicy(StrEnum):
    """When an earlier result is taken over."""

    WHEN_UNCHANGED = "WhenUnchanged"
    ALWAYS = "Always"
    NEVER = "Never"


def _ages(reuse: Mapping[str, Any]) -> bool:
    return "maxAge" not in reuse or reuse.get("policy") != ReusePolicy.NEVER


class Reuse(SpecModel):
    """When the step's result is taken over from an earlier run instead of being made again."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.maxAge) || !has(self.policy) || self.policy != 'Never'",
            "what is never reused has no age: remove maxAge, or policy: Never",
            holds=_ages,
        ),
    )

    policy: ReusePolicy = Field(
        default=ReusePolicy.WHEN_UNCHANGED,
        description="WhenUnchanged: if all that determines the result is as it was, and its image has a "
        "fixed tag or digest. Always: even if the image has none, or :latest. Never: it runs in every run.",
    )
    max_age: Duration | None = Field(
        default=None,
        description="Only if the result had been made no longer than this before the run was created, as "
        "12h or 7d. It counts from when it was really made, however often it was reused since. Left out, any "
        "age.",
    )


class RunReuse(StrEnum):
    """What a run says about reuse."""

    BY_STEP = "ByStep"
    NEVER = "Never"
