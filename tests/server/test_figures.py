"""What Prometheus reads, and what the log says."""

from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from tests.server.model_folders import StoredModel
from tests.server.server_process import ServerProcess, rows, running, tensors

Stored = Callable[[str], StoredModel]


def _samples(server: ServerProcess) -> dict[tuple[str, str], float]:
    answer = server.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, sample.labels.get("code") or sample.labels.get("le", "")): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name.startswith("penstock_server_") and sample.labels.get("protocol") != "grpc"
    }


def test_metrics_count_requests_rows_and_time(stored: Stored) -> None:
    model = stored("visitors")
    with running(model) as server:
        assert _samples(server)["penstock_server_request_seconds_count", ""] == 0
        for size in (1, 200):
            assert server.infer({"inputs": tensors(model, rows(model, 0, size))}).status_code == 200
        server.infer(b"{")
        server.infer(b"{}", "/v2/models/other/infer")
        found = _samples(server)
    assert found["penstock_server_requests_total", "200"] == 2
    assert found["penstock_server_requests_total", "400"] == 1
    assert found["penstock_server_requests_total", "404"] == 1
    assert found["penstock_server_rows_total", ""] == 201
    assert found["penstock_server_in_flight", ""] == 0
    assert found["penstock_server_ready", ""] == 1
    assert found["penstock_server_request_seconds_count", ""] == 4
    assert found["penstock_server_request_seconds_bucket", "+Inf"] == 4


def test_every_series_names_model_and_version_and_one_says_what_is_served(stored: Stored) -> None:
    model = stored("visitors")
    with running(model) as server:
        families = list(text_string_to_metric_families(server.get("/metrics").text))
    samples = [
        one for family in families for one in family.samples if one.name.startswith("penstock_server_")
    ]
    assert {(one.labels["model"], one.labels["version"]) for one in samples} == {("visitors", "visitors-3")}
    (info,) = [one for one in samples if one.name == "penstock_server_model_info"]
    assert info.labels == {
        "model": "visitors",
        "version": "visitors-3",
        "digest": model.digest,
        "endpoint": "visitors-live",
        "task": "Classification",
    }


def test_the_log_has_one_json_line_per_event(stored: Stored) -> None:
    model = stored("visitors")
    with running(model, PENSTOCK_SERVE_REQUEST_LOG="all") as server:
        server.infer({"inputs": tensors(model, rows(model, 0, 1)), "id": 'a"\n{"event": "forged"}'})
        server.infer(b"{", "/v2/models/%0a%7B%22event%22%3A%22forged%22%7D/infer")
        server.get("/v2/health/ready")
        server.process.terminate()
        server.wait_for_exit()
        events = [line["event"] for line in server.lines]
    assert events == ["listening", "ready", "request", "refused", "request", "draining", "stopped"]
    assert [line["code"] for line in server.lines if line["event"] == "request"] == [200, 404]
    assert all({"time", "level", "event"} <= line.keys() for line in server.lines)
