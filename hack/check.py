"""`make check`: every fast check, each with its time; all failures are shown, not only the first.

With --slow also the tests that take minutes and no cluster, as in `make test`.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PACKAGES = [
    "pipeline_spec/penstock_spec",
    "artifacts/penstock_artifacts",
    "operator/penstock_operator",
    "steps/penstock_steps",
    "serving/penstock_server",
]

PYTEST = ["pytest", "-n", "2", "--dist", "worksteal", "-q", "-m"]
CHECKS: list[tuple[str, list[str]]] = [
    ("format", ["ruff", "format", "--check", "--quiet", "."]),
    ("lint", ["ruff", "check", "--quiet", "."]),
    ("types", ["mypy", "--no-error-summary", *PACKAGES, "hack"]),
    ("layers", ["lint-imports", "--no-logo"]),
    ("generated", ["python", "-m", "hack.generate", "--check"]),
    ("tests", [*PYTEST, "not e2e and not slow"]),
]
SLOW = ("slow tests", [*PYTEST, "slow"])


def run(name: str, command: list[str]) -> bool:
    """Run one check; its output is shown only when it fails (tests always show their closing line)."""
    started = time.monotonic()
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    mark = "ok" if done.returncode == 0 else "FAILED"
    print(f"  {name:<10} {mark:<7} {time.monotonic() - started:5.1f} s", flush=True)
    if done.returncode != 0:
        print(done.stdout + done.stderr, flush=True)
    elif command[0] == "pytest":
        print(done.stdout.strip().splitlines()[-1], flush=True)
    return done.returncode == 0


def main() -> int:
    """Run all checks; 0 when all passed."""
    parser = argparse.ArgumentParser(prog="python -m hack.check", description=__doc__)
    parser.add_argument("--slow", action="store_true", help="the slow tests too")
    checks = [*CHECKS, SLOW] if parser.parse_args().slow else CHECKS
    print("── check", flush=True)
    failed = [name for name, command in checks if not run(name, command)]
    if failed:
        print(f"check failed: {', '.join(failed)}")
        print("`make fix` mends format and lint, `make generate` mends generated files")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
