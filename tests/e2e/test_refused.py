"""S6 on the real cluster: a wrong spec is refused with every problem in words, and nothing starts."""

import json

import pytest

from tests.spec.wrong_specs import WRONG
from tests.support import condition, pipeline, wait_for

pytestmark = pytest.mark.e2e

# kubectl itself drops a null before it sends anything, so that row cannot be applied with it.
REACHING = [one for one in WRONG if one.reaches and "null" not in one.name]


def test_every_wrong_spec_is_refused_with_its_path_and_hint_and_starts_nothing(
    runs, kubectl, namespace
) -> None:
    names = {f"wrong-{number}": wrong for number, wrong in enumerate(REACHING)}
    objects = [pipeline(name, namespace, wrong.spec) for name, wrong in names.items()]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    # Without kubectl's own validation: what the API server prunes must be found by the compiler.
    kubectl.run("apply", "--validate=false", "-f", "-", input=text)

    def all_answered() -> dict[str, dict[str, object]] | None:
        found = {one["metadata"]["name"]: one for one in kubectl.list("pipelines", namespace)}
        answered = all(condition(one, "Accepted") for one in found.values())
        return found if answered and len(found) == len(names) else None

    found = wait_for("every pipeline to be answered", all_answered, 180)
    for name, wrong in names.items():
        accepted = condition(found[name], "Accepted")
        assert (accepted["status"], accepted["reason"]) == ("False", "InvalidSpec"), wrong.name
        assert wrong.path in accepted["message"], wrong.name
        assert wrong.hint in accepted["message"], wrong.name
        assert condition(found[name], "Stalled")["status"] == "True"
        assert condition(found[name], "Ready")["status"] == "False"
        assert found[name]["status"]["status"] == "Refused"
    assert runs.names() == []
    assert kubectl.list("jobs,pods,controllerrevisions", namespace) == []


def test_a_refused_change_leaves_the_run_in_flight_alone_and_a_corrected_one_runs(
    runs, kubectl, namespace, images
) -> None:
    def spec(code: str, **more: object) -> dict[str, object]:
        run = {"image": images["server"], "command": ["python3", "-c", code]}
        return pipeline("p", namespace, {"steps": [{"name": "work", "run": run, **more}]})

    kubectl.apply(spec("import time; time.sleep(6)"))
    name = runs.started("p", 1)
    kubectl.apply(spec("print(2)", dependsOn=["wrok"]))
    wait_for(
        "the refusal",
        lambda: condition(kubectl.get("pipeline", "p", namespace), "Accepted").get("status") == "False",
    )
    assert runs.finished(name)["status"]["status"] == "Succeeded"
    assert runs.names() == [name]
    kubectl.apply(spec("print(2)"))
    assert runs.finished(runs.started("p", 3))["status"]["status"] == "Succeeded"
