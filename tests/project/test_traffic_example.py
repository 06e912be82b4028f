"""examples/traffic.py: a mistake on its command line is one line that says what to mend."""

import subprocess
import sys
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.support import ROOT

TABLE = "texture,benign\n1.0,yes\n2.0,no\n"


def _send(*words: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, str(ROOT / "examples" / "traffic.py"), *words]
    return subprocess.run(program, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (None, (), "cannot be read: No such file or directory"),
        (b"", (), "not a CSV file with a header"),
        (b"texture,benign\n1.0\n2.0,no\n", (), "rows of as many fields"),
        (b"\xff\xfe", (), "it is not text in UTF-8"),
        (TABLE.encode(), ("--shift", "texture"), "'texture' is not COLUMN=SD"),
        (TABLE.encode(), ("--shift", "texture=much"), "'texture=much' is not COLUMN=SD"),
        (
            TABLE.encode(),
            ("--shift", "benign=1"),
            "no column of numbers is called 'benign'; there are: texture",
        ),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, content: bytes | None, options: Sequence[str], words: str
) -> None:
    table = tmp_path / "table.csv"
    if content is not None:
        table.write_bytes(content)
    done = _send("http://127.0.0.1:9", "tumour", str(table), *options)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_token_is_sent_as_the_endpoint_wants_it(tmp_path: Path) -> None:
    seen = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            seen.append(self.headers["authorization"])
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

    (tmp_path / "table.csv").write_text(TABLE)
    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        options = ("--seconds", "1", "--rate", "1", "--token", "abc")
        done = _send(url, "tumour", str(tmp_path / "table.csv"), *options)
        server.shutdown()
    assert (done.stdout, seen) == ("1 x 200\n", ["Bearer abc"])
