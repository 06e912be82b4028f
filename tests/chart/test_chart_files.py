"""The chart's files against the code that they must agree with; needs no helm."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from hack import chart_files
from hack.cluster.versions import VERSITYGW
from penstock_operator.core.settings import Settings
from penstock_spec.names import PLURALS
from tests.chart.rendering import CHART
from tests.support import ROOT

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
META: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())
RULES: list[dict[str, list[str]]] = yaml.safe_load((CHART / "files/operator-rules.yaml").read_text())
# What another chart of which this one is a part may set.
FROM_HELM = {"global"}
OPEN_MAPS = {"requests", "limits", "labels"}


def paths(values: dict[str, Any], prefix: str = "") -> set[str]:
    """Dotted names of all values and groups; what stands below an open map is no value of its own."""
    found = set()
    for key, value in values.items():
        found.add(prefix + key)
        if isinstance(value, dict) and key not in OPEN_MAPS:
            found |= paths(value, f"{prefix}{key}.")
    return found


def schema_paths(schema: dict[str, Any], prefix: str = "") -> set[str]:
    """Dotted names of all values that the schema lists."""
    found = set()
    for key, value in schema.get("properties", {}).items():
        found.add(prefix + key)
        found |= schema_paths(value, f"{prefix}{key}.")
    return found


def test_every_generated_file_is_what_its_source_says() -> None:
    for path, text in chart_files.files():
        assert path.read_text() == text, f"{path.relative_to(ROOT)} is out of date: make generate"


def test_the_chart_ships_the_definition_of_every_kind() -> None:
    shipped = {
        yaml.safe_load(path.read_text())["spec"]["names"]["plural"]
        for path in (CHART / "files/crds").glob("*.yaml")
    }
    assert shipped == set(PLURALS.values())


def test_the_schema_knows_every_value_and_no_other() -> None:
    assert schema_paths(chart_files.values_schema()) - FROM_HELM == paths(VALUES)


def test_the_schema_refuses_unknown_keys_at_every_level_that_lists_keys() -> None:
    def look(schema: dict[str, Any], where: str) -> None:
        if "properties" in schema:
            assert schema.get("additionalProperties") is False, where
        for key, value in schema.get("properties", {}).items():
            if key not in FROM_HELM:
                look(value, f"{where}.{key}")

    look(chart_files.values_schema(), "values")


def test_a_value_without_a_comment_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"rbac\.create: a comment above the key"):
        chart_files.values_schema("# Rights.\nrbac:\n  create: true\n")


def test_a_value_whose_type_cannot_be_told_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"extra: say in HINTS"):
        chart_files.values_schema("# Anything.\nextra: {}\n")


def test_the_settings_in_the_values_are_the_operators_own_defaults() -> None:
    assert Settings.from_mapping(VALUES["settings"]) == Settings()


def test_every_setting_of_the_operator_is_a_value() -> None:
    known = {"pods", *(re.sub(r"_(.)", lambda found: found[1].upper(), name) for name in vars(Settings()))}
    assert set(VALUES["settings"]) == known


def test_the_default_images_are_those_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert META["appVersion"] == META["version"] == project["version"]
    pods = Settings().pods
    for name, image in (("steps", pods.steps_image), ("server", pods.server_image)):
        assert f"{VALUES['image'][name]['repository']}:{META['appVersion']}" == image


def test_the_trial_stores_image_is_the_pinned_version() -> None:
    tag = f"v{VERSITYGW.version}"
    assert VALUES["image"]["store"]["tag"] == tag
    assert f"main.Version={tag}" in (ROOT / "images/versitygw.Dockerfile").read_text()


def test_the_operator_has_no_right_to_secrets_to_everything_or_to_more_rights() -> None:
    for rule in RULES:
        words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
        assert "*" not in words, rule
        assert not words & {"secrets", "escalate", "bind", "impersonate", "deletecollection"}, rule
        assert not any(
            "/exec" in one or "/attach" in one or "/portforward" in one for one in rule["resources"]
        )
        assert "rbac.authorization.k8s.io" not in rule["apiGroups"], rule


def test_the_operator_changes_no_config_map_but_its_own() -> None:
    rules = [one for one in RULES if "configmaps" in one["resources"]]
    (changed,) = [one for one in rules if {"patch", "update", "delete"} & set(one["verbs"])]
    assert changed["resourceNames"] == ["penstock-model-numbers"]
    (watched,) = [one for one in rules if "watch" in one["verbs"]]
    assert (watched["resourceNames"], set(watched["verbs"])) == (
        ["penstock-defaults"],
        {"get", "list", "watch"},
    )
    assert [one["verbs"] for one in rules if "resourceNames" not in one] == [["create"]]


def test_every_value_that_the_documentation_names_exists() -> None:
    known = paths(VALUES)
    pages = ("docs/install.md", "docs/observability.md", "docs/adr/0011-rights-and-modes.md")
    text = "".join((ROOT / page).read_text() for page in pages)
    named = {
        found
        for found in re.findall(r"(?:`|--set )([a-zA-Z]+(?:\.[a-zA-Z]+)+)(?:=|`)", text)
        if found.split(".")[0] in VALUES
    }
    assert named
    # What stands below an open map is the user's own.
    named = {re.sub(r"\.(labels|annotations|alertLabels)\..*", r".\1", name) for name in named}
    assert named <= known, f"unknown: {sorted(named - known)}"
