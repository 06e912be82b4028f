"""The rivals' own Python environments, made once from their lock files and kept outside of the checkout."""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

_HERE = Path(__file__).parent
CACHE = Path.home() / ".cache/penstock/bench"


def python_of(rival: str) -> Path:
    """The interpreter of the rival's environment; installs it where it is not there yet."""
    lock = _HERE / f"{rival}.txt"
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = CACHE / f"{rival}-{digest}"
    python = folder / "bin/python"
    if not (folder / ".complete").exists():
        print(f"installing {rival} into {folder}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([str(python), *words, "-r", str(lock)], check=True)
        (folder / ".complete").touch()
    return python
