"""examples/report.py: a person gets a window's page out of the store."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from penstock_artifacts.store import store_from
from tests.artifacts.s3_server import s3
from tests.support import ROOT

PAGE = b"<!doctype html><title>Window</title>"


def _opened(settings: Mapping[str, str], folder: Path, digest: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / "report.py"), "ml", digest],
        cwd=folder,
        env=dict(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _stored(settings: Mapping[str, str], folder: Path) -> str:
    """The digest of a report in the store that these settings of the Secret describe."""
    (folder / "report").mkdir()
    (folder / "report" / "report.html").write_bytes(PAGE)
    (folder / "report" / "report.json").write_text("{}")
    names = {
        "url": "URL",
        "endpoint": "ENDPOINT",
        "region": "REGION",
        "accessKeyId": "ACCESS_KEY_ID",
        "secretAccessKey": "SECRET_ACCESS_KEY",
    }
    environment = {f"PENSTOCK_STORE_{names[key]}": value for key, value in settings.items()}
    return store_from(environment, "ml").put_folder(folder / "report", "Report")


@pytest.fixture(params=["folder", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mapping[str, str]]:
    if request.param == "folder":
        (tmp_path / "store").mkdir()
        yield {"url": f"file://{tmp_path}/store"}
        return
    with s3() as (endpoint, _):
        keys = {"accessKeyId": "anybody", "secretAccessKey": "anything"}
        yield {"url": "s3://artifacts/team", "endpoint": endpoint, "region": "us-east-1", **keys}


def test_the_page_of_a_digest_is_written(settings: Mapping[str, str], tmp_path: Path) -> None:
    done = _opened(settings, tmp_path, _stored(settings, tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "report.html").read_bytes() == PAGE


def test_a_digest_may_be_cut_short_as_messages_show_it(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    settings = {"url": f"file://{tmp_path}/store"}
    done = _opened(settings, tmp_path, _stored(settings, tmp_path)[:19] + "...")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "report.html").read_bytes() == PAGE


def test_what_is_not_there_is_said_in_one_line(settings: Mapping[str, str], tmp_path: Path) -> None:
    _stored(settings, tmp_path)
    done = _opened(settings, tmp_path, "sha256:" + "0" * 64)
    assert done.returncode == 1
    assert done.stderr == f"there is no sha256:{'0' * 64} of namespace ml in this store\n"


def test_without_settings_it_says_which_are_needed(tmp_path: Path) -> None:
    done = _opened({}, tmp_path, "sha256:" + "0" * 64)
    assert done.returncode == 1
    assert "Secret penstock-store" in done.stderr
