"""A real S3 server on the loopback, which can be stopped, started again and made to hang."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hack.cluster.build import ensure
from hack.cluster.versions import VERSITYGW

_SECONDS = 30
BUCKET = "things"
KEYS = {"ROOT_ACCESS_KEY_ID": "CANARY-KEY-ID", "ROOT_SECRET_ACCESS_KEY": "CANARY-SECRET"}


class S3Server:
    """versitygw over a folder: a folder in it is a bucket, a file below that an object."""

    def __init__(self, folder: Path) -> None:
        """It does not run yet; its port is the same at every start."""
        self.objects = folder / BUCKET
        self.objects.mkdir(parents=True)
        self._folder = folder
        self._program = ensure(VERSITYGW) / "versitygw"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    @property
    def environment(self) -> dict[str, str]:
        """How our own containers are told of it."""
        return {
            "PENSTOCK_STORE_URL": f"s3://{BUCKET}/team",
            "PENSTOCK_STORE_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "PENSTOCK_STORE_REGION": "us-east-1",
            "PENSTOCK_STORE_ACCESS_KEY_ID": KEYS["ROOT_ACCESS_KEY_ID"],
            "PENSTOCK_STORE_SECRET_ACCESS_KEY": KEYS["ROOT_SECRET_ACCESS_KEY"],
        }

    def start(self) -> None:
        """Start it and wait until it listens."""
        words = [f"--port=127.0.0.1:{self.port}", "--region=us-east-1", "--keep-alive", "--quiet"]
        self._process = subprocess.Popen(
            [self._program, *words, "posix", str(self._folder)],
            env={"PATH": os.environ["PATH"], **KEYS},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert self._process.poll() is None, "versitygw ended at once"
                assert time.monotonic() < deadline, "versitygw does not listen"
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Kill it: connections are refused from then on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_SECONDS)
            self._process = None

    def hang(self) -> None:
        """Connections are still taken by the kernel, but nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """The end of `hang`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def _free_port() -> int:
    """A port that nobody gets meanwhile: below those that the kernel gives to connections and to port 0."""
    while True:
        port = random.randrange(20_000, 30_000)  # noqa: S311 - any will do
        with socket.socket() as free, suppress(OSError):
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
            return port


@contextmanager
def versitygw(folder: Path) -> Iterator[S3Server]:
    """A running server. It is ended with the block."""
    server = S3Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
