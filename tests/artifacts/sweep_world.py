"""Histories of a namespace's store: runs that store and refer, sweeps, time that passes, kills anywhere."""

import contextlib
import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from penstock_artifacts.bucket import Bucket
from penstock_artifacts.store import Store, store_from
from penstock_artifacts.sweep import Rules, Swept
from penstock_operator.clock import now
from penstock_spec.sweep import WIDTH


class Killed(Exception):  # noqa: N818 - the name says what happened
    """The program was killed at a request."""


@dataclass
class Life:
    """The store of one namespace, whose time passes as the test says: everything in it gets older."""

    environment: dict[str, str]
    objects: Path
    folder: Path

    def store(self) -> Store:
        return self._store

    @cached_property
    def _store(self) -> Store:
        """One that stays open: what it has read once may be of yesterday."""
        return store_from(self.environment, "ml")

    def put(self, *files: str) -> str:
        """Store an artifact of these files and give its digest."""
        source = self.folder / "source"
        shutil.rmtree(source, ignore_errors=True)
        source.mkdir(parents=True)
        for number, content in enumerate(files):
            (source / str(number)).write_text(content)
        return self.store().put_folder(source, "Files")

    def raw(self, content: bytes) -> str:
        """Lay any bytes into the store."""
        name = hashlib.sha256(content).hexdigest()
        file = self.objects / "blobs/sha256" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return f"sha256:{name}"

    def file(self, digest: str) -> Path:
        return self.objects / "blobs/sha256" / digest.removeprefix("sha256:")

    @staticmethod
    def digest_of(content: str) -> str:
        return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"

    @staticmethod
    def begin(*digests: str) -> frozenset[bytes]:
        """References, as the operator hands them over."""
        return frozenset(bytes.fromhex(one.removeprefix("sha256:"))[:WIDTH] for one in digests)

    def pass_by(self, **time: float) -> None:
        passed = timedelta(**time)
        for file in self.objects.rglob("*"):
            if file.is_file():
                found = file.stat().st_mtime - passed.total_seconds()
                os.utime(file, (found, found))
        listed = self.objects / "sweep/condemned.json"
        if listed.exists():
            data = json.loads(listed.read_text())
            since = {
                name: (datetime.fromisoformat(at) - passed).isoformat() for name, at in data["blobs"].items()
            }
            listed.write_text(json.dumps({**data, "blobs": since}))

    def sweep(
        self, *digests: str, deletes: bool = True, read_at: datetime | None = None, grace: float = 1
    ) -> Swept:
        rules = Rules(timedelta(days=30), timedelta(days=grace), deletes, read_at or now())
        return self.store().sweeper().sweep(self.begin(*digests), rules)


@dataclass
class World:
    """One random history. Artifacts share files; what is referred to must be whole at every moment."""

    seed: int
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    referred: dict[int, str] = field(default_factory=dict)
    at_request: Callable[[], None] | None = None  # what happens before one of the next requests
    countdown: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - a history, not a secret
        place = {"PENSTOCK_STORE_URL": f"file://{self.folder}/store"}
        self.life = Life(place, self.folder / "store/ml", self.folder)
        self.written: dict[str, float] = {}  # age in days of what was stored last, by digest
        call = _CALL

        def counted(bucket: Bucket, what: str, function: Callable[[], Any], **how: Any) -> Any:
            self._request()
            return call(bucket, what, function, **how)

        self.monkeypatch.setattr(Bucket, "call", counted)

    def check(self) -> None:
        acts = [self.run, self.run, self.sweep, self.sweep, self.forget, self.wait, self.wait]
        for _ in range(30):
            self.chance.choice(acts)()
            self.whole()
        self.drain()

    def run(self) -> None:
        """A step stores what it made; the status of its run refers to it within a day."""
        number = self.chance.randrange(6)
        if self.chance.random() < 0.5:
            self._soon(self._sweep_as_it_is)
        digest = self._put(number)
        for _ in range(self.chance.randrange(3)):
            self.pass_by(self.chance.choice([0.1, 0.4]))
            self._sweep_as_it_is()
        self.referred[number] = digest
        self._never()

    def sweep(self) -> None:
        """One that may be killed at any of its requests, or during which somebody stores something."""
        kind = self.chance.randrange(3)
        number = self.chance.randrange(6)
        made: dict[int, str] = {}

        def store() -> None:
            made[number] = self._put(number)

        if kind == 1:
            self._soon(_kill)
        elif kind == 2:
            self._soon(store)
        with contextlib.suppress(Killed):
            self._sweep_as_it_is()
        self._never()
        self.referred |= made

    def forget(self) -> None:
        if self.referred:
            del self.referred[self.chance.choice(sorted(self.referred))]

    def wait(self) -> None:
        self.pass_by(self.chance.choice([0.5, 1.5, 20, 31]))

    def whole(self) -> None:
        store = self.life.store()
        for number, digest in self.referred.items():
            assert store.holds(digest), f"artifact {number} is referred to, and is gone"
        for digest, age in self.written.items():
            assert age >= 30 or store.holds(digest), f"{digest} is {age} days old, and is gone"

    def drain(self) -> None:
        """What nothing refers to is gone after two sweeps that nobody disturbs."""
        self.pass_by(31)
        self.life.sweep(*self.referred.values())
        self.pass_by(1.5)
        self.life.sweep(*self.referred.values())
        store = self.life.store()
        reached = {one.removeprefix("sha256:") for one in self.referred.values()}
        reached |= {file.sha256 for digest in self.referred.values() for file in store.manifest(digest).files}
        left = {file.name for file in (self.life.objects / "blobs/sha256").glob("*")}
        assert left == reached

    def pass_by(self, days: float) -> None:
        if self.life.objects.exists():
            self.life.pass_by(days=days)
        self.written = {digest: age + days for digest, age in self.written.items()}

    def _put(self, number: int) -> str:
        known = {path.name for path in (self.life.objects / "blobs/sha256").glob("*")}
        digest = self.life.put(f"own {number}", f"shared {number % 2}", "common")
        if digest.removeprefix("sha256:") not in known:
            self.written[digest] = 0.0
        return digest

    def _sweep_as_it_is(self) -> None:
        self.life.sweep(*self.referred.values(), deletes=self.chance.random() < 0.8)

    def _soon(self, act: Callable[[], None]) -> None:
        self.at_request, self.countdown = act, self.chance.randrange(1, 20)

    def _never(self) -> None:
        self.at_request = None

    def _request(self) -> None:
        self.countdown -= 1
        if self.at_request is not None and self.countdown <= 0:
            act, self.at_request = self.at_request, None
            act()


_CALL = Bucket.call


def _kill() -> None:
    raise Killed
