"""Discovery of pods as Prometheus does it with `kubernetes_sd_configs: [{role: pod}]`, told over HTTP.

Debian builds Prometheus without Kubernetes. The labels are those that Prometheus documents, so that the
relabeling of docs/observability.md is applied to them word for word, by the real program. Source: Prometheus,
Configuration, kubernetes_sd_config, role pod; HTTP SD format.
"""

import json
import re
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_META = "__meta_kubernetes"


def targets(pods: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A target for each port of each container, and for each container without any."""
    found = []
    for pod in pods["items"]:
        address = pod.get("status", {}).get("podIP", "")
        if not address:
            continue
        spec = pod["spec"]
        containers = [(one, "false") for one in spec["containers"]]
        containers += [(one, "true") for one in spec.get("initContainers", ())]
        for container, init in containers:
            about = {
                **_of_pod(pod),
                f"{_META}_pod_container_name": container["name"],
                f"{_META}_pod_container_init": init,
            }
            for port in container.get("ports", ()):
                number = str(port["containerPort"])
                place = {
                    f"{_META}_pod_container_port_name": port.get("name", ""),
                    f"{_META}_pod_container_port_number": number,
                }
                found.append({"targets": [f"{address}:{number}"], "labels": {**about, **place}})
            if not container.get("ports"):
                found.append({"targets": [address], "labels": about})
    return found


def _of_pod(pod: Mapping[str, Any]) -> dict[str, str]:
    metadata = pod["metadata"]
    labels = {
        f"{_META}_pod_label_{re.sub('[^a-zA-Z0-9_]', '_', name)}": value
        for name, value in metadata.get("labels", {}).items()
    }
    return {
        f"{_META}_namespace": metadata["namespace"],
        f"{_META}_pod_name": metadata["name"],
        f"{_META}_pod_phase": pod.get("status", {}).get("phase", ""),
        **labels,
    }


@contextmanager
def discovery(api: str) -> Iterator[str]:
    """The URL that `http_sd_configs` asks, while the context lasts; `api` is the API server's host:port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with urllib.request.urlopen(f"http://{api}/api/v1/pods", timeout=10) as answer:
                body = json.dumps(targets(json.load(answer))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing of interest."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
