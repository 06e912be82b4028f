"""docs/housekeeping.md says what the planner does."""

import random
import re
from datetime import datetime

import yaml

from penstock_spec import batch
from penstock_spec.base import seconds_of
from penstock_spec.defaults import NamespaceDefaults, read_defaults
from penstock_spec.names import Reason
from penstock_spec.shapes import Object as ObjectShape
from penstock_spec.shapes import object_shape
from penstock_spec.sweep import CONDEMNED, REPORT, WIDTH, pack
from tests.core.fake_cluster import FakeCluster, Object, task_of
from tests.core.flow_page import fate_of
from tests.core.housekeeping_page import EXAMPLES, PAGE, rows
from tests.core.simulation import Simulation
from tests.core.test_sweep import Nights


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


def test_the_defaults_on_the_page_are_in_order_and_say_all_that_can_be_said() -> None:
    found = read_defaults(EXAMPLES["penstock-defaults"][0]["data"])
    assert found.problems == ()
    said = found.values.as_set()
    told = rows("penstock-defaults", "| key | fields |")
    for name, field in object_shape(NamespaceDefaults).fields.items():
        assert isinstance(field.shape, ObjectShape)
        assert set(said[name]) == set(field.shape.fields)
        assert told[f"`{name}`"][0] == ", ".join(
            f"`{one}`" for one in _in_order(told[f"`{name}`"][0], field.shape)
        )


def _in_order(text: str, shape: ObjectShape) -> list[str]:
    """The fields of the shape, in the page's order."""
    return sorted(shape.fields, key=lambda one: text.index(f"`{one}`"))


def test_the_sweeper_of_the_page_does_what_it_says() -> None:
    section = PAGE[PAGE.index("## Artifacts") : PAGE.index("## Defaults")]
    (block,) = re.findall(r"^```yaml\n(.*?)^```\n", section, re.MULTILINE | re.DOTALL)
    data = yaml.safe_load(block)["data"]
    assert read_defaults(data).problems == ()
    nights = Nights.of(data["artifacts"]).go(24)
    (job,) = nights.told
    said = task_of(job)["arguments"]
    assert (said["mode"], said["keepSeconds"], said["graceSeconds"]) == ("Report", 30 * 86400, 86400)
    assert nights.entry()["endedAt"].startswith("2026-11-22T03:00:")
    events = (Reason.ARTIFACTS_FOUND, Reason.ARTIFACTS_SWEPT, Reason.SWEEP_FAILED)
    for told in (CONDEMNED, REPORT, Reason.TOO_MANY_REFERENCES, *events):
        assert f"{told}" in section
    noise = random.Random(1)  # noqa: S311 - digests, not secrets
    many = frozenset(noise.randbytes(WIDTH) for _ in range(80_000))
    assert "about 80,000" in section
    assert sum(map(len, pack(many))) <= batch.LIMIT


def test_the_runs_of_the_example_leave_the_records_that_the_page_describes() -> None:
    manifest = EXAMPLES["remembered"][0]
    simulation = Simulation(FakeCluster())
    meta = {**manifest["metadata"], "namespace": "ml"}
    simulation.person(lambda: simulation.cluster.create({**manifest, "metadata": meta}))
    for name in ("a", "b", "c"):
        simulation.run_to_rest()
        made = {"kind": "PipelineRun", "metadata": {"name": name, "namespace": "ml"}}
        simulation.person(
            lambda made=made: simulation.cluster.create({**made, "spec": {"pipeline": "remembered"}})
        )
    simulation.run_to_rest()
    assert len(list(simulation.cluster.find("PipelineRun"))) == manifest["spec"]["policy"]["keepRuns"]
    table = PAGE[PAGE.index("| field | what |") :].split("\n\n", 1)[0]
    told = {word for row in table.splitlines()[2:] for word in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert len(simulation.cluster.archive) >= 2
    for record in simulation.cluster.archive.values():
        assert set(record) == told
