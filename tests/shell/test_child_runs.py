"""Runs that are steps of others: who looks again, what is gathered, how they are ended and taken up."""

from pathlib import Path
from typing import Any

import pytest

from penstock_operator import errors
from penstock_operator.act import Actor
from penstock_operator.caches import Caches
from penstock_operator.core.actions import Cancel
from penstock_operator.core.observed_run import ObservedRun
from penstock_operator.manifests.children import ChildStart, child_run
from penstock_operator.manifests.identity import may_adopt
from penstock_operator.observe import Observer
from penstock_operator.reads import Findings, Reads
from penstock_operator.routes import affected
from penstock_operator.store import Change
from tests.core.pipelines import programs
from tests.shell.desk import Desk, desk
from tests.shell.test_gathering import FINISHED, item

API = "penstock.dev/v1alpha1"


def run(name: str, parent: str = "", **fields: Any) -> dict[str, Any]:
    """A run, a step of `parent` where that is given."""
    spec = {"pipeline": f"of-{name}", **({"partOf": parent, "step": "sub"} if parent else {})}
    return item("PipelineRun", name, owner=("PipelineRun", parent) if parent else None, spec=spec, **fields)


def family() -> Caches:
    caches = Caches(lambda _change: None)
    done = run("done", "top", status=FINISHED)
    begun = {"startedAt": "2026-11-25T10:00:00Z"}
    stranger = item("PipelineRun", "stranger", spec={"pipeline": "of-top"}, status=begun)
    for one in (run("top"), run("middle", "top"), run("low", "middle"), done, stranger):
        caches.learn("PipelineRun", one)
    return caches


def woken(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    change = Change("PipelineRun", before, after)
    return {f"{key.kind}/{key.name}" for key in affected(change, family())}


def test_a_child_wakes_the_run_that_has_it_as_a_step() -> None:
    low = run("low", "middle")
    assert woken(low, low) == {"PipelineRun/low", "PipelineRun/middle", "Pipeline/of-low"}


def test_a_suspension_wakes_every_run_below_that_goes_on_and_nothing_else_does() -> None:
    top = run("top")
    held = {**top, "spec": {**top["spec"], "suspend": True}}
    own = {"PipelineRun/top", "Pipeline/of-top"}
    assert woken(top, held) == woken(held, top) == {*own, "PipelineRun/middle", "PipelineRun/low"}
    assert woken(top, top) == own


def test_a_suspension_wakes_the_runs_in_line_which_say_so_and_so_does_its_end() -> None:
    caches = family()
    for name, status in (("next", {}), ("over", FINISHED)):
        caches.learn("PipelineRun", item("PipelineRun", name, spec={"pipeline": "of-top"}, status=status))
    top = run("top")
    held = {**top, "spec": {**top["spec"], "suspend": True}}
    for before, after in ((top, held), (held, top)):
        keys = {key.name for key in affected(Change("PipelineRun", before, after), caches)}
        assert "next" in keys
        assert not {"stranger", "over"} & keys
    assert "next" not in {key.name for key in affected(Change("PipelineRun", top, top), caches)}


def test_a_newer_run_that_lifts_a_suspension_wakes_them_too() -> None:
    top = run("top")
    held = {**top, "spec": {**top["spec"], "suspend": True}}
    lifted = {**held, "status": {"reason": "RunReplaced"}}
    assert {"PipelineRun/middle", "PipelineRun/low"} < woken(held, lifted)


async def seen(caches: Caches, name: str) -> ObservedRun:
    cluster: Any = None  # nothing is read live
    found = caches["PipelineRun"].get("ml", name)
    assert found is not None
    return await Observer(caches, Reads(cluster, caches)).run(found, Findings())


async def test_a_run_is_observed_with_its_children_and_with_the_chain_above_it() -> None:
    caches = family()
    top, low = await seen(caches, "top"), await seen(caches, "low")
    assert set(top.children) == {"middle", "done"}
    assert [one.meta.name for one in low.parents] == ["middle", "top"]
    assert top.parents == ()


async def test_a_run_that_only_bears_the_name_of_the_parent_is_none() -> None:
    caches = family()
    caches.forget("PipelineRun", run("middle", "top"))
    again = run("middle", "top")
    again["metadata"] |= {"uid": "uid-of-another", "resourceVersion": "9"}
    caches.learn("PipelineRun", again)
    assert (await seen(caches, "low")).parents == ()


# On the API server


def child_of(at: Desk) -> str:
    steps = (at.api.held("PipelineRun", "r").get("status") or {}).get("steps") or [{}]
    return str(steps[0].get("child", {}).get("run", ""))


async def applied(at: Desk) -> str:
    """A run whose step is the run of another pipeline, as far as that one's Job; the name of the child."""
    inner = programs({"c0": []}, policy={"onChange": "Wait"})
    outer = {"steps": [{"name": "sub", "pipeline": {"name": "c"}}], "policy": {"onChange": "Wait"}}
    for name, spec in (("c", inner), ("p", outer)):
        await at.api.add({"apiVersion": API, "kind": "Pipeline", "metadata": {"name": name}, "spec": spec})
    made = {"apiVersion": API, "kind": "PipelineRun", "metadata": {"name": "r"}, "spec": {"pipeline": "p"}}
    await at.api.add(made)
    await at.look("PipelineRun", "r")
    await at.until(lambda: "POST jobs" in at.api.writes and child_of(at))
    return child_of(at)


def state_of(at: Desk, name: str) -> str:
    steps = (at.api.held("PipelineRun", name).get("status") or {}).get("steps") or [{}]
    return str(steps[0].get("state", ""))


def word(at: Desk, name: str) -> str:
    return str((at.api.held("PipelineRun", name).get("status") or {}).get("status", ""))


async def test_a_cancelled_run_has_its_child_cancelled_and_ends_behind_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        child = await applied(at)
        # The news that its step has begun is out: it is no part of what follows.
        await at.until(lambda: state_of(at, child) == "Starting")
        await at.until(lambda: word(at, "r") == "Running" == word(at, child))
        at.api.writes.clear()
        path = "/apis/penstock.dev/v1alpha1/namespaces/ml/pipelineruns"
        found = at.api.held("PipelineRun", "r")
        await at.api.put(path, {**found, "spec": {**found["spec"], "cancel": True}})
        await at.look("PipelineRun", "r")
        await at.until(lambda: word(at, "r") == "Cancelled" == word(at, child))
        ended = [one for one in at.api.writes if one.endswith("/status") and "pipelineruns" in one]
        assert at.api.writes[0] == f"PATCH pipelineruns/{child}"
        assert ended[-1] == "PATCH pipelineruns/r/status"
        assert at.api.held("PipelineRun", child)["spec"]["cancel"] is True


async def test_only_the_very_run_is_cancelled_and_one_that_is_gone_is_no_error(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        made = {
            "apiVersion": API,
            "kind": "PipelineRun",
            "metadata": {"name": "r"},
            "spec": {"pipeline": "p"},
        }
        await at.api.add(made)
        await at.look("PipelineRun", "r")
        actor = Actor(at.reads._cluster, at.reads._caches, at.reads)
        other = Cancel("ml", "r", "uid-of-its-predecessor")
        assert await actor.carry_out((other, Cancel("ml", "gone", "uid")), Findings()) is False
        assert "cancel" not in at.api.held("PipelineRun", "r")["spec"]
        await actor.carry_out(
            (Cancel("ml", "r", at.api.held("PipelineRun", "r")["metadata"]["uid"]),), Findings()
        )
        assert at.api.held("PipelineRun", "r")["spec"]["cancel"] is True


async def test_a_child_that_changes_while_it_is_cancelled_is_cancelled_later(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        made = {
            "apiVersion": API,
            "kind": "PipelineRun",
            "metadata": {"name": "r"},
            "spec": {"pipeline": "p"},
        }
        await at.api.add(made)
        await at.look("PipelineRun", "r")
        actor = Actor(at.reads._cluster, at.reads._caches, at.reads)
        uid = at.api.held("PipelineRun", "r")["metadata"]["uid"]

        async def busy(*_: Any) -> Any:
            raise errors.Conflict("somebody was faster")

        at.reads._cluster.patch = busy  # type: ignore[method-assign]  # a server that is busy just now
        with pytest.raises(errors.Conflict):
            await actor.carry_out((Cancel("ml", "r", uid),), Findings())


# Adoption


def start(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "namespace": "ml",
        "name": "outer-g1-sub-0123456789",
        "pipeline": "inner",
        "parameters": {"size": 3},
        "parent": "outer-g1",
        "parent_uid": "uid-1",
        "step": "sub",
        "scheduled_time": "2026-11-21T10:00:00Z",
    }
    return child_run(ChildStart(**{**fields, **changes}))


def test_a_child_is_taken_up_again_only_with_the_right_parent_and_the_same_spec() -> None:
    live = start()
    suspended = {**live, "spec": {**live["spec"], "suspend": True, "cancel": True}}
    edited = {**live, "spec": {**live["spec"], "parameters": {"size": 4}}}
    assert may_adopt(start(), live)
    assert may_adopt(start(), suspended), "people may have held or cancelled it meanwhile"
    assert not may_adopt(start(), edited)
    assert not may_adopt(start(), start(parent_uid="uid-2"))
    assert not may_adopt(start(), start(parameters={}))
