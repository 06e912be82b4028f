"""S4: a real Prometheus finds data behind every panel, every variable and every rule."""

import contextlib
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
import yaml
from tritonclient import grpc as triton

from examples import traffic
from hack.cluster.cluster import load
from hack.dashboard.content import DASHBOARD
from hack.load import sending
from hack.project import forwarded, image_values
from tests.chart.rendering import render
from tests.e2e.endpoints import Stage
from tests.observability.prometheus_process import RULES, Prometheus, prometheus
from tests.observability.promql import asked
from tests.support import ROOT, SYSTEM_NAMESPACE, Kubectl, condition, pipeline, wait_for

# Its operator is the one whose figures are looked at, so it is never beside those that kill that.
pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("operator")]

ENDPOINT = "tumour"
CLOSED = "closed"  # the same model behind tokens
EVERY = "15s"
TOKEN = "open-sesame-0123456789"
RATE = 40.0  # requests per second: enough rows for a verdict in each window
SHIFT = {"mean_texture": 1.5, "worst_symmetry": 1.5}
LONGEST = 400.0  # two windows have their verdict long before
# What Grafana puts in at the top of the page and for the scrape interval.
CHOICE = {"$__rate_interval": "30s", "$endpoint": f"{ENDPOINT}|{CLOSED}"}


def watched_pipeline(namespace: str) -> dict[str, Any]:
    """The example with windows short enough to wait for."""
    text = (ROOT / "examples/tumour/pipeline.yaml").read_text()
    quick, changes = re.subn(r"every: \w+", f"every: {EVERY}", text)
    assert changes == 1, "the example has one monitor step"
    found: dict[str, Any] = yaml.safe_load(quick)
    found["metadata"]["namespace"] = namespace
    return found


def failing_pipeline(namespace: str) -> dict[str, Any]:
    """A run that fails at once: without one, the panels of failures would have nothing to show."""
    source = {"object": {"connection": "lake", "key": "nothing-here.csv"}}
    step = {"name": "data", "ingest": {"source": source, "schema": {"columns": []}}}
    return pipeline("fails", namespace, {"steps": [step]})


def expression_for(expression: str, namespace: str) -> str:
    """The expression as Grafana sends it, with one namespace and two endpoints chosen."""
    for name, value in {**CHOICE, "$namespace": namespace}.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def dead(there: Prometheus, namespace: str) -> dict[str, str]:
    """The panels' queries that give no number now, by title."""
    return {
        f"{row.title}: {panel.title}: {query.legend}": query.expression
        for row in DASHBOARD.rows
        for panel in row.panels
        for query in panel.queries
        if not there.values(expression_for(query.expression, namespace))
    }


def lacking(look: Callable[[], Any], seconds: float) -> Any:
    """What `look` finds lacking, once that is nothing, or after so many seconds."""
    until = time.monotonic() + seconds
    while (left := look()) and time.monotonic() < until:
        time.sleep(2)
    return left


@contextlib.contextmanager
def served(runs, kubectl: Kubectl, namespace: str, lake, data_folder) -> Iterator[Any]:
    """The example's endpoint, monitored; gives the rows that it was trained on."""
    table = data_folder / "tumour.csv"
    lake("tumour.csv", table.read_bytes())
    run = runs.execute(watched_pipeline(namespace))
    assert run["status"]["status"] == "Succeeded", json.dumps(run["status"], indent=1)
    yield traffic.read(table)


def send_nonsense(namespace: str) -> None:
    """Requests that are refused, over both protocols: codes beside 200."""
    cluster = load(os.environ["PENSTOCK_CLUSTER"])
    with forwarded(cluster, namespace, f"svc/{ENDPOINT}", 80) as port:
        url = f"http://127.0.0.1:{port}/v2/models/{ENDPOINT}/infer"
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(urllib.request.Request(url, data=b"{}"), timeout=10)
    with forwarded(cluster, namespace, f"svc/{ENDPOINT}", 8081) as port:
        client = triton.InferenceServerClient(f"127.0.0.1:{port}")
        with pytest.raises(triton.InferenceServerException, match="INVALID_ARGUMENT"):
            client.infer(ENDPOINT, [], client_timeout=10)
        client.close()


def ask_with_a_token(kubectl: Kubectl, namespace: str, image: str) -> None:
    """One request that is known and one that is not, to an endpoint of their own."""
    (version,) = kubectl.list("modelversions", namespace)
    name, body = version["metadata"]["name"], (ROOT / "examples/tumour/request.json").read_bytes()
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "callers", "namespace": namespace},
            "stringData": {"shop": TOKEN},
        }
    )
    stage = Stage(kubectl, namespace, image, body.decode(), {name: version["spec"]["digest"]})
    stage.endpoint(CLOSED, name, authentication={"secret": "callers"})
    with forwarded(load(os.environ["PENSTOCK_CLUSTER"]), namespace, f"svc/{CLOSED}", 80) as port:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/v2/models/{ENDPOINT}/infer", data=body)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(request, timeout=10)
        request.add_header("Authorization", f"Bearer {TOKEN}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200


def receive(kubectl: Kubectl, namespace: str, images: dict[str, str]) -> None:
    """A webhook in the test's own namespace, as the chart renders it; it gets a message that it refuses.

    The release's own is off by default, and what other tests do with it is not disturbed.
    """
    hooks = {"webhook": {"enabled": True, "secretName": "hooks"}}
    values = {**hooks, "image": {"operator": image_values(images["operator"])}}
    found = [one for one in render(values) if one["metadata"]["name"] == "penstock-webhook"]
    for one in found:
        one["metadata"]["namespace"] = namespace
        for subject in one.get("subjects", ()):
            subject["namespace"] = namespace
    about = {"name": "hooks", "namespace": namespace}
    data = {f"{namespace}.ci": "x" * 32}
    kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": about, "stringData": data}, *found)
    words = ("rollout", "status", "deployment/penstock-webhook", "-n", namespace, "--timeout=120s")
    kubectl.run(*words)
    with forwarded(load(os.environ["PENSTOCK_CLUSTER"]), namespace, "svc/penstock-webhook", 80) as port:
        url = f"http://127.0.0.1:{port}/v1/namespaces/{namespace}/pipelines/{ENDPOINT}/triggers/ci"
        request = urllib.request.Request(url, data=b"{}", headers={"Content-Type": "application/json"})
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(request, timeout=10)


def test_s4_every_panel_and_every_rule_has_data_in_a_real_prometheus(
    runs, kubectl, namespace, lake, data_folder, tmp_path, images
) -> None:
    cluster = load(os.environ["PENSTOCK_CLUSTER"])
    with (
        prometheus(kubectl, tmp_path) as there,
        served(runs, kubectl, namespace, lake, data_folder) as rows,
    ):
        failed = runs.execute(failing_pipeline(namespace))
        assert failed["status"]["status"] == "Failed"
        send_nonsense(namespace)
        ask_with_a_token(kubectl, namespace, images["server"])
        receive(kubectl, namespace, images)
        with sending(cluster, namespace, ENDPOINT, rows, rate=RATE):
            targets_are_the_pods_that_the_monitors_select(there, kubectl, namespace)
            every_panel_has_data(there, namespace)
            figures_are_those_of_the_endpoint(there, kubectl, namespace)
            variables_offer_the_endpoint(there, namespace)
            every_rule_is_evaluated(there)
            the_check_of_helm_asks_the_endpoint(kubectl, namespace, images)
        with sending(cluster, namespace, ENDPOINT, rows, rate=RATE, shift=SHIFT):
            alerts_tell_of_the_drift_and_the_failed_run(there, namespace)
        endpoint = kubectl.get("modelendpoint", ENDPOINT, namespace)
        assert condition(endpoint, "Drifted")["status"] == "True"
        assert condition(endpoint, "Ready")["status"] == "True"


def targets_are_the_pods_that_the_monitors_select(
    there: Prometheus, kubectl: Kubectl, namespace: str
) -> None:
    """The documented configuration scrapes the pods that the chart's monitors select."""
    always = {"observability": {"monitors": {"renderMode": "alwaysRender"}}, "scope": {"clusterWide": True}}
    names = {"penstock": "operator", "penstock-servers": "servers", "penstock-webhook": "webhook"}
    monitors = {
        names[one["metadata"]["name"]]: one["spec"]["selector"]["matchLabels"]
        for one in render({**always, "webhook": {"enabled": True, "secretName": "hooks"}})
        if "onitor" in one["kind"]
    }

    def selected(part: str, where: str) -> set[str]:
        words = ",".join(f"{key}={value}" for key, value in monitors[part].items())
        return {one["metadata"]["name"] for one in kubectl.list("pods", where, words)}

    def scraped() -> dict[str, set[str]]:
        up = [one["labels"] for one in there.targets() if one["health"] == "up"]
        return {
            "operator": {
                one["pod"] for one in up if one["job"] == "penstock" and one["namespace"] == SYSTEM_NAMESPACE
            },
            "servers": {
                one["pod"] for one in up if one["job"] == "penstock-servers" and one["namespace"] == namespace
            },
            "endpoints": {
                one["endpoint"] for one in up if one["namespace"] == namespace and "endpoint" in one
            },
            "webhook": {
                one["pod"] for one in up if one["job"] == "penstock-webhook" and one["namespace"] == namespace
            },
        }

    def wanted() -> dict[str, set[str]]:
        # The operator's Service and its pod have the same labels.
        return {
            "operator": selected("operator", SYSTEM_NAMESPACE),
            "servers": selected("servers", namespace),
            "endpoints": {ENDPOINT, CLOSED},
            "webhook": selected("webhook", namespace),
        }

    def the_same() -> bool:
        pods = wanted()
        return all(pods.values()) and scraped() == pods

    wait_for("the operator and the servers to be scraped", the_same)


def every_panel_has_data(there: Prometheus, namespace: str) -> None:
    """No query of the dashboard gives nothing, that of the webhook included; what does is named."""
    began = time.monotonic()
    left = lacking(lambda: dead(there, namespace), LONGEST)
    count = sum(len(panel.queries) for row in DASHBOARD.rows for panel in row.panels)
    print(f"{count - len(left)} of {count} queries have data after {time.monotonic() - began:.0f} s")
    assert left == {}


def figures_are_those_of_the_endpoint(there: Prometheus, kubectl: Kubectl, namespace: str) -> None:
    """What Prometheus has of limits and windows is what spec and status say; both protocols count."""
    only = f'{{namespace="{namespace}", endpoint="{ENDPOINT}"}}'
    limits = {"Psi": 0.2, "KolmogorovSmirnov": 0.15, "ChiSquared": 0.2}
    for method, limit in limits.items():
        inner = only.replace("}", f', method="{method}"}}')
        assert there.values(f"penstock_endpoint_drift_limit{inner}") == [limit]
    assert there.values(f"penstock_endpoint_window_every_seconds{only}") == [15.0]

    def ends() -> set[float]:
        status = kubectl.get("modelendpoint", ENDPOINT, namespace)["status"]
        told = datetime.fromisoformat(status["monitoring"]["lastWindow"]).timestamp()
        return {told} & set(there.values(f"penstock_endpoint_window_end_seconds{only}"))

    wait_for("the newest window to be told", ends)
    by_code = "sum by (protocol, code) (penstock_server_requests_total{})"
    found = there.ask("query", query=by_code.replace("{}", only))["result"]
    codes = {(one["metric"]["protocol"], one["metric"]["code"]) for one in found}
    assert {("rest", "200"), ("rest", "400"), ("grpc", "INVALID_ARGUMENT")} <= codes
    assert there.values(f"endpoint:penstock_server_errors:ratio_rate5m{only}") == [0.0]
    closed = only.replace(ENDPOINT, CLOSED)
    assert sum(there.values(f"penstock_server_unauthorized_total{closed}")) == 1.0
    by_client = closed.replace("}", ', client="shop"}')
    assert there.values(f"penstock_server_client_requests_total{by_client}") == [1.0]


def variables_offer_the_endpoint(there: Prometheus, namespace: str) -> None:
    """The choices at the top of the page hold what there is to choose."""
    for one in DASHBOARD.variables:
        offered = there.labels(expression_for(one.series, namespace), one.label)
        assert {"namespace": {namespace}, "endpoint": {ENDPOINT, CLOSED}}[one.name] <= offered


def every_rule_is_evaluated(there: Prometheus) -> None:
    """Prometheus is content with each rule, and all that rules look at is there, as what they record."""
    found = wait_for("all rules to be evaluated", lambda: _evaluated(there))
    wrong = {one["name"]: one.get("lastError", "") for one in found if one["health"] != "ok"}
    assert wrong == {}
    written = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert {one["name"] for one in found} == {rule.get("alert", rule.get("record")) for rule in written}
    names = {one.name for rule in written for one in asked(rule["expr"])}
    names |= {rule["record"] for rule in written if "record" in rule}

    assert lacking(lambda: {name for name in names if not there.values(name)}, 120) == set()


def _evaluated(there: Prometheus) -> list[dict[str, Any]]:
    rules = there.rules()
    return [] if any(one["health"] == "unknown" for one in rules) else rules


def alerts_tell_of_the_drift_and_the_failed_run(there: Prometheus, namespace: str) -> None:
    """Both fire, in words without holes; nothing critical is said of an endpoint that serves."""

    def ours() -> dict[str, dict[str, Any]]:
        places = {namespace, SYSTEM_NAMESPACE}
        return {
            one["labels"]["alertname"]: one
            for one in there.firing()
            if one["labels"].get("namespace") in places
        }

    def both() -> dict[str, dict[str, Any]] | None:
        found = ours()
        return found if {"PenstockEndpointDrifted", "PenstockRunsFailed"} <= found.keys() else None

    found = wait_for("the alerts to fire", both, 400, every=1)
    drifted = found["PenstockEndpointDrifted"]
    assert drifted["labels"]["endpoint"] == ENDPOINT
    assert drifted["annotations"]["summary"] == f"What endpoint {namespace}/{ENDPOINT} is asked has drifted."
    for one in found.values():
        assert "<no value>" not in json.dumps(one["annotations"])
        in_our_namespace = one["labels"]["namespace"] == namespace
        assert not (in_our_namespace and one["labels"]["severity"] == "critical"), one


def the_check_of_helm_asks_the_endpoint(kubectl: Kubectl, namespace: str, images: dict[str, str]) -> None:
    """The pod of `helm test`, put into a namespace with an endpoint, asks it."""
    values = {"store": {"namespaces": [namespace]}, "image": {"steps": image_values(images["steps"])}}
    (pod,) = [one for one in render(values) if one["kind"] == "Pod"]
    kubectl.apply(pod)
    name = pod["metadata"]["name"]

    def ended() -> bool:
        phase = kubectl.get("pod", name, namespace)["status"].get("phase")
        return phase in {"Succeeded", "Failed"}

    wait_for("the check to end", ended, 240, every=1)
    said = kubectl.run("logs", name, "-n", namespace).stdout
    assert f"ok: 2 of 2 endpoints in {namespace} answer\n" in said
    assert "FAILED" not in said
