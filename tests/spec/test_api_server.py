"""S11 and S6 on the real API server: it takes the schemas without a warning, and refuses what they refuse."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock_spec.api import API_KINDS
from penstock_spec.graph import compile_pipeline
from tests.spec.good_spec import good, spoiled
from tests.spec.largest import DIGEST, LARGEST, run_status
from tests.spec.schemas import ALL_NODES
from tests.spec.wrong_specs import WRONG
from tests.support import ROOT, Kubectl

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def space(kubectl: Kubectl) -> Iterator[str]:
    """A namespace for objects that start nothing."""
    name = f"spec-{time.monotonic_ns() % 10**9}"
    kubectl.run("create", "namespace", name)
    yield name
    kubectl.run("delete", "namespace", name, "--wait=false")


def obj(kind: str, name: str, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
        **more,
    }


def dry_run(kubectl: Kubectl, space: str, *objects: dict[str, Any]) -> Any:
    """What the API server says to the creation of these objects, without keeping them."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    return kubectl.run("create", "--dry-run=server", "-n", space, "-f", "-", input=text, check=False)


def version(number: int = 1) -> dict[str, Any]:
    lineage = {
        "pipeline": "tumour",
        "pipelineUid": "u",
        "run": "tumour-g1",
        "runUid": "u",
        "step": "fit",
        "revision": "tumour-0123456789",
        "stepDigest": DIGEST,
    }
    return {"model": "tumour", "number": number, "digest": DIGEST, "lineage": lineage}


def test_the_schemas_are_taken_without_a_warning(kubectl: Kubectl):
    words = ("--server-side", "--dry-run=server", "--force-conflicts", "--field-manager=test")
    done = kubectl.run("apply", *words, "-f", str(ROOT / "crds"))
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == len(API_KINDS)


@pytest.mark.parametrize("build", LARGEST.values(), ids=LARGEST)
def test_a_spec_of_the_largest_size_is_taken_and_compiles(
    kubectl: Kubectl, space: str, build: Callable[[], dict[str, Any]]
):
    compile_pipeline(build())
    done = dry_run(kubectl, space, obj("Pipeline", "large", build()))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_status_of_the_largest_run_is_taken_and_what_it_executes_is_written_once(
    kubectl: Kubectl, space: str, tmp_path: Path
):
    # Its Pipeline does not exist, so no operator starts anything for it.
    kubectl.apply(
        obj("PipelineRun", "large", {"pipeline": "absent"})
        | {"metadata": {"name": "large", "namespace": space}}
    )
    words = ("patch", "pipelinerun", "large", "-n", space, "--subresource=status", "--type=merge")
    (tmp_path / "status.json").write_text(json.dumps({"status": run_status()}))
    kubectl.run(*words, "--patch-file", str(tmp_path / "status.json"))
    other = {"status": {"snapshot": {"revision": "r", "digest": DIGEST, "pipelineUid": "v"}}}
    done = kubectl.run(*words, "--dry-run=server", "-p", json.dumps(other), check=False)
    assert "snapshot is written once" in done.stderr
    other = {"status": {"pinned": [{"reference": "m/Approved", "version": "m-2", "digest": DIGEST}]}}
    done = kubectl.run(*words, "--dry-run=server", "-p", json.dumps(other), check=False)
    assert "pinned is written once" in done.stderr


def test_what_the_schema_refuses_is_refused_and_the_rest_reaches_the_compiler(kubectl: Kubectl, space: str):
    reach = [obj("Pipeline", f"w{index}", one.spec) for index, one in enumerate(WRONG) if one.reaches]
    done = dry_run(kubectl, space, *reach)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, len(reach)), done.stderr
    for one in WRONG:
        if not one.reaches:
            assert dry_run(kubectl, space, obj("Pipeline", "wrong", one.spec)).returncode != 0, one.name


def test_the_correct_spec_is_taken_by_every_client_and_applying_it_again_changes_nothing(
    kubectl: Kubectl, space: str
):
    # Refused by the compiler, so that nothing starts: what is shown here is the API server's part.
    manifest = obj("Pipeline", "again", spoiled(("steps.data.dependsOn", ["fit"])))
    manifest["metadata"]["namespace"] = space
    for _ in range(2):
        kubectl.apply(manifest, server_side=False)
        kubectl.apply(manifest, server_side=True)
    found = kubectl.get("pipeline", "again", space)
    assert found["metadata"]["generation"] == 1
    assert found["spec"] == manifest["spec"]
    assert dry_run(kubectl, space, obj("Pipeline", "good", good())).returncode == 0


@pytest.mark.parametrize(
    ("kind", "name", "spec", "words"),
    [
        ("Pipeline", "p" * 41, good(), "at most 40 characters"),
        ("Pipeline", "1st", good(), "begins with a letter"),
        ("PipelineRun", "r" * 64, {"pipeline": "a"}, "at most 63 characters"),
        ("ModelEndpoint", "e" * 46, {"model": {"version": "a-1"}}, "at most 45 characters"),
        ("ModelEndpoint", "a.b", {"model": {"version": "a-1"}}, "begins with a letter"),
    ],
)
def test_a_name_from_which_no_child_could_be_named_is_refused(
    kubectl: Kubectl, space: str, kind: str, name: str, spec: dict[str, Any], words: str
):
    done = dry_run(kubectl, space, obj(kind, name, spec))
    assert words in done.stderr


AGAIN = {"run": "a", "from": ["b"]}
RANGE = {"trigger": "daily", "from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z"}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"reuse": "Never"}, ""),
        ({"mode": "Plan", "reuse": "Never"}, ""),
        ({"mode": "Plan", "rerun": AGAIN}, ""),
        ({"backfill": RANGE, "reuse": "Never"}, ""),
        ({"reuse": "Never", "rerun": AGAIN}, "a rerun says itself what is done again"),
        ({"scheduledTime": RANGE["from"], "rerun": AGAIN}, "a rerun is for the time and the cause"),
        ({"triggeredBy": {"delivery": "1"}, "rerun": AGAIN}, "a rerun is for the time and the cause"),
        ({"scheduledTime": RANGE["from"], "rerun": AGAIN, "partOf": "w-g1", "step": "sub"}, ""),
        ({"backfill": {**RANGE, "from": "2026-11-01T00:00:00+01:00"}}, "should match '^[0-9]{4}"),
        ({"mode": "Plan", "backfill": RANGE}, "a backfill neither repeats a run nor only plans"),
        ({"rerun": AGAIN, "backfill": RANGE}, "a backfill neither repeats a run nor only plans"),
        ({"scheduledTime": RANGE["from"], "backfill": RANGE}, "each run of a backfill has a time of its own"),
        (
            {"triggeredBy": {"delivery": "m"}, "backfill": RANGE},
            "each run of a backfill has a time of its own",
        ),
        ({"reuse": "Sometimes"}, "Unsupported value"),
    ],
)
def test_what_a_run_asks_for_goes_together_or_is_refused(
    kubectl: Kubectl, space: str, spec: dict[str, Any], words: str
):
    done = dry_run(kubectl, space, obj("PipelineRun", "asks", {"pipeline": "absent", **spec}))
    assert (done.returncode == 0) == (words == "")
    assert words in done.stderr


def test_the_records_cannot_be_changed(kubectl: Kubectl, space: str):
    objects = [
        obj("ModelVersion", "tumour-1", version()),
        obj("PipelineRun", "fixed", {"pipeline": "absent"}),
    ]
    for one in objects:
        one["metadata"]["namespace"] = space
    kubectl.apply(*objects)
    words = ("patch", "-n", space, "--type=merge", "--dry-run=server", "-p")
    done = kubectl.run(*words, '{"spec": {"number": 2}}', "modelversion", "tumour-1", check=False)
    assert "a model version is a record and cannot change" in done.stderr
    done = kubectl.run(*words, '{"spec": {"parameters": {"a": 1}}}', "pipelinerun", "fixed", check=False)
    assert "the spec of a run cannot change" in done.stderr


def test_kubectl_explain_says_of_every_field_what_the_models_say(kubectl: Kubectl):
    for kind in API_KINDS:
        words = ("explain", kind.kind.lower(), "--recursive", "--api-version=penstock.dev/v1alpha1")
        listing = kubectl.run(*words).stdout
        names = {path.rsplit(".", 1)[-1].rstrip("[]{}") for of, path, _ in ALL_NODES if of == kind.kind}
        assert names - set(re.findall(r"^ +(\w+)\t", listing, re.MULTILINE)) == set()
    raw = kubectl.run("get", "--raw", "/openapi/v3/apis/penstock.dev/v1alpha1").stdout
    served = json.loads(raw)["components"]["schemas"]
    for kind in API_KINDS:
        schema = served[f"dev.penstock.v1alpha1.{kind.kind}"]
        for of, path, node in ALL_NODES:
            if (
                of == kind.kind
                and "description" in node
                and path not in {".apiVersion", ".kind", ".metadata"}
            ):
                assert _at(schema, path)["description"] == node["description"], f"{kind.kind}{path}"
    said = kubectl.run("explain", "pipeline.spec.steps.train.seed").stdout
    assert "Seed of every random choice" in said
    assert "Default: 0." in " ".join(said.split())


def _at(schema: dict[str, Any], path: str) -> dict[str, Any]:
    for part in re.findall(r"\w+|\[\]|\{\}", path):
        schema = {"[]": schema.get("items"), "{}": schema.get("additionalProperties")}.get(part) or schema[
            "properties"
        ][part]
    return schema


def test_kubectl_get_shows_the_columns_by_kind_and_by_category(kubectl: Kubectl, space: str):
    manifest = obj("Pipeline", "shown", spoiled(("steps.data.dependsOn", ["fit"])))
    manifest["metadata"]["namespace"] = space
    kubectl.apply(manifest)
    for kind in API_KINDS:
        words = ("get", "--raw", f"/apis/penstock.dev/v1alpha1/namespaces/{space}/{kind.plural}?limit=1")
        assert kubectl.run(*words).returncode == 0
    done = kubectl.run("get", "pl", "-n", space, "-o", "wide")
    assert done.stdout.splitlines()[0].split() == [
        *("NAME", "READY", "STATUS", "STEP", "PROGRESS", "MODEL"),
        *("ENDPOINT", "REASON", "AGE", "RUN", "NEXT", "MESSAGE"),
    ]
    assert "pipeline.penstock.dev/shown" in kubectl.run("get", "penstock", "-n", space).stdout
