"""Series of pipelines: what their status says, and nothing of pipelines that are gone."""

from typing import Any

import pytest

from penstock_operator.metrics import Metrics


def series(*pipelines: dict[str, Any]) -> dict[str, float]:
    """Each series of pipelines with its value, as a scrape gets it."""
    metrics = Metrics()
    metrics.pipelines(lambda: pipelines)
    lines = metrics.text().decode().splitlines()
    found = [line.rpartition(" ") for line in lines if line.startswith("penstock_pipeline_")]
    return {name.removeprefix("penstock_pipeline_"): float(value) for name, _, value in found}


def pipeline(*, suspend: bool = False, **status: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "ml", "name": "p"}, "spec": {"suspend": suspend}, "status": status}


P = 'namespace="ml",pipeline="p"'
WELL = {f"archive_failing{{{P}}}": 0.0, f"triggers_failing{{{P}}}": 0.0}
BLIND = [
    {"name": "data", "failures": 3, "trouble": "the store does not answer"},
    {"name": "tag", "failures": 1},
    {"name": "branch"},
]


def failing(status: str) -> list[dict[str, str]]:
    return [{"type": "Ready", "status": "True"}, {"type": "ArchiveFailing", "status": status}]


@pytest.mark.parametrize(
    ("item", "changed"),
    [
        ({"metadata": {"namespace": "ml", "name": "p"}}, {}),
        (pipeline(conditions=failing("False"), triggers=[{"name": "nightly"}]), {}),
        (pipeline(conditions=failing("True")), {"archive_failing": 1.0}),
        (pipeline(triggers=BLIND), {"triggers_failing": 2.0}),
        (pipeline(suspend=True, triggers=BLIND), {}),
    ],
    ids=["not looked at yet", "all is well", "records cannot be written", "two are blind", "it is suspended"],
)
def test_a_pipeline_tells_what_fails_beside_its_runs(item: dict[str, Any], changed: dict[str, float]) -> None:
    assert series(item) == WELL | {f"{name}{{{P}}}": value for name, value in changed.items()}


def test_pipelines_that_are_gone_tell_nothing() -> None:
    assert series() == {}
