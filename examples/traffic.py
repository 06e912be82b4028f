"""Sends rows of a CSV file to a model endpoint at a steady rate, shifted where asked: drift to look at.

    python examples/traffic.py http://localhost:8080 tumour tumour.csv --rate 40 --seconds 60
    python examples/traffic.py http://localhost:8080 tumour tumour.csv --shift mean_texture=0.5
    python examples/traffic.py http://localhost:8080 tumour tumour.csv --token "$TOKEN"

Rows are drawn at random with replacement, one row a request. A shift is in standard deviations of the column.
Nothing but Python is needed. Ctrl-C ends it; the last line says what was answered.
"""

import argparse
import csv
import http.client
import json
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

Row = Mapping[str, float]


@dataclass(frozen=True)
class Table:
    """Columns of numbers: the rows, and each column's standard deviation."""

    rows: Sequence[Row]
    spread: Mapping[str, float]


def read(path: Path) -> Table:
    """The columns of the file that hold numbers only, which leaves the target out; others are not sent.

    OSError where it cannot be read, ValueError where it is no table of two rows or more.
    """
    with path.open(newline="", encoding="utf-8") as file:
        raw = list(csv.DictReader(file))
    if len(raw) < 2 or any(None in row or None in row.values() for row in raw):
        raise ValueError("not a CSV file with a header and two or more rows of as many fields")
    names = [name for name in raw[0] if all(_is_number(row[name]) for row in raw)]
    rows = [{name: float(row[name]) for name in names} for row in raw]
    spread = {name: statistics.stdev(row[name] for row in rows) for name in names}
    return Table(rows, spread)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def request_of(row: Row, table: Table, shift: Mapping[str, float]) -> bytes:
    """One row as a request of the Open Inference Protocol."""
    inputs = [
        {
            "name": name,
            "shape": [1],
            "datatype": "FP64",
            "data": [value + shift.get(name, 0.0) * table.spread[name]],
        }
        for name, value in row.items()
    ]
    return json.dumps({"inputs": inputs}).encode()


def send(
    url: str,
    model: str,
    table: Table,
    *,
    rate: float,
    seconds: float,
    shift: Mapping[str, float],
    seed: int = 0,
    token: str = "",
) -> Counter[str]:
    """Send for `seconds` at `rate` requests per second over one kept-open connection; answers by status.

    A connection that breaks is opened again, and the request that met it counts under the error's name.
    """
    where = urlsplit(url)
    dice = random.Random(seed)  # noqa: S311 - which row comes next is no secret
    answers: Counter[str] = Counter()
    connection = http.client.HTTPConnection(where.hostname or "localhost", where.port or 80, timeout=10)
    started = time.monotonic()
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    for number in range(int(rate * seconds)):
        pause = started + number / rate - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        body = request_of(dice.choice(table.rows), table, shift)
        try:
            connection.request("POST", f"/v2/models/{model}/infer", body, headers)
            answer = connection.getresponse()
            answer.read()
            answers[str(answer.status)] += 1
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            answers[type(error).__name__] += 1
    connection.close()
    return answers


def _shift(text: str) -> tuple[str, float]:
    name, _, amount = text.partition("=")
    if not name or not _is_number(amount):
        raise argparse.ArgumentTypeError(f"{text!r} is not COLUMN=SD; write mean_texture=0.5, for example")
    return name, float(amount)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="where the endpoint answers: http://host:port")
    parser.add_argument("model", help="name of the model")
    parser.add_argument("table", type=Path, help="CSV file with a header")
    parser.add_argument("--rate", type=float, default=40, help="requests per second (default: 40)")
    parser.add_argument("--seconds", type=float, default=60, help="how long (default: 60)")
    parser.add_argument(
        "--shift",
        type=_shift,
        action="append",
        default=[],
        metavar="COLUMN=SD",
        help="move a column by so many standard deviations; may be repeated",
    )
    parser.add_argument("--seed", type=int, default=0, help="another number draws other rows (default: 0)")
    parser.add_argument("--token", default="", help="the token, where the endpoint asks for one")
    return parser.parse_args()


def main() -> int:
    """Read the command line and send."""
    words = _arguments()
    try:
        table, shift = read(words.table), dict(words.shift)
    except (OSError, ValueError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        why = "it is not text in UTF-8" if isinstance(error, UnicodeError) else why
        print(f"{words.table} cannot be read: {why}", file=sys.stderr)
        return 2
    if unknown := sorted(set(shift) - set(table.spread)):
        print(
            f"no column of numbers is called {unknown[0]!r}; there are: {', '.join(table.spread)}",
            file=sys.stderr,
        )
        return 2
    answers = send(
        words.url,
        words.model,
        table,
        rate=words.rate,
        seconds=words.seconds,
        shift=shift,
        seed=words.seed,
        token=words.token,
    )
    print(", ".join(f"{count} x {status}" for status, count in sorted(answers.items())))
    return 0 if set(answers) <= {"200"} else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
