"""`python -m penstock_operator.webhook`: see --help."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from penstock_operator import clock, logs
from penstock_operator.cluster import Cluster
from penstock_operator.credentials import Credentials
from penstock_operator.webhook.desk import Desk
from penstock_operator.webhook.figures import Figures
from penstock_operator.webhook.limits import Deliveries, Rate, next_second
from penstock_operator.webhook.secret_files import SecretFiles
from penstock_operator.webhook.server import receiving, watched

log = logging.getLogger("penstock_operator.webhook")


def main() -> int:
    """Run until told to stop: 0. Otherwise 1, with the reason as the last line of the log."""
    given = _parser().parse_args()
    logs.configure(given.log_level.upper())
    try:
        asyncio.run(_run(given))
    except (ValueError, OSError) as error:
        log.critical("cannot start", extra={"why": str(error)})
        return 1
    return 0


async def _run(given: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    named = os.environ.get("KUBECONFIG")
    credentials = Credentials.load(given.kubeconfig or (Path(named) if named else None))
    secrets, figures = SecretFiles(given.secrets), Figures()
    if not secrets.readable():
        raise ValueError(f"there is no folder {given.secrets}: mount the Secret there")
    address = given.address or None
    async with Cluster(credentials) as cluster:
        rate = Rate(given.per_minute, given.burst)
        desk = Desk(cluster, secrets.keys, Deliveries(await next_second(_now)), rate, _now)
        async with (
            receiving(desk, figures, address, given.port) as port,
            watched(figures, address, given.health_port) as health,
        ):
            log.info("receiving", extra={"port": port, "health_port": health})
            await stop.wait()
    log.info("stopped")


def _now() -> float:
    return clock.now().timestamp()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m penstock_operator.webhook",
        description="Starts runs for signed messages: docs/webhook.md.",
    )
    parser.add_argument(
        "--secrets",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="files <namespace>.<name>, a secret in each",
    )
    parser.add_argument("--port", type=int, default=8080, help="for messages; 0 picks one")
    parser.add_argument(
        "--health-port", type=int, default=8081, help="of /metrics, /healthz and /readyz; 0 picks one"
    )
    parser.add_argument("--address", default="", help="to listen on; default: every address")
    parser.add_argument("--per-minute", type=float, default=60.0, help="messages of a namespace")
    parser.add_argument("--burst", type=float, default=30.0, help="messages of a namespace at once")
    parser.add_argument(
        "--kubeconfig", type=Path, metavar="FILE", help="default: $KUBECONFIG, else the pod's service account"
    )
    parser.add_argument(
        "--log-level", default="info", choices=["debug", "info", "warning", "error"], help="default: info"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
