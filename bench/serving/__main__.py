"""`python -m bench.serving`: rounds of load on each server in turn, medians in a table.

One server at a time on one CPU, the client on another. Rounds are interleaved, so that a slow minute of the
machine meets all alike. Needs Linux, two CPUs, and the programs wrk and taskset (Debian: wrk, util-linux).
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.serving import load, model
from bench.serving.load import Measured
from bench.serving.servers import SERVERS, running

CONNECTIONS = (1, 8, 32)
FIRST_PORT = 9400
Figures = dict[tuple[str, int], list[Measured]]


def main() -> int:
    """Run all rounds and print the table; 2 when a program is missing."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each server (default: 5)")
    parser.add_argument("--seconds", type=int, default=4, help="length of one measurement (default: 4)")
    parser.add_argument("--servers", nargs="*", choices=list(SERVERS), default=list(SERVERS))
    arguments = parser.parse_args()
    if lacking := load.look_for(["wrk", "taskset"]):
        print(f"missing: {', '.join(lacking)}. On Debian: apt-get install wrk util-linux", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        made = model.make(Path(folder))
        figures = measure(made, arguments.servers, arguments.rounds, arguments.seconds)
    print(table(figures, arguments.servers))
    return 0


def measure(made: model.BenchModel, servers: Sequence[str], rounds: int, seconds: int) -> Figures:
    """What each server did at each number of connections, round by round."""
    content = load.body(made.rows)
    figures: Figures = {}
    for number in range(rounds):
        for place, name in enumerate(servers):
            with running(name, made, FIRST_PORT + 10 * place, core=0) as server:
                _warm(server.url, content)
                for connections in CONNECTIONS:
                    before = server.cpu_seconds()
                    found = load.drive(server.url, content, connections, seconds, core=1)
                    spent = 1000 * (server.cpu_seconds() - before) / (found.per_second * seconds)
                    found = replace(found, cpu=spent)
                    figures.setdefault((name, connections), []).append(found)
                    print(f"round {number + 1}  {name:<9} c={connections:<3} {found.words()}", flush=True)
    return figures


def _warm(url: str, content: str) -> None:
    headers = {"content-type": "application/json"}
    for _ in range(200):
        request = urllib.request.Request(url, data=content.encode(), headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            outputs = {one["name"] for one in json.load(answer)["outputs"]}
    if outputs != {"label", "probabilities"}:
        raise RuntimeError(f"{url} answered {outputs}")


def table(figures: Figures, servers: Sequence[str]) -> str:
    """Medians over the rounds as Markdown, and each rival as a ratio to the first server."""
    lines = [
        f"{platform.machine()}, Python {platform.python_version()}; medians of {_rounds(figures)} rounds",
        "",
        "| connections | server | requests/s | p50 ms | p99 ms | CPU ms | failed | ratio of requests/s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for connections in CONNECTIONS:
        base = _median(figures, servers[0], connections)["per_second"]
        for name in servers:
            one = _median(figures, name, connections)
            failed = sum(round_.failed for round_ in figures[name, connections])
            times = f"{one['per_second']:,.0f} | {one['p50']:.2f} | {one['p99']:.2f} | {one['cpu']:.3f}"
            lines.append(f"| {connections} | {name} | {times} | {failed} | {one['per_second'] / base:.2f} |")
    return "\n".join(lines)


def _rounds(figures: Figures) -> int:
    return max(len(one) for one in figures.values())


def _median(figures: Figures, name: str, connections: int) -> Mapping[str, float]:
    rounds = figures[name, connections]
    return {
        key: statistics.median(getattr(one, key) for one in rounds)
        for key in ("per_second", "p50", "p99", "cpu")
    }


if __name__ == "__main__":
    sys.exit(main())
