"""Figures of Pipelines for Prometheus, read from their status whenever somebody asks: what of them does not
work though no run has failed.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from penstock_operator.core.conditions import is_true
from penstock_operator.core.endpoint_figures import Family, Figure
from penstock_spec.names import Condition

WHERE = ("namespace", "pipeline")  # the labels of each
FAMILIES: Mapping[str, Family] = {
    "penstock_pipeline_archive_failing": Family("1 while records of its finished runs cannot be written"),
    "penstock_pipeline_triggers_failing": Family("Triggers that could not look at what they watch"),
}


def figures(pipelines: Iterable[Mapping[str, Any]]) -> Iterator[Figure]:
    """Every figure of these Pipelines."""
    for item in pipelines:
        where = (item["metadata"].get("namespace", ""), item["metadata"]["name"])
        status = item.get("status") or {}
        failing = float(is_true(status, Condition.ARCHIVE_FAILING))
        yield Figure("penstock_pipeline_archive_failing", where, failing)
        # One that is suspended does not look at all: what it met before says nothing.
        looks = () if (item.get("spec") or {}).get("suspend") else status.get("triggers") or ()
        blind = sum(1 for one in looks if one.get("failures"))
        yield Figure("penstock_pipeline_triggers_failing", where, float(blind))
