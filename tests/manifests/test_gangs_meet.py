"""The program of docs/gangs.md, as so many processes with the environment of the manifest: they do meet."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from penstock_operator.manifests.gangs import INDEX, Gang, environment
from tests.core.flow_page import GANGS

STEPS = {one["name"]: one for one in GANGS["together"][0]["spec"]["steps"]}
BASE = 100  # what the step base writes


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def told(workers: int, worker: int, port: int) -> dict[str, str]:
    """What a worker finds in its environment. A pod's name and address are this machine's here."""
    found = {}
    for one in environment(Gang(workers), "job"):
        if "value" in one:
            found[one["name"]] = one["value"]
        else:
            assert one["valueFrom"]["fieldRef"]["fieldPath"] == INDEX
            found[one["name"]] = str(worker)
    assert found["MASTER_ADDR"] == "job-0.job"
    return {**found, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


@pytest.mark.parametrize("workers", [1, STEPS["add"]["gang"]["workers"], 5])
def test_the_workers_of_the_page_meet_and_all_know_the_sum(tmp_path: Path, workers: int) -> None:
    port, processes = free_port(), []
    for worker in reversed(range(workers)):  # worker 0 comes last, and the others wait for it
        folder = tmp_path / str(worker)
        (folder / "in/number").mkdir(parents=True)
        (folder / "in/number/base").write_text(str(BASE))
        (folder / "out/sum").mkdir(parents=True)
        program = STEPS["add"]["run"]["command"][2].replace("/penstock/", f"{folder}/")
        # Waiting for a name takes whole seconds there.
        program = program.replace("time.sleep(1)", "time.sleep(0.05)")
        env = {"PATH": os.environ["PATH"], **told(workers, worker, port)}
        processes.append(subprocess.Popen([sys.executable, "-c", program], env=env))
    assert [one.wait(60) for one in processes] == [0] * workers
    sums = {(tmp_path / str(worker) / "out/sum/total").read_text() for worker in range(workers)}
    assert sums == {str(workers * BASE + sum(range(workers)))}
