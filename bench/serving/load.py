"""Load by wrk: one client program for all servers, and what it measured."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# wrk asks Lua for the request, and at the end for the figures. Latencies are in microseconds.
_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[%s]==]
done = function(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.write + summary.errors.timeout
  io.write(string.format("RESULT %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration, failed,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Measured:
    """One round of one server."""

    per_second: float  # requests answered
    p50: float  # milliseconds
    p99: float  # milliseconds
    failed: int
    cpu: float = 0.0  # milliseconds of the server's CPU a request: other work on the machine changes it least

    def words(self) -> str:
        """One line of figures."""
        times = f"p50 {self.p50:6.2f}  p99 {self.p99:6.2f}  CPU {self.cpu:5.3f} ms"
        return f"{self.per_second:8.0f}/s  {times}"


def body(rows: Sequence[Sequence[float]]) -> str:
    """The request that every server gets: all columns as one matrix."""
    tensor: Mapping[str, Any] = {
        "name": "x",
        "shape": [len(rows), len(rows[0])],
        "datatype": "FP64",
        "data": [cell for row in rows for cell in row],
    }
    return json.dumps({"inputs": [tensor]})


def drive(url: str, content: str, connections: int, seconds: int, core: int) -> Measured:
    """Ask `url` for `seconds` over `connections` kept-open connections, from the CPU `core`."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % content)
        script.flush()
        command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
        done = subprocess.run(
            [*command, "-s", script.name, url],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 30,
        )
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", done.stdout)
    if found is None:
        raise RuntimeError(f"wrk said nothing of use: {done.stdout}{done.stderr}")
    requests, microseconds, failed, p50, p99 = (int(one) for one in found.groups())
    return Measured(requests / (microseconds / 1e6), p50 / 1000, p99 / 1000, failed)


def look_for(programs: Sequence[str]) -> list[str]:
    """Those of the programs that are not there."""
    return [one for one in programs if not any(Path(folder, one).is_file() for folder in _path())]


def _path() -> list[str]:
    return os.environ.get("PATH", "").split(os.pathsep)
