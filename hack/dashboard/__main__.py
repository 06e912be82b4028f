"""Writes the dashboard into the chart: `python -m hack.dashboard [--check]`."""

import argparse
import json
import sys
from pathlib import Path

from hack.dashboard.content import DASHBOARD

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "charts/penstock/files/dashboards/penstock.json"


def text() -> str:
    """The file's text."""
    return json.dumps(DASHBOARD.to_json(), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the file, or with --check return 1 when it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m hack.dashboard", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 when it is out of date"
    )
    check = parser.parse_args().check
    if FILE.exists() and FILE.read_text() == text():
        return 0
    print(f"{FILE.relative_to(ROOT)} {'is out of date' if check else 'brought up to date'}")
    if not check:
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(text())
    return int(check)


if __name__ == "__main__":
    sys.exit(main())
