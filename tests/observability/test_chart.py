"""What the chart renders for Prometheus, Grafana and Argo CD: when, where, and that they would take it."""

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.chart.rendering import CHART, NAMESPACE, Object, merged, named, of_kind, refusal, render
from tests.observability.crd_schemas import faults
from tests.observability.page import scrape_jobs
from tests.support import ROOT

pytestmark = pytest.mark.e2e  # helm comes with `make e2e`

GROUP = "monitoring.coreos.com/v1"
KINDS = ("ServiceMonitor", "PodMonitor", "PrometheusRule")
KNOWN = [word for kind in KINDS for word in ("--api-versions", f"{GROUP}/{kind}")]
PARTS = ("monitors", "rules", "dashboards")
RULES: dict[str, Any] = yaml.safe_load((CHART / "files/rules/penstock.yaml").read_text())
DASHBOARD = "penstock-dashboard"


def parts(**values: Any) -> dict[str, Any]:
    """These values in each part of `observability` that the Prometheus Operator or Grafana reads."""
    return {"observability": {part: dict(values) for part in PARTS}}


def rendered(values: Mapping[str, Any] | None = None, *words: str) -> dict[str, Object]:
    """The objects for monitoring, by kind; the dashboard as "dashboard"."""
    objects = render(values, *words)
    found = {one["kind"]: one for one in objects if one["apiVersion"] == GROUP}
    boards = [one for one in of_kind(objects, "ConfigMap") if one["metadata"]["name"] == DASHBOARD]
    return {**found, **({"dashboard": boards[0]} if boards else {})}


def test_monitoring_is_rendered_where_the_cluster_knows_its_kinds_and_nowhere_else() -> None:
    assert rendered() == {}
    assert rendered({}, *KNOWN).keys() == {*KINDS, "dashboard"}
    assert rendered(parts(renderMode="alwaysRender")).keys() == {*KINDS, "dashboard"}
    assert rendered(parts(renderMode="failIfMissing"), *KNOWN).keys() == {*KINDS, "dashboard"}
    assert rendered(parts(renderMode="never"), *KNOWN) == {}


def test_half_of_the_kinds_is_not_enough_for_the_monitors() -> None:
    assert rendered({}, "--api-versions", f"{GROUP}/PodMonitor") == {}


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_kind_is_refused_in_words_where_it_is_asked_for(part) -> None:
    words = refusal({"observability": {part: {"renderMode": "failIfMissing"}}})
    assert f"observability.{part}: the cluster has no kind " in words
    assert f"set observability.{part}.renderMode=skipIfMissing" in words


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (parts(renderMode="sometimes"), "must be one of 'skipIfMissing'"),
        ({"observability": {"monitors": {"interval": "often"}}}, "does not match pattern"),
        ({"observability": {"rules": {"disabled": ["Everything"]}}}, "does not match pattern"),
    ],
)
def test_wrong_values_are_refused_in_words(values, words) -> None:
    assert words in refusal(values)


def test_an_alert_that_there_is_not_cannot_be_left_out() -> None:
    values = {"observability": {"rules": {"renderMode": "alwaysRender", "disabled": ["PenstockMistyped"]}}}
    assert "there is no alert PenstockMistyped; there are PenstockOperatorAbsent" in refusal(values)


SCOPES = {
    "its namespace": ({}, {"matchNames": [NAMESPACE]}),
    "some": ({"scope": {"namespaces": ["red", "blue"]}}, {"matchNames": ["red", "blue"]}),
    "all": ({"scope": {"clusterWide": True}}, {"any": True}),
}


@pytest.mark.parametrize(("scope", "wanted"), SCOPES.values(), ids=SCOPES)
def test_the_prometheus_operator_would_take_every_object(scope, wanted) -> None:
    for kind, item in rendered(scope, *KNOWN).items():
        if kind != "dashboard":
            assert faults(item) == []


@pytest.mark.parametrize(("scope", "wanted"), SCOPES.values(), ids=SCOPES)
def test_servers_are_scraped_in_the_served_namespaces_and_the_operator_in_its_own(scope, wanted) -> None:
    found = rendered(scope, *KNOWN)
    assert found["PodMonitor"]["spec"]["namespaceSelector"] == wanted
    assert found["ServiceMonitor"]["spec"]["namespaceSelector"] == {"matchNames": [NAMESPACE]}


def test_the_webhook_is_scraped_where_there_is_one() -> None:
    objects = render({"webhook": {"enabled": True, "secretName": "hooks"}}, *KNOWN)
    found = of_kind(objects, "PodMonitor")
    (monitor,) = [one for one in found if one["metadata"]["name"] == "penstock-webhook"]
    assert faults(monitor) == []
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": [NAMESPACE]}
    server = named(objects, "Deployment", "penstock-webhook")
    template = server["spec"]["template"]
    selector = monitor["spec"]["selector"]["matchLabels"]
    assert selector.items() <= template["metadata"]["labels"].items()
    ports = [port["name"] for one in template["spec"]["containers"] for port in one["ports"]]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert ports.count(endpoint["port"]) == 1
    (job,) = [one for one in scrape_jobs() if one["job_name"] == "penstock-webhook"]
    kept = job["relabel_configs"][0]
    labels = dict(zip(kept["source_labels"], kept["regex"].split(";"), strict=True))
    assert labels.pop("__meta_kubernetes_pod_container_port_name") == endpoint["port"]
    of_pods = {
        "__meta_kubernetes_pod_label_" + name.translate(str.maketrans("./-", "___")): value
        for name, value in template["metadata"]["labels"].items()
    }
    assert labels.items() <= of_pods.items()


def test_a_fault_in_a_monitor_would_be_found() -> None:
    """The checker checks: each of these is refused by the kind's schema."""
    good = rendered({}, *KNOWN)["PodMonitor"]
    endpoint = ("podMetricsEndpoints", 0)
    spoiled: list[tuple[tuple[Any, ...], str, Any]] = [
        ((), "selectors", {}),
        (endpoint, "interval", "often"),
        (endpoint, "honorLabels", "yes"),
        (endpoint, "relabelings", [{"sourcelabels": ["a"]}]),
        (endpoint, "scheme", "ftp"),
    ]
    for way, name, value in spoiled:
        bad = copy.deepcopy(good)
        place = bad["spec"]
        for step in way:
            place = place[step]
        place[name] = value
        assert faults(bad), name
    del (without := copy.deepcopy(good))["spec"]["selector"]
    assert faults(without) == ["spec.selector: required"]


def test_the_monitors_select_what_the_chart_and_the_operator_label() -> None:
    objects = render({}, *KNOWN)
    service = named(objects, "Service", "penstock")
    (monitor,) = of_kind(objects, "ServiceMonitor")
    selector = monitor["spec"]["selector"]["matchLabels"]
    assert selector.items() <= service["metadata"]["labels"].items()
    assert not selector.items() <= named(objects, "Service", "penstock-store")["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] in {one["name"] for one in service["spec"]["ports"]}
    golden = yaml.safe_load_all((ROOT / "tests/golden/manifests/everything.yaml").read_text())
    servers = of_kind(golden, "Deployment")
    assert servers, "the golden manifests have no model server"
    (pods,) = of_kind(objects, "PodMonitor")
    for server in servers:
        template = server["spec"]["template"]
        assert pods["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        containers = [*template["spec"].get("initContainers", ()), *template["spec"]["containers"]]
        ports = [port["name"] for one in containers for port in one.get("ports", ())]
        assert ports.count(pods["spec"]["podMetricsEndpoints"][0]["port"]) == 1, "scraped once, not twice"


def test_the_page_for_a_plain_prometheus_does_what_the_monitors_do() -> None:
    found = rendered({}, *KNOWN)
    jobs = {one["job_name"]: one for one in scrape_jobs()}
    operator, servers = jobs["penstock"], jobs["penstock-servers"]
    (endpoint,) = found["ServiceMonitor"]["spec"]["endpoints"]
    assert operator["honor_labels"] is endpoint["honorLabels"] is True
    (pods,) = found["PodMonitor"]["spec"]["podMetricsEndpoints"]
    assert "honor_labels" not in servers
    assert "honorLabels" not in pods
    for relabeling in pods["relabelings"]:
        plain = {"source_labels": relabeling["sourceLabels"], "target_label": relabeling["targetLabel"]}
        assert plain in servers["relabel_configs"]
    kept = servers["relabel_configs"][0]
    labels = dict(zip(kept["source_labels"], kept["regex"].split(";"), strict=True))
    assert labels.pop("__meta_kubernetes_pod_container_port_name") == pods["port"]
    selector = found["PodMonitor"]["spec"]["selector"]["matchLabels"]
    assert labels == {
        "__meta_kubernetes_pod_label_" + name.translate(str.maketrans("./-", "___")): value
        for name, value in selector.items()
    }


def test_the_rules_are_those_of_the_file() -> None:
    groups = rendered({}, *KNOWN)["PrometheusRule"]["spec"]["groups"]
    assert groups == RULES["groups"]


def test_rules_can_be_labelled_left_out_and_pointed_to_another_page() -> None:
    (pipelines,) = [one for one in RULES["groups"] if one["name"] == "penstock-pipelines"]
    left_out = {"PenstockEndpointSlow", *(rule["alert"] for rule in pipelines["rules"])}
    rules = {
        "alertLabels": {"team": "ml"},
        "disabled": sorted(left_out),
        "runbookUrl": "https://docs.example/observability.md",
    }
    found = rendered({"observability": {"rules": rules}}, *KNOWN)["PrometheusRule"]
    groups = found["spec"]["groups"]
    alerts = {one["alert"]: one for group in groups for one in group["rules"] if "alert" in one}
    every = {one["alert"] for group in RULES["groups"] for one in group["rules"] if "alert" in one}
    assert every - alerts.keys() == left_out
    assert "penstock-pipelines" not in {group["name"] for group in groups}, (
        "a group without rules is left out"
    )
    for name, alert in alerts.items():
        assert alert["labels"]["team"] == "ml"
        assert alert["labels"]["severity"]
        address = f"https://docs.example/observability.md#{name.lower()}"
        assert alert["annotations"]["runbook_url"] == address


def test_the_dashboard_is_the_file_under_the_label_that_the_sidecar_looks_for() -> None:
    found = rendered({}, *KNOWN)["dashboard"]
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    text = (CHART / "files/dashboards/penstock.json").read_text()
    assert json.loads(found["data"]["penstock.json"]) == json.loads(text)
    other = {"observability": {"dashboards": {"labels": {"grafana_dashboard": None, "board": "yes"}}}}
    labels = rendered(other, *KNOWN)["dashboard"]["metadata"]["labels"]
    assert labels["board"] == "yes"
    assert "grafana_dashboard" not in labels


def test_labels_annotations_namespace_and_interval_are_the_users() -> None:
    extra = {"namespace": "monitoring", "labels": {"release": "stack"}, "annotations": {"note": "ours"}}
    values = merged(
        parts(**extra), {"observability": {"monitors": {"interval": "15s", "scrapeTimeout": "5s"}}}
    )
    found = rendered(values, *KNOWN)
    assert found.keys() == {*KINDS, "dashboard"}
    for one in found.values():
        assert one["metadata"]["namespace"] == "monitoring"
        assert one["metadata"]["labels"]["release"] == "stack"
        assert one["metadata"]["annotations"] == {"note": "ours"}
    for kind, field in (("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints")):
        (endpoint,) = found[kind]["spec"][field]
        assert (endpoint["interval"], endpoint["scrapeTimeout"]) == ("15s", "5s")


def test_health_for_argo_cd_is_made_when_asked_for_and_has_the_keys_of_argocd_cm() -> None:
    assert "penstock-argocd-health" not in {one["metadata"]["name"] for one in render()}
    values = {"observability": {"argocd": {"create": True, "namespace": "argocd"}}}
    found = named(render(values), "ConfigMap", "penstock-argocd-health")
    assert found["metadata"]["namespace"] == "argocd"
    scripts = {path.stem: path.read_text() for path in (CHART / "files/argocd").glob("*.lua")}
    prefix = "resource.customizations.health.penstock.dev_"
    assert found["data"] == {f"{prefix}{kind}": script for kind, script in scripts.items()}


def test_the_whole_rendering_is_the_one_that_was_reviewed(update_golden) -> None:
    found = rendered({"scope": {"namespaces": ["red", "blue"]}}, *KNOWN)
    monitors = [found["ServiceMonitor"], found["PodMonitor"]]
    text = yaml.safe_dump_all(monitors, sort_keys=True, width=110)
    path = ROOT / "tests/chart/golden/monitors.yaml"
    if update_golden:
        path.write_text(text)
    assert text == path.read_text(), "pytest --update-golden writes it; look at the difference"
