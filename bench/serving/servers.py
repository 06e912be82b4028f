"""Each server as a process on the loopback address and one CPU, ready to be asked."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.serving.environments import python_of
from bench.serving.model import BenchModel
from penstock_spec import serving_contract

_RIVALS = Path(__file__).with_name("rivals.py")
_PATIENCE = 60
_ROOT = Path(__file__).resolve().parents[2]


def penstock(model: BenchModel, port: int) -> tuple[Sequence[str], Mapping[str, str]]:
    """Penstock's server: its command and its variables."""
    where = ["--host", "127.0.0.1", "--port", str(port), "--folder", str(model.folder)]
    roots = ("pipeline_spec", "artifacts", "serving")
    variables = {
        serving_contract.MODEL_NAME_VARIABLE: "forest",
        serving_contract.MODEL_VERSION_VARIABLE: "forest-1",
        serving_contract.MODEL_DIGEST_VARIABLE: model.digest,
        "PENSTOCK_SERVE_DRAIN_SECONDS": "0",
        "PYTHONPATH": os.pathsep.join(str(_ROOT / root) for root in roots),
    }
    return [sys.executable, "-m", "penstock_server", "serve", *where], variables


def kserve(model: BenchModel, port: int) -> tuple[Sequence[str], Mapping[str, str]]:
    """KServe's Python server with the same graph."""
    return [str(python_of("kserve")), str(_RIVALS), "kserve", str(model.graph), str(port)], {}


def mlserver(model: BenchModel, port: int) -> tuple[Sequence[str], Mapping[str, str]]:
    """MLServer with the same graph."""
    return [str(python_of("mlserver")), str(_RIVALS), "mlserver", str(model.graph), str(port)], {}


SERVERS = {"Penstock": penstock, "KServe": kserve, "MLServer": mlserver}


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str  # of inference
    pid: int

    def cpu_seconds(self) -> float:
        """CPU time that the process has used so far, its own and the kernel's for it."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(name: str, model: BenchModel, port: int, core: int) -> Iterator[Running]:
    """The server while the context lasts; its process runs on the CPU `core` alone."""
    command, variables = SERVERS[name](model, port)
    process = subprocess.Popen(
        ["taskset", "-c", str(core), *command],
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"http://127.0.0.1:{port}/v2/health/ready", process, name)
        yield Running(f"http://127.0.0.1:{port}/v2/models/forest/infer", process.pid)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, process: "subprocess.Popen[bytes]", name: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with code {process.returncode} before it was ready")
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.2)
    raise RuntimeError(f"{name} was not ready within {_PATIENCE} s")
