"""What must hold beyond the shape of the file.

One module per subject; each finds all it can, whatever else is wrong.
"""

from collections.abc import Mapping
from typing import Any

from penstock_spec.errors import Problem
from penstock_spec.pipeline import PipelineSpec
from penstock_spec.shapes import object_shape
from penstock_spec.structure import structure_problems


def all_problems(data: Any, applied: Mapping[str, Any] | None) -> list[Problem]:
    """Every problem of a plain spec, in the order of the file as far as there is one."""
    return structure_problems(object_shape(PipelineSpec), data, ("spec",))
