"""What the image that stands in for steps and server is made of."""

import re
from pathlib import Path

from tests.support import ROOT

STANDIN = ROOT / "tests/images/standin.Dockerfile"


def standin_modules() -> list[Path]:
    """The modules of penstock_spec that its Dockerfile names."""
    return [ROOT / name for name in re.findall(r"pipeline_spec/penstock_spec/\w+\.py", STANDIN.read_text())]
