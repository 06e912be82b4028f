"""The generated CustomResourceDefinitions keep the rules of the schema."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from penstock_spec.crds import HEADER, render
from tests.spec.schemas import ALL_FIELDS, ALL_NODES, SCHEMAS
from tests.support import ROOT

DEFAULT = re.compile(r" Default: (.+)\.$")
YAML_1_1_BOOLEANS = {"on", "off", "yes", "no", "y", "n"}
# Words that say nothing of their own.
FILLERS = {
    "the",
    "a",
    "an",
    "of",
    "this",
    "that",
    "is",
    "are",
    "its",
    "it",
    "and",
    "or",
    "in",
    "to",
    "for",
    "with",
    "by",
}


def words(text: str) -> set[str]:
    """Words in lower case, camelCase and plurals taken apart."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", text)
    return {part.lower().rstrip("s") for part in parts}


def test_the_committed_files_are_what_the_models_say():
    done = subprocess.run(
        [sys.executable, "-m", "penstock_spec.crds", "crds/", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT / "pipeline_spec")},
    )
    assert done.returncode == 0, done.stderr


def test_a_file_that_differs_is_missing_or_stale_is_named(tmp_path: Path):
    command = [sys.executable, "-m", "penstock_spec.crds", str(tmp_path)]
    env = {"PYTHONPATH": str(ROOT / "pipeline_spec")}
    subprocess.run(command, check=True, env=env)
    (tmp_path / "penstock.dev_pipelines.yaml").write_text("changed")
    (tmp_path / "penstock.dev_modelversions.yaml").unlink()
    (tmp_path / "penstock.dev_old.yaml").write_text(HEADER)
    (tmp_path / "theirs.yaml").write_text("nobody's business")
    done = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 1
    assert "penstock.dev_pipelines.yaml differs" in done.stderr
    assert "penstock.dev_modelversions.yaml is missing" in done.stderr
    assert "penstock.dev_old.yaml belongs to nothing" in done.stderr
    assert "make generate" in done.stderr
    subprocess.run(command, check=True, env=env)
    assert not (tmp_path / "penstock.dev_old.yaml").exists()
    assert (tmp_path / "theirs.yaml").exists()
    assert subprocess.run([*command, "--check"], check=False, env=env).returncode == 0


@pytest.mark.parametrize("name", render())
def test_each_file_is_one_yaml_document_of_less_than_200_kb(name: str):
    """As JSON: so the API server keeps it, and kubectl a copy in an annotation, which may have 256 KiB."""
    found = yaml.safe_load(render()[name])
    assert len(json.dumps(found, separators=(",", ":")).encode()) < 200_000
    assert found["metadata"]["name"] == f"{name.split('_')[1].removesuffix('.yaml')}.penstock.dev"


def test_no_schema_writes_a_default_into_objects_but_where_the_scale_subresource_reads_it():
    found = {f"{kind}{path}": node["default"] for kind, path, node in ALL_NODES if "default" in node}
    assert found == {"ModelEndpoint.spec.scale": {}, "ModelEndpoint.spec.scale.replicas": 1}


def test_every_text_list_and_map_is_bounded():
    unbounded = []
    for kind, path, node in ALL_NODES:
        free = node.get("x-kubernetes-preserve-unknown-fields", False)
        if path in {".apiVersion", ".kind", ".metadata"}:
            continue
        if node.get("type") == "string" and "maxLength" not in node and "enum" not in node:
            unbounded.append(f"{kind}{path}: maxLength")
        if node.get("type") == "array" and "maxItems" not in node:
            unbounded.append(f"{kind}{path}: maxItems")
        if node.get("type") == "array" and node.get("x-kubernetes-list-type") not in {"map", "atomic"}:
            unbounded.append(f"{kind}{path}: list type")
        if node.get("type") == "object" and "properties" not in node and "maxProperties" not in node:
            unbounded.append(f"{kind}{path}: maxProperties")
        if "type" not in node and not free:
            unbounded.append(f"{kind}{path}: type")
    assert unbounded == []


def test_only_parameters_and_arguments_take_any_json():
    free = {
        f"{kind}{path}" for kind, path, node in ALL_NODES if node.get("x-kubernetes-preserve-unknown-fields")
    }
    assert {one.rsplit(".", 1)[1] for one in free} == {
        "default",
        "parameters",
        "arguments",
        "axes",
        "include[]",
        "exclude[]",
        "cell",
    }


def test_no_field_and_no_value_is_a_boolean_to_a_yaml_1_1_reader():
    names = {path.rsplit(".", 1)[-1] for _, path, _ in ALL_NODES}
    values = {str(value).lower() for _, _, node in ALL_NODES for value in node.get("enum", ())}
    assert (names | values) & YAML_1_1_BOOLEANS == set()


def test_every_field_has_a_description_that_says_more_than_its_name():
    silent = []
    for kind, path, node in ALL_NODES:
        if path == ".metadata" or (path.endswith(("[]", "{}")) and "properties" not in node):
            continue
        name = path.rsplit(".", 1)[-1].rstrip("[]{}")
        beyond = words(DEFAULT.sub("", node.get("description", ""))) - words(name) - words(kind) - FILLERS
        if len(beyond) < 2:
            silent.append(f"{kind}{path}: {node.get('description')}")
    assert silent == []


def test_a_rule_of_a_whole_object_that_speaks_of_its_spec_says_where():
    rules = [
        (kind, rule)
        for kind, schema in SCHEMAS.items()
        for rule in schema["x-kubernetes-validations"]
        if "self.spec." in rule["rule"]
    ]
    assert [kind for kind, rule in rules if not rule.get("fieldPath", "").startswith(".spec.")] == []
    assert "Pipeline" in {kind for kind, _ in rules}


def test_each_default_in_a_description_is_the_compilers_default():
    said = {
        (kind, path): json.loads(match[1])
        for kind, path, node in ALL_NODES
        if (match := DEFAULT.search(node.get("description", "")))
    }
    assert len(said) > 50
    wrong = []
    for place, value in said.items():
        model, field = ALL_FIELDS[place]
        required = {
            info.alias or name: None for name, info in model.model_fields.items() if info.is_required()
        }
        # The model itself is asked, with only what it cannot do without.
        instance = model.model_construct(**required)
        if json.loads(json.dumps(getattr(instance, field.attribute))) != value:
            wrong.append(f"{place}: says {value}, is {getattr(instance, field.attribute)!r}")
    assert wrong == []


def test_no_default_of_the_compiler_goes_unsaid_below_spec():
    unsaid = [
        place
        for place, (_, field) in ALL_FIELDS.items()
        if place[1].startswith(".spec")
        and isinstance(field.default, str | int | float | bool)
        and not any(
            "Default: " in node.get("description", "")
            for kind, path, node in ALL_NODES
            if (kind, path) == place
        )
    ]
    assert unsaid == []


def test_every_kind_has_status_columns_short_name_and_category():
    for text in render().values():
        crd = yaml.safe_load(text)["spec"]
        version = crd["versions"][0]
        assert crd["names"]["categories"] == ["penstock"]
        assert len(crd["names"]["shortNames"]) == 1
        assert set(version["subresources"]) - {"scale"} == {"status"}
        assert version["additionalPrinterColumns"]


def test_the_figures_of_kubectl_scale_are_fields_of_the_schema():
    scaled = {}
    for text in render().values():
        crd = yaml.safe_load(text)["spec"]
        scaled[crd["names"]["kind"]] = crd["versions"][0]["subresources"].get("scale", {})
    assert {kind for kind, paths in scaled.items() if paths} == {"ModelEndpoint"}
    known = {path for kind, path, _ in ALL_NODES if kind == "ModelEndpoint"}
    assert len(scaled["ModelEndpoint"]) == 3
    assert set(scaled["ModelEndpoint"].values()) <= known


def test_columns_show_what_the_status_has():
    for text in render().values():
        crd = yaml.safe_load(text)["spec"]
        known = {path for kind, path, _ in ALL_NODES if kind == crd["names"]["kind"]}
        for column in crd["versions"][0]["additionalPrinterColumns"]:
            path = column["jsonPath"].removesuffix("[0]")
            if "?(" not in path and not path.startswith(".metadata"):
                assert path in known, f"{crd['names']['kind']}: {path}"


def test_the_names_of_the_schema_are_those_of_the_models():
    shown = {(kind, path) for kind, path, _ in ALL_NODES if not path.endswith(("[]", "{}"))}
    outer = {".apiVersion", ".kind", ".metadata", ".spec", ".status"}
    assert {one for one in shown if one[1] not in outer} == set(ALL_FIELDS)
    assert set(SCHEMAS) == {"Pipeline", "PipelineRun", "ModelVersion", "ModelEndpoint"}
