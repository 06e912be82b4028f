"""Pipelines that wait for triggers, and whose runs keep what the trigger saw."""

from collections.abc import Mapping
from typing import Any

from tests.support import pipeline

COPY = "import shutil; shutil.copy('/penstock/arguments.json', '/penstock/out/said/arguments.json')"


def listener(
    namespace: str, image: str, triggers: Mapping[str, dict[str, Any]], **fields: Any
) -> dict[str, Any]:
    """The Pipeline "ear" with these triggers by name. Its one step takes what a trigger saw."""
    step = {
        "name": "say",
        "run": {
            "image": image,
            "command": ["python3", "-c", COPY],
            "argumentsFrom": {"seen": {"parameter": "triggeredBy"}},
            "outputs": [{"name": "said"}],
        },
    }
    named = [{"name": name, **one} for name, one in triggers.items()]
    return pipeline(
        "ear", namespace, {"policy": {"onChange": "Wait"}, "triggers": named, "steps": [step], **fields}
    )
