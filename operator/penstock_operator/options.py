"""The command line of the operator."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock_operator.core.settings import Settings, SettingsError

WORKERS = 8


@dataclass(frozen=True)
class Options:
    """What to serve, and how."""

    namespaces: Sequence[str | None]  # [None] for all
    settings: Settings
    kubeconfig: Path | None  # None: the pod's service account
    address: str | None  # None: every address
    port: int
    log_level: str
    workers: int = WORKERS


def parse(words: Sequence[str] | None = None) -> Options:
    """The options; ends the program with a message and code 2 where they make no sense."""
    parser = _parser()
    given = parser.parse_args(words)
    if not given.namespace and not given.all_namespaces:
        parser.error("say what to serve: --namespace NAME (as often as needed) or --all-namespaces")
    try:
        settings = Settings.from_json(given.settings.read_text()) if given.settings else Settings()
    except (SettingsError, OSError) as error:
        parser.error(f"--settings {given.settings}: {error}")
    named = os.environ.get("KUBECONFIG")
    return Options(
        namespaces=tuple(dict.fromkeys(given.namespace)) if given.namespace else (None,),
        settings=settings,
        kubeconfig=given.kubeconfig or (Path(named) if named else None),
        address=given.address or None,
        port=given.port,
        log_level=given.log_level.upper(),
        workers=given.workers,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m penstock_operator",
        description="Runs pipelines and serves models: reconciles the custom resources of penstock.dev.",
        epilog="From a laptop: python -m penstock_operator --namespace ml --kubeconfig ~/.kube/config. "
        "Two operators that serve the same namespace do no harm. Stops within 10 seconds of SIGTERM.",
    )
    scope = parser.add_mutually_exclusive_group()
    scope.add_argument(
        "--namespace",
        action="append",
        default=[],
        metavar="NAME",
        help="serve this namespace; may be repeated",
    )
    scope.add_argument(
        "--all-namespaces", action="store_true", help="serve every namespace (needs a ClusterRole)"
    )
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="JSON file with images, grace times and budgets (chart: settings)",
    )
    parser.add_argument(
        "--kubeconfig", type=Path, metavar="FILE", help="default: $KUBECONFIG, else the pod's service account"
    )
    parser.add_argument(
        "--port", type=int, default=8080, help="of /metrics, /healthz and /readyz; 0 picks one"
    )
    parser.add_argument("--address", default="", help="to listen on; default: every address")
    parser.add_argument("--workers", type=int, default=WORKERS, help="objects to reconcile at a time")
    parser.add_argument(
        "--log-level", default="info", choices=["debug", "info", "warning", "error"], help="default: info"
    )
    return parser
