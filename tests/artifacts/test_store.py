"""The content-addressed store: same bytes same digest, checked at every read, errors that say what to do."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock_artifacts.errors import ArtifactCorrupt, ArtifactMissing, StoreUnavailable
from penstock_artifacts.manifest import FileEntry, Manifest, scan
from penstock_artifacts.store import Store, store_from
from tests.artifacts.s3_server import s3

SECRETS = {
    "PENSTOCK_STORE_ACCESS_KEY_ID": "CANARY-KEY-ID",
    "PENSTOCK_STORE_SECRET_ACCESS_KEY": "CANARY-SECRET",
    "PENSTOCK_STORE_REGION": "us-east-1",
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"alpha")
    (folder / "deep" / "b.bin").write_bytes(os.urandom(100))
    return folder


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "folder":
        yield store_from({"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"}, "ml")
        return
    with s3() as (endpoint, _):
        yield on_server(endpoint)


def on_server(endpoint: str, bucket: str = "things") -> Store:
    place = {"PENSTOCK_STORE_URL": f"s3://{bucket}/team", "PENSTOCK_STORE_ENDPOINT": endpoint}
    return store_from({**place, **SECRETS}, "ml")


def blobs(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "store/ml/blobs/sha256").iterdir())


def test_what_is_put_comes_back_the_same(store: Store, files: Path, tmp_path: Path) -> None:
    digest = store.put_folder(files, "Files")
    manifest = store.get_folder(digest, tmp_path / "back")
    assert [entry.path for entry in manifest.files] == ["a.txt", "deep/b.bin"]
    assert (tmp_path / "back/a.txt").read_bytes() == b"alpha"
    assert (tmp_path / "back/deep/b.bin").read_bytes() == (files / "deep/b.bin").read_bytes()
    assert store.holds(digest)
    assert not list((tmp_path / "back").rglob("*.part"))


def test_the_same_bytes_have_the_same_digest_and_are_put_twice_without_harm(
    store: Store, files: Path
) -> None:
    assert store.put_folder(files, "Files") == store.put_folder(files, "Files")
    assert scan(files, "Files").digest != scan(files, "Model").digest


def test_keys_are_what_the_contract_says(files: Path) -> None:
    with s3() as (endpoint, handler):
        digest = on_server(endpoint).put_folder(files, "Files")
        assert f"/things/team/ml/blobs/sha256/{digest.removeprefix('sha256:')}" in handler.kept
        assert len(handler.kept) == 3


def test_a_changed_byte_in_the_store_is_noticed(files: Path, tmp_path: Path) -> None:
    store = store_from({"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"}, "ml")
    digest = store.put_folder(files, "Files")
    for blob in blobs(tmp_path):
        before = blob.read_bytes()
        blob.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        with pytest.raises(ArtifactCorrupt, match="were changed or cut short"):
            store.get_folder(digest, tmp_path / "back")
        blob.write_bytes(before)


def test_a_missing_file_is_told_apart_from_an_unreachable_store(files: Path, tmp_path: Path) -> None:
    store = store_from({"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"}, "ml")
    digest = store.put_folder(files, "Files")
    next(blob for blob in blobs(tmp_path) if blob.read_bytes() == b"alpha").unlink()
    assert not store.holds(digest)
    with pytest.raises(ArtifactMissing, match=r"a\.txt .* is not in folder"):
        store.get_folder(digest, tmp_path / "back")
    assert not store.holds("sha256:" + "0" * 64)


def test_a_blob_cut_short_by_a_crash_is_mended_by_the_next_put(files: Path, tmp_path: Path) -> None:
    store = store_from({"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"}, "ml")
    digest = store.put_folder(files, "Files")
    for blob in blobs(tmp_path):
        blob.write_bytes(blob.read_bytes()[:3])
    store.put_folder(files, "Files")
    store.get_folder(digest, tmp_path / "back")
    written = {path.name: path.read_bytes() for path in files.rglob("*") if path.is_file()}
    assert {
        path.name: path.read_bytes() for path in (tmp_path / "back").rglob("*") if path.is_file()
    } == written


@pytest.mark.parametrize(
    ("bucket", "words"),
    [
        (
            "e403-SignatureDoesNotMatch",
            ["refused the credentials (403 SignatureDoesNotMatch)", "secretAccessKey"],
        ),
        ("e403-InvalidAccessKeyId", ["refused the credentials (403 InvalidAccessKeyId)", "accessKeyId"]),
        ("e404-InvalidAccessKeyId", ["refused the credentials (404 InvalidAccessKeyId)"]),
        ("e404-XAdminUserNotFound", ["refused the credentials (404 XAdminUserNotFound)"]),
        ("e404-NoSuchBucket", ["the bucket does not exist"]),
        ("e400-AuthorizationHeaderMalformed", ["answered 400"]),
        ("e503-SlowDown", ["answered 503"]),
    ],
)
def test_a_store_that_refuses_says_why_and_where_to_mend_it(
    bucket: str, words: list[str], files: Path
) -> None:
    with s3() as (endpoint, _), pytest.raises(StoreUnavailable) as caught:
        on_server(endpoint, bucket).put_folder(files, "Files")
    text = str(caught.value)
    assert endpoint in text
    assert "Secret penstock-store" in text
    assert all(word in text for word in words), text
    assert "CANARY" not in text
    assert caught.value.away is bucket.startswith(("e5", "e429")), "else the same answer comes again"


@pytest.mark.parametrize("bucket", ["e404-InvalidAccessKeyId", "e404-XAdminUserNotFound"])
def test_unknown_credentials_are_not_taken_for_a_missing_object(bucket: str) -> None:
    with s3() as (endpoint, _), pytest.raises(StoreUnavailable, match="refused the credentials"):
        on_server(endpoint, bucket).holds("sha256:" + "0" * 64)


def test_an_unreachable_store_is_reported(files: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = "cannot be reached; check endpoint, ca and network policies"
    with pytest.raises(StoreUnavailable, match=words) as caught:
        on_server(f"http://127.0.0.1:{port}").put_folder(files, "Files")
    assert caught.value.away


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "Secret penstock-store has no key url"),
        ({"PENSTOCK_STORE_URL": "things"}, "must start with s3:// or file://"),
        ({"PENSTOCK_STORE_URL": "file://here"}, "absolute path"),
        ({"PENSTOCK_STORE_URL": "s3://b", "PENSTOCK_STORE_ENDPOINT": "host:9000"}, "http:// or https://"),
        (
            {"PENSTOCK_STORE_URL": "s3://b", "PENSTOCK_STORE_CA": "CANARY no PEM", **SECRETS},
            "are not usable",
        ),
    ],
)
def test_settings_without_sense_are_named(environment: dict[str, str], words: str) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        store_from(environment, "ml")
    assert words in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_a_link_is_refused_because_it_could_point_at_our_secrets(files: Path, tmp_path: Path) -> None:
    store = store_from({"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"}, "ml")
    (files / "leak").symlink_to("/proc/self/environ")
    with pytest.raises(ArtifactCorrupt, match="files/leak is a symbolic link"):
        store.put_folder(files, "Files")
    (files / "leak").unlink()
    os.mkfifo(files / "pipe")
    with pytest.raises(ArtifactCorrupt, match="not a regular file"):
        store.put_folder(files, "Files")
    linked = tmp_path / "linked"
    linked.symlink_to("/proc/self")
    with pytest.raises(ArtifactCorrupt, match="symbolic link"):
        store.put_folder(linked, "Files")


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../up", ""])
def test_a_manifest_that_leaves_its_folder_is_refused(path: str) -> None:
    manifest = Manifest("Files", (FileEntry(path, "0" * 64, 1),))
    with pytest.raises(ArtifactCorrupt):
        Manifest.from_bytes(manifest.to_bytes())


def test_large_files_travel_with_constant_memory(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    with (tmp_path / "big/file").open("wb") as file:
        file.truncate(192 << 20)
    program = (
        "import sys; from pathlib import Path; from penstock_artifacts.store import store_from\n"
        "folder = Path(sys.argv[1]); store = "
        "store_from({'PENSTOCK_STORE_URL': f'file://{folder}/store'}, 'ml')\n"
        "digest = store.put_folder(folder / 'big', 'Files'); store.get_folder(digest, folder / 'back')\n"
        "assert (folder / 'back/file').stat().st_size == 192 << 20\n"
        "status = Path('/proc/self/status').read_text()\n"
        "print(int(status.split('VmHWM:')[1].split()[0]) >> 10)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 140


def test_only_missing_large_files_are_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock_artifacts.store._SINGLE_REQUEST", 10)
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "large").write_bytes(b"x" * 100)
    store = store_from({"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"}, "ml")
    digest = store.put_folder(folder, "Files")
    (blob,) = [one for one in blobs(tmp_path) if one.read_bytes() == b"x" * 100]
    written = blob.stat().st_mtime_ns
    assert store.put_folder(folder, "Files") == digest
    assert blob.stat().st_mtime_ns == written


def test_credentials_are_in_no_representation() -> None:
    with s3() as (endpoint, _):
        store = on_server(endpoint)
        assert "CANARY" not in repr(store._bucket.place) + repr(store._bucket.__dict__.get("place"))
