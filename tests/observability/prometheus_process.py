"""A real Prometheus on the loopback address, which scrapes the test cluster through `kubectl proxy`.

The proxy makes it the same on every cluster: no route to pods is needed, and no credentials lie in a file.
"""

import json
import math
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.observability.discovery import discovery
from tests.observability.page import configuration
from tests.support import ROOT, Kubectl, wait_for

RULES = ROOT / "charts/penstock/files/rules/penstock.yaml"
EVERY = "2s"


@dataclass(frozen=True)
class Prometheus:
    """What it says over HTTP."""

    url: str

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of the API; an error is an AssertionError with its words."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from error

    def values(self, expression: str) -> list[float]:
        """The numbers that an expression gives now; what is not a number counts for nothing."""
        found = [float(one["value"][1]) for one in self.ask("query", query=expression)["result"]]
        return [one for one in found if not math.isnan(one)]

    def labels(self, series: str, label: str) -> set[str]:
        """The values of a label, as a variable of a dashboard gets them."""
        return set(self.ask(f"label/{label}/values", **{"match[]": series}))

    def rules(self) -> list[dict[str, Any]]:
        """All rules with their health."""
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]

    def firing(self) -> list[dict[str, Any]]:
        """The alerts that fire."""
        return [one for one in self.ask("alerts")["alerts"] if one["state"] == "firing"]

    def targets(self) -> list[dict[str, Any]]:
        """What is scraped."""
        found: list[dict[str, Any]] = self.ask("targets", state="active")["activeTargets"]
        return found


@contextmanager
def kubectl_proxy(kubectl: Kubectl) -> Iterator[str]:
    """host:port of the API server, without TLS and without credentials, while the context lasts."""
    command = [kubectl.program, "--kubeconfig", kubectl.kubeconfig, "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = re.search(r"127\.0\.0\.1:\d+", line)
            assert found, f"kubectl proxy did not start: {line}"
            yield found[0]
        finally:
            process.terminate()


@contextmanager
def prometheus(kubectl: Kubectl, folder: Path) -> Iterator[Prometheus]:
    """Scrapes as docs/observability.md says, every two seconds, until the context ends."""
    with kubectl_proxy(kubectl) as api, discovery(api) as pods:
        file = folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(through(api, pods, configuration()), sort_keys=False))
        yield from running(file, folder)


def through(api: str, pods: str, documented: Mapping[str, Any]) -> dict[str, Any]:
    """The documented configuration for a Prometheus outside of the cluster, behind a proxy."""
    jobs = []
    for job in documented["scrape_configs"]:
        assert job["kubernetes_sd_configs"] == [{"role": "pod"}]
        kept = {key: value for key, value in job.items() if key != "kubernetes_sd_configs"}
        relabeling = [*job["relabel_configs"], *_detour(api)]
        found = [{"url": pods, "refresh_interval": EVERY}]
        jobs.append({**kept, "http_sd_configs": found, "relabel_configs": relabeling})
    pace = {"scrape_interval": EVERY, "evaluation_interval": EVERY}
    return {"global": pace, "scrape_configs": jobs, "rule_files": [str(RULES)]}


def _detour(api: str) -> Sequence[Mapping[str, Any]]:
    pod = ["namespace", "pod_name", "pod_container_port_number"]
    return (
        {"source_labels": ["__address__"], "target_label": "instance"},
        {
            "source_labels": [f"__meta_kubernetes_{name}" for name in pod],
            "regex": "(.+);(.+);(.+)",
            "target_label": "__metrics_path__",
            "replacement": "/api/v1/namespaces/$1/pods/$2:$3/proxy/metrics",
        },
        {"target_label": "__address__", "replacement": api},
    )


def running(file: Path, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus with this configuration; its data and its log are in the folder."""
    program = os.environ.get("PENSTOCK_PROMETHEUS")
    assert program, "PENSTOCK_PROMETHEUS is not set: these tests are started by `make e2e`"
    log = folder / "prometheus.log"
    command = [program, f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"]
    with log.open("w") as output:
        # It says itself which port it got.
        process = subprocess.Popen(
            [*command, "--web.listen-address=127.0.0.1:0"], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield Prometheus(wait_for("Prometheus to listen", lambda: _address(process, log), 60))
    finally:
        process.terminate()
        process.wait(30)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    assert process.poll() is None, log.read_text()
    found = re.search(r'msg="?Listening on"? address=(127\.0\.0\.1:\d+)', log.read_text())
    if found is None:
        return ""
    url = f"http://{found[1]}"
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
            return url
    except OSError:
        return ""
