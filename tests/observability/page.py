"""What docs/observability.md tells a user to do, taken at its word."""

import re
from typing import Any

import yaml

from tests.support import ROOT

TEXT = (ROOT / "docs/observability.md").read_text()


def configuration() -> dict[str, Any]:
    """The configuration for a plain Prometheus."""
    (block,) = re.findall(r"^```yaml\n# prometheus\.yml\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
    found: dict[str, Any] = yaml.safe_load(block)
    return found


def scrape_jobs() -> list[dict[str, Any]]:
    """Its jobs."""
    jobs: list[dict[str, Any]] = configuration()["scrape_configs"]
    return jobs
