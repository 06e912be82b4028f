"""Quotas: there may be room later, and what has been trained is not thrown away."""

from typing import Any

import pytest

from penstock_operator.core.actions import Action, Apply, Create, RegisterModel
from penstock_operator.core.observed import Refusal
from tests.core.fake_cluster import FakeCluster
from tests.core.fake_shell import FakeShell
from tests.core.pipelines import TUMOUR_NEEDS, tumour
from tests.core.simulation import Simulation, pipeline


class Full(FakeShell):
    """An operator whose namespace has no room for objects of one kind, until it has."""

    full: type[Any] | None = None

    def _one(self, action: Action, refusals: dict[str, Refusal]) -> bool:
        job = isinstance(action, Create) and action.manifest["kind"] == "Job"
        if self.full is not None and isinstance(action, self.full) and (job or self.full is not Create):
            name = action.model if isinstance(action, RegisterModel) else "tumour"
            name = action.manifest["metadata"]["name"] if isinstance(action, Create) else name
            refusals[name] = Refusal("QuotaExceeded", "exceeded quota: few")
            return True
        return super()._one(action, refusals)


@pytest.mark.parametrize(("kind", "step"), [(Create, "data"), (RegisterModel, "fit"), (Apply, "serve")])
def test_a_step_that_finds_no_room_for_its_object_waits_for_it(kind: type[Any], step: str) -> None:
    simulation = Simulation(FakeCluster(), TUMOUR_NEEDS)
    shell = Full(simulation.cluster)
    shell.full = kind
    simulation.shell = shell
    cluster = simulation.cluster
    simulation.person(lambda: cluster.create(pipeline("tumour", tumour())))
    for _ in range(80):
        cluster.settle()
        simulation._work()
        cluster.advance(1)
    entry = simulation.steps("tumour-g1")[step]
    assert (entry["reason"], entry["message"]) == ("QuotaExceeded", "exceeded quota: few")
    assert entry["state"] == ("Queued" if kind is Create else entry["state"])
    shell.full = None
    simulation.run_to_rest()
    assert {one["state"] for one in simulation.steps("tumour-g1").values()} == {"Succeeded"}
    assert len([one for one in simulation.jobs_created() if "-fit-" in one]) == 1


def test_a_retry_that_finds_no_room_keeps_its_count_and_goes_on_where_it_was() -> None:
    simulation = Simulation(FakeCluster(fates={"data": ["evicted"]}), TUMOUR_NEEDS)
    shell = Full(simulation.cluster)
    simulation.shell = shell
    cluster = simulation.cluster
    simulation.person(lambda: cluster.create(pipeline("tumour", tumour())))
    for _ in range(80):
        cluster.settle()
        simulation._work()
        cluster.advance(0.5)
        if simulation.jobs_created():
            shell.full = Create
    entry = simulation.steps("tumour-g1")["data"]
    assert (entry["state"], entry["reason"], entry["attempt"]) == ("Retrying", "QuotaExceeded", 1)
    shell.full = None
    simulation.run_to_rest()
    entry = simulation.steps("tumour-g1")["data"]
    assert (entry["state"], entry["attempt"], entry["retries"]) == ("Succeeded", 2, {"Disruption": 1})
