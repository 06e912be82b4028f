"""Go tools from their modules, kept by version in the user's cache and checked before use."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from hack.cluster.errors import ClusterError, Missing
from hack.cluster.paths import cache_home, locked
from hack.cluster.shell import run, say, tail
from hack.cluster.versions import SMALLEST_GO, Tool

_MODULES = Path(__file__).parent / "tools"
_SUMS = "sha256.json"
_GO_SETTINGS = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}


def folder(tool: Tool) -> Path:
    """Where the programs of ``tool`` are once it is built."""
    return cache_home() / f"{tool.name}-{tool.version}"


def program(tool: Tool, name: str | None = None) -> Path:
    """The path of one program of ``tool`` (default: the program of the tool's name), built or not."""
    return folder(tool) / (name or tool.name)


def ensure(tool: Tool) -> Path:
    """Build ``tool`` unless a good copy is in the cache; return the folder of its programs.

    Raises Missing without a Go toolchain, ClusterError when the build or the check of its result fails.
    """
    with locked(f"build-{tool.name}"):
        target = folder(tool)
        if (flaw := _flaw(tool, target)) is None:
            say(f"{tool.name} {tool.version}: cached")
            return target
        say(f"{tool.name} {tool.version}: building ({flaw})")
        _require_go()
        began = time.monotonic()
        cache_home().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{tool.name}-", dir=cache_home()) as scratch:
            draft = Path(scratch) / "bin"
            draft.mkdir()
            _compile(tool, draft)
            (draft / _SUMS).write_text(json.dumps(_sums(tool, draft), indent=1))
            if (flaw := _flaw(tool, draft)) is not None:
                raise ClusterError(f"{tool.name} {tool.version} was built, but is not usable: {flaw}")
            shutil.rmtree(target, ignore_errors=True)
            draft.rename(target)
        say(f"{tool.name} {tool.version}: built in {time.monotonic() - began:.0f} s")
        return target


def _flaw(tool: Tool, where: Path) -> str | None:
    """What is wrong with the programs in ``where``, by their sums and versions; None when nothing is."""
    try:
        sums = json.loads((where / _SUMS).read_text())
    except FileNotFoundError:
        return "not built yet"
    except ValueError:
        return "its list of checksums is damaged"
    found = _sums(tool, where)
    for name in sorted({*tool.programs, *sums, *found}):
        if name not in found or sums.get(name) != found[name]:
            return f"{name} is not what was built"
    for name in tool.programs:
        try:
            printed = run([where / name, *tool.version_args[name]], timeout=30)
        except ClusterError as error:
            return f"{name} does not run: {error}"
        if tool.prints is not None and tool.prints not in printed:
            return f"{name} says {printed.strip()!r} instead of {tool.prints}"
    return None


def _sums(tool: Tool, where: Path) -> dict[str, str]:
    """The checksum of each program and each file that the tool carries, by their paths in ``where``."""
    carried = (file for name in tool.carries for file in (where / name).rglob("*"))
    files = (*(where / name for name in tool.programs), *carried)
    return {str(file.relative_to(where)): _sha256(file) for file in files if file.is_file()}


def _compile(tool: Tool, into: Path) -> None:
    log = cache_home() / f"{tool.name}-{tool.version}.log"
    # One program after the other: linking several at once needs more memory than small machines have.
    with log.open("w") as output:
        for name, package in tool.programs.items():
            if len(tool.programs) > 1:
                say(f"{tool.name}: compiling {name}")
            command = ["go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false"]
            done = subprocess.run(
                [*command, "-ldflags", tool.ldflags, "-o", str(into / name), package],
                cwd=_MODULES / tool.name,
                env={**os.environ, **_GO_SETTINGS},
                stdout=output,
                stderr=output,
                check=False,
            )
            if done.returncode:
                raise ClusterError(f"go build of {name} {tool.version} failed; {tail(log)}")
    if tool.carries:
        # The module cache, which go has checked against go.sum as it compiled.
        words = ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", tool.module]
        module = Path(run(words, cwd=_MODULES / tool.name, env=_GO_SETTINGS).strip())
        for name, inside in tool.carries.items():
            _copy(module / inside, into / name)


def _copy(source: Path, to: Path) -> None:
    """The files of a folder; not their modes, for nobody may write into a module cache."""
    for file in source.rglob("*"):
        if file.is_file():
            target = to / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


def _require_go() -> None:
    smallest = ".".join(map(str, SMALLEST_GO))
    if shutil.which("go") is None:
        raise Missing(
            f"Go {smallest} or newer is needed to build the cluster's programs; no `go` is on the PATH"
        )
    found = re.search(r"go(\d+)\.(\d+)", run(["go", "version"]))
    if found is None or (int(found[1]), int(found[2])) < SMALLEST_GO:
        raise Missing(
            f"Go {smallest} or newer is needed to build the cluster's programs; found {found and found[0]}"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
