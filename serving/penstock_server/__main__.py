"""`python -m penstock_server`: fetch lays a model out, serve answers with it, ship stores the answers."""

import argparse
import os
import sys
import time
from pathlib import Path

from penstock_server import logs
from penstock_server.prediction_log.settings import LogSettings
from penstock_server.settings import Settings, SettingsError
from penstock_spec import serving_contract


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m penstock_server", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words in (("fetch", "download the model by its digest"), ("serve", "answer requests")):
        command = commands.add_parser(name, help=words)
        command.add_argument(
            "--folder", type=Path, default=Path(serving_contract.MODEL_FOLDER), help="the model's folder"
        )
    for one in (command, commands.add_parser("ship", help="bring the prediction log to the store")):
        one.add_argument(
            "--log-folder",
            type=Path,
            default=Path(serving_contract.LOG_FOLDER),
            help="the prediction log's spool",
        )
    command.add_argument("--host", default="", help="address to listen on; default: all")
    command.add_argument("--port", type=int, default=serving_contract.SERVE_PORT, help="port for HTTP")
    command.add_argument("--grpc-port", type=int, default=serving_contract.GRPC_PORT, help="port for gRPC")
    command.add_argument(
        "--tokens",
        type=Path,
        default=Path(serving_contract.TOKENS_FOLDER),
        help="folder with a token per client",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run one command. The exit code: 0 done, 1 refused, 2 wrongly configured."""
    started = time.perf_counter()
    options = _options(arguments)
    logs.configure()
    try:
        if options.command == "fetch":
            from penstock_server.fetch import fetch  # noqa: PLC0415 - the store's client only where it is used

            return fetch(os.environ, options.folder)
        if options.command == "ship":
            from penstock_server.prediction_log.ship import ship  # noqa: PLC0415 - the same

            return ship(os.environ, options.log_folder)
        settings = Settings.read(
            os.environ,
            folder=options.folder,
            host=options.host,
            port=options.port,
            grpc_port=options.grpc_port,
            tokens=options.tokens,
        )
        log = LogSettings.read(os.environ, options.log_folder)
    except SettingsError as error:
        logs.event("wrongly configured", level=logs.ERROR, reason=str(error))
        return 2
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own lines are not JSON; what matters, we say
    from penstock_server import server, supervisor  # noqa: PLC0415 - fetch needs no HTTP server

    place = os.environ.get(supervisor.VARIABLE)
    if place is not None:
        return server.run(settings, *supervisor.place_of(place, settings.workers), started, log)
    return server.serve(settings, started, log)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
