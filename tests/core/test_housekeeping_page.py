"""docs/housekeeping.md says what the planner does."""

from datetime import datetime

from penstock_spec.base import seconds_of
from tests.core.fake_cluster import FakeCluster, Object, task_of
from tests.core.flow_page import fate_of
from tests.core.housekeeping_page import EXAMPLES, rows
from tests.core.simulation import Simulation


def test_the_jobs_of_the_example_go_when_the_page_says() -> None:
    manifest, _ = EXAMPLES["tidy"]
    fates = {one["name"]: [fate] for one in manifest["spec"]["steps"] if (fate := fate_of(one))}
    simulation = Simulation(FakeCluster(fates=fates), tidies=True)
    gone: dict[str, datetime] = {}

    def watch(verb: str, item: Object) -> None:
        if item["kind"] == "Job" and verb == "delete":
            gone[task_of(item)["step"]] = simulation.cluster.now

    simulation.cluster.watchers.append(watch)
    meta = {**manifest["metadata"], "namespace": "ml"}
    simulation.person(lambda: simulation.cluster.create({**manifest, "metadata": meta}))
    simulation.run_to_rest()
    steps = simulation.steps("tidy-g1")
    for step, (state, kept) in rows("tidy", "| step | ends |").items():
        assert steps[step]["state"] == state
        waited = gone[step] - datetime.fromisoformat(steps[step]["finishedAt"])
        # A status tells whole seconds.
        assert seconds_of(kept) <= waited.total_seconds() < seconds_of(kept) + 1
