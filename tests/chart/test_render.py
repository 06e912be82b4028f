"""What helm makes of the chart: restricted and least privileged in every mode; what is wrong is refused."""

import json
from typing import Any

import pytest
import yaml

from penstock_operator.core.settings import Settings
from penstock_spec.contract import STORE_VARIABLES
from tests.chart.pod_security import violations
from tests.chart.rendering import (
    CHART,
    CLUSTER_SCOPED,
    KEYS,
    NAMESPACE,
    NO_CLUSTER_RIGHTS,
    Object,
    merged,
    named,
    of_kind,
    pods,
    refusal,
    render,
)
from tests.support import ROOT

pytestmark = pytest.mark.e2e

CLUSTER_WIDE = {"scope": {"clusterWide": True}}
EXTERNAL = {"store": {"mode": "External", "external": {"url": "s3://models/prod", **KEYS}}}
WEBHOOK = {"webhook": {"enabled": True, "secretName": "hooks"}}
EVERYTHING: dict[str, Any] = {
    **WEBHOOK,
    "commonLabels": {"team": "ml"},
    "imagePullSecrets": ["one", "two"],
    "image": {"registry": "mirror.example/ml", "steps": {"digest": f"sha256:{'0' * 64}"}},
    "scope": {"namespaces": ["red", "blue"]},
    "serviceAccount": {"annotations": {"example.com/identity": "operator"}},
    "operator": {
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "system", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
        "podLabels": {"extra": "label"},
        "podAnnotations": {"example.com/note": "text"},
        "env": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
    },
    "service": {"annotations": {"prometheus.io/scrape": "true"}},
    "networkPolicy": {"enabled": True},
}
MODES = {
    "default": {},
    "cluster-wide": CLUSTER_WIDE,
    "no volume": {"store": {"bundled": {"persistence": {"enabled": False}}}},
    "own claim": {"store": {"bundled": {"persistence": {"existingClaim": "mine"}}}},
    "external store": EXTERNAL,
    "existing store": {"store": {"mode": "Existing"}},
    "webhook": WEBHOOK,
    "webhook of all namespaces": merged(CLUSTER_WIDE, WEBHOOK),
    "everything": EVERYTHING,
}

TALKERS = {"Deployment penstock", "Deployment penstock-webhook"}


@pytest.fixture(params=list(MODES.values()), ids=list(MODES), scope="module")
def objects(request) -> list[Object]:
    """The chart in one of its modes."""
    return render(request.param)


def test_lint_is_content(helm) -> None:
    helm("lint", "--strict", str(CHART))


def test_every_pod_is_restricted(objects) -> None:
    found = dict(pods(objects))
    assert found
    assert {name: bad for name, pod in found.items() if (bad := violations(pod["spec"]))} == {}


def test_every_pod_says_what_it_needs_and_mounts_no_token_without_use(objects) -> None:
    for name, pod in pods(objects):
        for container in pod["spec"]["containers"]:
            assert container["resources"]["requests"], name
            assert container["resources"]["limits"]["memory"], name
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
        mounts = pod["spec"]["automountServiceAccountToken"]
        assert mounts is (name in TALKERS), f"{name}: it has no business with the API server"


def test_every_object_names_its_namespace_or_belongs_to_the_cluster(objects) -> None:
    for one in objects:
        assert ("namespace" in one["metadata"]) is (one["kind"] not in CLUSTER_SCOPED), one["metadata"]


def test_no_object_has_a_finalizer_or_an_annotation_of_ours(objects) -> None:
    for one in objects:
        assert "finalizers" not in one["metadata"]
        assert not [key for key in one["metadata"].get("annotations", {}) if "penstock.dev" in key]
    for _, pod in pods(objects):
        assert not [key for key in pod["metadata"].get("annotations", {}) if "penstock.dev" in key]


def test_selectors_select_the_pods_they_are_for(objects) -> None:
    labels = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in of_kind(objects, "Deployment")
    }
    for one in of_kind(objects, "Deployment"):
        assert one["spec"]["selector"]["matchLabels"].items() <= labels[one["metadata"]["name"]].items()
    for service in of_kind(objects, "Service"):
        selected = [
            name for name, found in labels.items() if service["spec"]["selector"].items() <= found.items()
        ]
        assert selected == [service["metadata"]["name"]]


def operator_rules(objects: list[Object], account: str = "penstock") -> list[list[dict[str, Any]]]:
    """The rules that are bound to the operator's service account, or another, one entry a binding."""
    found = []
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        for binding in of_kind(objects, kind):
            assert len(binding["subjects"]) == 1
            if binding["subjects"][0]["name"] != account:
                continue
            assert [one["namespace"] for one in binding["subjects"]] == [NAMESPACE]
            reference = binding["roleRef"]
            (role,) = [
                one
                for one in of_kind(objects, reference["kind"])
                if one["metadata"]["name"] == reference["name"]
                and one["metadata"].get("namespace") == binding["metadata"].get("namespace")
            ]
            found.append(role["rules"])
    return found


def test_the_operator_has_the_same_rules_in_both_scopes() -> None:
    rules = yaml.safe_load((CHART / "files/operator-rules.yaml").read_text())
    wide = render(CLUSTER_WIDE)
    assert operator_rules(wide) == [rules]
    assert not of_kind(wide, "Role")
    narrow = render({"scope": {"namespaces": ["red", "blue"]}})
    assert operator_rules(narrow) == [rules, rules]
    assert {one["metadata"]["namespace"] for one in of_kind(narrow, "RoleBinding")} == {"red", "blue"}
    assert not of_kind(narrow, "ClusterRoleBinding")


def test_the_webhook_may_read_pipelines_and_create_runs_and_nothing_else() -> None:
    wanted = [
        {"apiGroups": ["penstock.dev"], "resources": ["pipelines"], "verbs": ["get"]},
        {"apiGroups": ["penstock.dev"], "resources": ["pipelineruns"], "verbs": ["create"]},
    ]
    assert operator_rules(render(merged(CLUSTER_WIDE, WEBHOOK)), "penstock-webhook") == [wanted]
    narrow = render(merged({"scope": {"namespaces": ["red", "blue"]}}, WEBHOOK))
    assert operator_rules(narrow, "penstock-webhook") == [wanted, wanted]
    without = render(merged(WEBHOOK, {"rbac": {"create": False}}))
    assert operator_rules(without, "penstock-webhook") == []


def test_without_being_asked_for_there_is_no_webhook() -> None:
    assert "webhook" not in json.dumps([one["metadata"]["name"] for one in render()])


def test_the_webhooks_secrets_are_mounted_and_never_read_over_the_api() -> None:
    pod = named(render(WEBHOOK), "Deployment", "penstock-webhook")["spec"]["template"]["spec"]
    assert pod["volumes"][0]["secret"]["secretName"] == "hooks"
    assert "env" not in pod["containers"][0]


def test_nothing_but_the_operator_and_the_webhook_is_given_rights_and_nobody_all_rights(objects) -> None:
    bound = operator_rules(objects) + operator_rules(objects, "penstock-webhook")
    assert len(bound) == len(of_kind(objects, "RoleBinding") + of_kind(objects, "ClusterRoleBinding"))
    for role in of_kind(objects, "Role") + of_kind(objects, "ClusterRole"):
        for rule in role["rules"]:
            assert "*" not in {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}, role["metadata"]
            assert "secrets" not in rule["resources"], role["metadata"]


def test_with_definitions_from_elsewhere_nothing_belongs_to_the_cluster() -> None:
    kinds = {one["kind"] for one in render(NO_CLUSTER_RIGHTS)}
    assert not kinds & CLUSTER_SCOPED


def test_people_may_write_what_is_theirs_and_no_status() -> None:
    objects = render()
    view = named(objects, "ClusterRole", "penstock-view")
    edit = named(objects, "ClusterRole", "penstock-edit")
    assert view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    assert edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
    assert {verb for rule in view["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    for rule in edit["rules"]:
        parts = {resource for resource in rule["resources"] if "/" in resource}
        assert parts <= {"modelendpoints/scale"}, "no status is a person's to write"
        if "modelversions" in rule["resources"]:
            assert set(rule["verbs"]) == {"get", "list", "watch"}
    apart = render({"rbac": {"userRoles": {"aggregate": False}}})
    labels = {key for one in of_kind(apart, "ClusterRole") for key in one["metadata"]["labels"]}
    assert not [key for key in labels if "aggregate" in key]


def test_the_definitions_are_rendered_word_for_word() -> None:
    rendered = {one["metadata"]["name"]: one for one in of_kind(render(), "CustomResourceDefinition")}
    sources = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    assert rendered.keys() == {one["metadata"]["name"] for one in sources}
    for source in sources:
        one = rendered[source["metadata"]["name"]]
        assert one["spec"] == source["spec"]
        assert source["metadata"].get("labels", {}).keys() <= one["metadata"]["labels"].keys()
        assert "annotations" not in source["metadata"]
        assert one["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    loose = of_kind(render({"crds": {"keep": False}}), "CustomResourceDefinition")
    assert not [one for one in loose if "annotations" in one["metadata"]]


def test_the_settings_file_is_one_that_the_operator_reads() -> None:
    values = merged(EVERYTHING, {"settings": {"imageGrace": 7, "budgets": {"OutOfMemory": {"retries": 1}}}})
    text = named(render(values), "ConfigMap", "penstock-settings")["data"]["settings.json"]
    settings = Settings.from_json(text)
    assert settings.image_grace == 7
    assert settings.pods.steps_image == f"mirror.example/ml/penstock/steps@sha256:{'0' * 64}"
    assert settings.pods.server_image.startswith("mirror.example/ml/penstock/server:")
    assert (
        Settings.from_json(named(render(), "ConfigMap", "penstock-settings")["data"]["settings.json"])
        == Settings()
    )


def test_other_settings_restart_the_operator_and_the_same_do_not() -> None:
    def pod(values: dict[str, Any]) -> Object:
        template: Object = named(render(values), "Deployment", "penstock")["spec"]["template"]
        return template

    assert pod({}) == pod({})
    assert pod({}) == pod({"service": {"annotations": {"a": "b"}}})
    assert pod({}) != pod({"settings": {"resync": 30}})


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ({}, [f"--namespace={NAMESPACE}"]),
        ({"namespaces": ["red", "blue"]}, ["--namespace=red", "--namespace=blue"]),
        ({"clusterWide": True}, ["--all-namespaces"]),
    ],
)
def test_the_operator_is_told_where_to_work(scope, words) -> None:
    operator = named(render({"scope": scope}), "Deployment", "penstock")
    arguments = operator["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments == ["--settings=/etc/penstock/settings.json", "--log-level=info", *words]


def store_secrets(objects: list[Object]) -> dict[str, set[str]]:
    """Keys of the Secrets penstock-store by namespace."""
    return {
        one["metadata"]["namespace"]: set(one["data"])
        for one in of_kind(objects, "Secret")
        if one["metadata"]["name"] == "penstock-store"
    }


def test_each_served_namespace_is_given_the_store() -> None:
    served = store_secrets(render({"scope": {"namespaces": ["red", "blue"]}}))
    bundled = {"url", "endpoint", "region", "accessKeyId", "secretAccessKey"}
    assert served == {"red": bundled, "blue": bundled}
    assert store_secrets(render(merged(CLUSTER_WIDE, {"store": {"namespaces": ["ml"]}}))) == {"ml": bundled}
    assert store_secrets(render(EXTERNAL)) == {
        NAMESPACE: {"url", "region", "accessKeyId", "secretAccessKey"},
    }
    assert store_secrets(render({"store": {"mode": "Existing"}})) == {}
    assert bundled <= set(STORE_VARIABLES)


def test_only_the_bundled_store_runs_a_server() -> None:
    assert {one["metadata"]["name"] for one in of_kind(render(), "Deployment")} == {
        "penstock",
        "penstock-store",
    }
    for values in (EXTERNAL, {"store": {"mode": "Existing"}}):
        objects = render(values)
        assert {one["metadata"]["name"] for one in of_kind(objects, "Deployment")} == {"penstock"}
        assert not of_kind(objects, "PersistentVolumeClaim")


def test_keys_appear_in_secrets_alone() -> None:
    values = {"store": {"bundled": {"accessKeyId": "AKEXAMPLE", "secretAccessKey": "visible-nowhere"}}}
    others = [one for one in render(values) if one["kind"] != "Secret"]
    assert "visible-nowhere" not in json.dumps(others)
    assert "AKEXAMPLE" not in json.dumps(others)


def test_common_labels_and_pull_secrets_reach_everything() -> None:
    objects = render(EVERYTHING)
    assert {one["metadata"]["labels"].get("team") for one in objects} == {"ml"}
    for name, pod in pods(objects):
        assert pod["metadata"]["labels"]["team"] == "ml", name
        assert pod["spec"]["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}], name
        for container in pod["spec"]["containers"]:
            assert container["image"].startswith("mirror.example/ml/penstock/"), name


def test_common_labels_cannot_break_selectors() -> None:
    objects = render({"commonLabels": {"app.kubernetes.io/component": "mine"}})
    deployment = named(objects, "Deployment", "penstock")["spec"]
    assert (
        deployment["selector"]["matchLabels"].items() <= deployment["template"]["metadata"]["labels"].items()
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"scope": {"namespace": ["ml"]}}, "additional properties 'namespace' not allowed"),
        ({"store": {"bundled": {"persistance": {}}}}, "additional properties 'persistance' not allowed"),
        ({"settings": {"imageGrase": 1}}, "additional properties 'imageGrase' not allowed"),
        ({"settings": {"budgets": {"UserError": {"retry": 1}}}}, "additional properties 'retry' not allowed"),
        ({"store": {"mode": "bundled"}}, "must be one of 'Bundled', 'External', 'Existing'"),
        ({"image": {"pullPolicy": "Sometimes"}}, "must be one of 'Always', 'IfNotPresent', 'Never'"),
        ({"scope": {"namespaces": "ml"}}, "got string, want array"),
        ({"scope": {"namespaces": ["My Space"]}}, "does not match pattern"),
        ({"crds": {"keep": "yes"}}, "got string, want boolean"),
        ({"settings": {"resync": -1}}, "minimum: got -1, want 1"),
        ({"image": {"operator": {"digest": "latest"}}}, "does not match pattern"),
        (
            {"scope": {"clusterWide": True, "namespaces": ["ml"]}},
            "either clusterWide or namespaces, not both",
        ),
        ({"webhook": {"enabled": True}}, "enabled needs webhook.secretName"),
        ({"webhook": {"secretName": "My Secret"}}, "does not match pattern"),
        ({"store": {"mode": "External"}}, "needs store.external.url, such as s3://"),
        ({"store": {"external": {"url": "s3://mine"}}}, "set store.mode=External"),
        (
            {"store": {"bundled": {"accessKeyId": "A"}}},
            "set both accessKeyId and secretAccessKey, or neither",
        ),
        (
            {"store": {"mode": "External", "external": {"url": "s3://mine", "accessKeyId": "A"}}},
            "store.external: set both",
        ),
    ],
)
def test_wrong_values_are_refused_in_words(values, words) -> None:
    assert words in refusal(values)


def test_an_old_cluster_is_refused(helm) -> None:
    done = helm("template", "penstock", str(CHART), "--kube-version", "1.30.0", check=False)
    assert done.returncode != 0
    assert "requires kubeVersion: >=1.31.0-0" in done.stderr


@pytest.mark.parametrize(
    ("golden", "values"),
    [
        ("webhook", merged(WEBHOOK, {"networkPolicy": {"enabled": True}})),
        ("namespaced", {}),
        ("cluster-wide", {**CLUSTER_WIDE, "commonLabels": {"team": "ml"}}),
    ],
)
def test_the_whole_rendering_is_the_one_that_was_reviewed(golden, values, update_golden) -> None:
    fixed = {"crds": {"install": False}, "store": {"bundled": KEYS}, "tests": {"enabled": False}}
    text = yaml.safe_dump_all(render(merged(fixed, values)), sort_keys=True, width=110)
    path = ROOT / f"tests/chart/golden/{golden}.yaml"
    if update_golden:
        path.write_text(text)
    assert text == path.read_text(), "pytest --update-golden writes it; look at the difference"
