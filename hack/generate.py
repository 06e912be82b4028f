"""`make generate`: writes every generated file; with --check it only says which ones are out of date."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Each program takes --check, prints what differs, and exits 1 when something does.
GENERATORS: list[tuple[str, list[str]]] = [
    ("CRDs", ["-m", "penstock_spec.crds", "crds/"]),
    ("reference pages", ["-m", "penstock_spec.reference", "docs/reference/"]),
    ("diagram of step states", ["-m", "penstock_spec.states", "docs/"]),
    ("dashboard", ["-m", "hack.dashboard"]),
    ("gRPC messages", ["-m", "hack.grpc_stubs"]),
    ("chart copies", ["-m", "hack.chart_files"]),
]


def main() -> int:
    """Run all generators; 0 when everything is (now) up to date."""
    extra = [argument for argument in sys.argv[1:] if argument == "--check"]
    failed = False
    for name, command in GENERATORS:
        done = subprocess.run(
            [sys.executable, *command, *extra], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            failed = True
            print(f"{name}:\n{done.stdout}{done.stderr}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
