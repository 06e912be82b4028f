"""The image that stands in for steps and server holds all that its program imports."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.standin import standin_modules
from tests.support import ROOT


def test_its_program_finds_every_module_that_it_imports(tmp_path: Path) -> None:
    package = tmp_path / "penstock_spec"
    package.mkdir()
    for one in standin_modules():
        shutil.copy(one, package)
    shutil.copy(ROOT / "tests/images/standin/standin.py", tmp_path)
    # Without site-packages and without this process's search path, as in the image.
    words = [
        sys.executable,
        "-S",
        "-I",
        "-c",
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import standin",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
