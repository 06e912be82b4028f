"""S3 and S6: calm windows stay calm, a shift is found and named, a falsified log is noticed, not judged."""

import json

import pytest

from examples import traffic
from hack.project import bucket, forwarded
from tests.e2e.watched import ENDPOINT, SHIFT, Watch, here, sending, serve, watched_tumour
from tests.support import SYSTEM_NAMESPACE, condition, wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture
def served(runs, namespace, lake, data_folder) -> tuple[Watch, traffic.Table]:
    """The tumour example, served and watched."""
    lake("tumour.csv", (data_folder / "tumour.csv").read_bytes())
    drift = {"name": "drift", "endpointCondition": {"endpoint": ENDPOINT, "type": "Drifted"}}
    watch = serve(runs, watched_tumour(namespace, triggers=[drift]))
    return watch, traffic.read(data_folder / "tumour.csv")


def named(message: str, table: traffic.Table) -> set[str]:
    """The columns that the message names."""
    return {name for name in table.spread if name in message}


def test_calm_traffic_is_calm_a_shift_is_named_too_few_rows_and_a_falsified_log_are_not_judged(
    served, namespace, kubectl, runs
) -> None:
    watch, table = served
    assert watch.drifted()["status"] == "Unknown"
    with sending(namespace, table) as answers:
        # The first window may hold the start of the traffic only.
        enough = watch.wait(
            "the first judged window", lambda seen: [one for one in seen if one["rows"] > 200]
        )
        first = enough[0]["end"]
        calm = watch.wait("three windows", lambda seen: seen if len(seen) >= 2 else None, after=first)
        assert {one["verdict"] for one in [*enough[:1], *calm[:2]]} == {"NotDrifted"}
        assert all(one["rows"] > 200 and one["lost"] == 0 for one in calm[:2])
        assert watch.drifted()["status"] == "False"
    assert set(answers) == {"200"}

    before = watch.last()
    with sending(namespace, table, shift=SHIFT) as answers:
        message = condition(watch.wait_drifted("True"), "Drifted")["message"]
        print(message)
        assert named(message, table) == set(SHIFT)
        drifting = [one for one in watch.windows() if one["end"] > before and one["verdict"] == "Drifted"]
        assert len(drifting) >= 2
    assert set(answers) == {"200"}
    endpoint = watch.endpoint()
    assert condition(endpoint, "Ready")["status"] == "True"
    assert condition(endpoint, "Stalled")["status"] == "False"
    assert endpoint["status"]["monitoring"]["episodes"] == 1
    table_text = kubectl.run("get", "modelendpoints", "-n", namespace).stdout
    print(table_text)
    assert "DRIFTED" in table_text.splitlines()[0]

    report_is_kept(kubectl, namespace, drifting[-1]["report"])
    wait_for("a run", lambda: "tumour-drifted-1" in runs.names())
    assert sorted(runs.names()) == ["tumour-drifted-1", "tumour-g1"], "an episode starts one run"
    started = runs.finished("tumour-drifted-1")
    episode = started["spec"]["episode"]
    assert (episode["endpoint"], episode["condition"], episode["number"]) == (ENDPOINT, "Drifted", 1)
    assert (started["status"]["status"], started["status"]["reason"]) == ("Succeeded", "NoNewData")

    before = watch.last()
    with sending(namespace, table, rate=10):  # 150 rows in a window
        few = watch.wait(
            "a window of 150 rows",
            lambda seen: [one for one in seen if 100 <= one["rows"] < 200],
            after=before,
        )
    assert (few[0]["verdict"], few[0]["reason"]) == ("Unknown", "InsufficientSamples")

    with sending(namespace, table):
        before = watch.last()
        flipped = flip_a_byte(namespace)
        corrupt = watch.wait(
            "the falsified window",
            lambda seen: [one for one in seen if one["reason"] == "LogCorrupt"],
            before,
        )
    assert corrupt[0]["verdict"] == "Unknown"
    assert flipped[-40:] in watch.endpoint()["status"]["monitoring"]["message"] or corrupt


def report_is_kept(kubectl, namespace: str, digest: str) -> None:
    """The report of a window lies in the store: a page with pictures that names the columns."""
    with bucket(here(), namespace) as store:
        found = {one["path"].rsplit("/", 1)[-1]: one["path"] for page in store.list() for one in page}
        manifest = json.loads(bytes(store.get(found[digest.removeprefix("sha256:")]).bytes()))
        files = {
            one["path"]: bytes(store.get(found[one["sha256"]]).bytes()).decode() for one in manifest["files"]
        }
    assert "<svg" in files["report.html"]
    for column in SHIFT:
        assert column in files["report.html"]
    assert json.loads(files["report.json"])["verdict"] == "Drifted"


def flip_a_byte(namespace: str) -> str:
    """Falsify the newest object of the log that is still to be judged; gives its name."""
    with bucket(here(), namespace) as store:

        def log() -> set[str]:
            return {
                one["path"]
                for page in store.list()
                for one in page
                if f"{namespace}/log/{ENDPOINT}/" in one["path"]
            }

        known = log()
        fresh = wait_for("a new object of the log", lambda: log() - known)
        path = max(fresh)
        content = bytearray(store.get(path).bytes())
        content[len(content) // 2] ^= 1
        store.put(path, bytes(content))
        return str(path)


@pytest.mark.alone
def test_a_store_that_is_away_for_a_minute_fails_no_request_and_what_is_lost_is_counted(
    served, namespace, kubectl
) -> None:
    _, table = served
    deployment = ("deployment", "penstock-store", "-n", SYSTEM_NAMESPACE)
    with sending(namespace, table, rate=80) as answers:
        wait_for("traffic", lambda: answers["200"] > 400)
        kubectl.run("scale", *deployment, "--replicas=0")
        try:
            away = answers["200"]
            wait_for("4,800 requests without a store", lambda: answers["200"] >= away + 4800, 360)
        finally:
            kubectl.run("scale", *deployment, "--replicas=1")
        kubectl.run("rollout", "status", *deployment, "--timeout=90s")
    assert sum(answers.values()) >= 5000
    assert set(answers) == {"200"}

    def settled() -> dict[str, float] | None:
        rows = log_rows(namespace)
        return rows if sum(rows.values()) >= answers["200"] else None

    rows = wait_for("every row to be accounted for", settled, 240, every=2)
    print(rows)
    assert sum(rows.values()) == answers["200"]
    assert rows["stored"] > 0


def log_rows(namespace: str) -> dict[str, float]:
    """What became of the rows, by the server's own figures."""
    import urllib.request

    from prometheus_client.parser import text_string_to_metric_families

    with forwarded(here(), namespace, f"svc/{ENDPOINT}", 80) as port:
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20).read().decode()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "penstock_server_log_rows_total":
                outcome = sample.labels["outcome"]
                found[outcome] = found.get(outcome, 0) + sample.value
    return found
