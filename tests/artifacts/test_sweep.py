"""The sweeper: what something refers to stays, what is young stays, all else goes, on a folder and on S3."""

import inspect
import json
import textwrap
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock_artifacts import sweep
from penstock_artifacts.errors import ArtifactCorrupt, StoreUnavailable
from penstock_artifacts.store import Store
from penstock_artifacts.sweep import Sweeper
from penstock_operator.clock import now
from penstock_spec import batch
from penstock_spec import sweep as words
from penstock_spec.contract import Failure, Result, Task, decode
from penstock_spec.names import FailureClass
from penstock_steps.program import execute
from penstock_steps.workspace import Workspace
from tests.artifacts.sweep_world import Life, World
from tests.artifacts.test_archive import PIPELINE, RUN, record
from tests.artifacts.versitygw import versitygw
from tests.core.test_seeded_bugs import sow

DAY = 86400.0


@pytest.fixture(params=["folder", "s3"])
def life(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Life]:
    """A namespace's store."""
    if request.param == "folder":
        yield Life({"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"}, tmp_path / "store/ml", tmp_path)
        return
    with versitygw(tmp_path / "s3") as server:
        yield Life(server.environment, server.objects / "team/ml", tmp_path)


@pytest.fixture
def local(tmp_path: Path) -> Life:
    return Life({"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"}, tmp_path / "store/ml", tmp_path)


def test_what_nothing_refers_to_is_told_and_goes_with_the_second_sweep(life: Life) -> None:
    kept, lost = life.put("a", "shared"), life.put("b", "shared")
    life.store().archive().put(record())
    life.pass_by(days=31)
    told = life.sweep(kept, deletes=False)
    assert (len(told.all_), len(told.found), told.deleted) == (5, 2, [])
    report = json.loads((life.objects / "sweep/report.json").read_text())
    assert {one["digest"] for one in report["blobs"]} == {lost, life.digest_of("b")}
    assert (report["mode"], report["found"]) == ("Report", 2)
    assert not any(one["deleted"] for one in report["blobs"])
    assert life.sweep(kept).deleted == [], "it was found only just now"
    life.pass_by(days=2)
    assert len(life.sweep(kept, deletes=False).found) == 2
    assert {one.name for one in life.sweep(kept).deleted} == {
        lost.removeprefix("sha256:"),
        life.digest_of("b").removeprefix("sha256:"),
    }
    report = json.loads((life.objects / "sweep/report.json").read_text())
    assert all(one["deleted"] for one in report["blobs"])
    assert life.store().holds(kept)
    assert not life.store().holds(lost)
    assert life.store().archive().get(PIPELINE, RUN) == record()
    again = life.sweep(kept)
    assert (len(again.all_), again.found, again.deleted) == (3, [], [])


def test_one_sweep_alone_never_deletes(local: Life) -> None:
    local.put("a")
    local.pass_by(days=31)
    assert local.sweep(grace=0).deleted == []
    assert len(local.sweep(grace=0).deleted) == 2


def test_what_is_young_is_not_even_found(local: Life) -> None:
    local.put("a")
    local.pass_by(days=29)
    assert local.sweep().found == []


def test_what_is_stored_again_while_it_is_condemned_is_young_again(life: Life) -> None:
    large = "x" * (9 << 20)
    digest = life.put("a", large)
    life.pass_by(days=31)
    assert len(life.sweep().found) == 3
    life.pass_by(days=2)
    assert life.put("a", large) == digest
    assert life.sweep().found == [], "a run is about to refer to it"
    assert life.store().holds(digest)


def test_what_is_stored_again_before_it_is_condemned_has_the_days_grace(local: Life) -> None:
    digest = local.put("a")
    local.pass_by(days=31)
    before = local.file(digest).stat().st_mtime
    local.put("a")
    assert local.file(digest).stat().st_mtime == before
    local.sweep()
    local.pass_by(hours=20)
    assert local.sweep().deleted == []
    assert local.store().holds(digest)


def test_what_is_written_between_the_list_and_its_deletion_stays(
    local: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = local.put("a")
    local.pass_by(days=31)
    local.sweep()
    local.pass_by(days=2)
    honest = Sweeper._report

    def busy(self: Sweeper, *arguments: Any) -> None:
        honest(self, *arguments)
        local.put("a")

    monkeypatch.setattr(Sweeper, "_report", busy)
    assert local.sweep().deleted == []
    assert local.store().holds(digest)


def test_references_that_are_not_of_today_are_not_acted_upon(local: Life) -> None:
    local.put("a")
    local.pass_by(days=31)
    local.sweep()
    local.pass_by(days=2)
    for shift in (-2, 2):
        with pytest.raises(StoreUnavailable, match="too far apart"):
            local.sweep(read_at=now() + timedelta(hours=shift))
    assert len(local.sweep().deleted) == 2


def spoiled(local: Life, digest: str, change: Callable[[bytes], bytes]) -> None:
    file = local.file(digest)
    file.write_bytes(change(file.read_bytes()))


def test_a_manifest_that_is_referred_to_and_cannot_be_read_ends_the_sweep(local: Life) -> None:
    digest = local.put("a")
    lost = local.put("b")
    local.pass_by(days=31)
    local.sweep(digest)
    local.pass_by(days=2)
    spoiled(local, digest, lambda content: content[:-9])
    with pytest.raises(ArtifactCorrupt, match="nothing is swept; delete that object"):
        local.sweep(digest)
    assert local.store().holds(lost)


def test_a_manifest_of_another_release_ends_the_sweep_and_a_plain_file_does_not(local: Life) -> None:
    newer = local.raw(b'{"version":2,"files":{},"type":"Table"}')
    with pytest.raises(ArtifactCorrupt, match="version 2; this release reads 1; nothing is swept"):
        local.sweep(newer)
    local.pass_by(days=31)
    for content in (b"a,b\n1,2\n", b"[1]", b'{"version":1}', b"\xff"):
        digest = local.raw(content)
        local.pass_by(days=31)
        assert digest.removeprefix("sha256:") not in {one.name for one in local.sweep(digest).found}


def test_two_digests_that_begin_alike_are_both_kept(local: Life) -> None:
    digest = local.put("a")
    alike = digest.removeprefix("sha256:")[: 2 * words.WIDTH].ljust(64, "0")
    local.file(alike).write_bytes(b"")
    local.pass_by(days=31)
    with pytest.raises(ArtifactCorrupt, match="are not what its name says"):
        local.sweep(digest)


def test_a_list_of_the_condemned_that_cannot_be_read_ends_the_sweep_and_has_all_written_anew(
    local: Life,
) -> None:
    digest = local.put("a")
    local.pass_by(days=31)
    local.sweep()
    for text in ("{", "[]", '{"version":2,"blobs":{}}', '{"version":1,"blobs":{"x":"y"}}'):
        (local.objects / "sweep/condemned.json").write_text(text)
        with pytest.raises(ArtifactCorrupt, match="condemned"):
            local.sweep()
    file = local.file(digest)
    before = file.stat().st_mtime
    local.put("a")
    assert file.stat().st_mtime > before


# The program of the Job


def attempt(life: Life, referred: frozenset[bytes], **changed: Any) -> Result | Failure:
    """What the Job says at its end."""
    said = {
        "mode": "Delete",
        "keepSeconds": 30 * DAY,
        "graceSeconds": DAY,
        "readAt": now().isoformat(),
        "references": len(referred),
        **changed,
    }
    task = Task("ml", "p", "p-sweep-1", "sweep", 1, words.KIND, said)
    folder = life.folder / "work"
    folder.mkdir(exist_ok=True)
    carried = batch.variables(words.pack(referred))
    workspace = Workspace(
        root=folder,
        termination=folder / "said",
        environment={**life.environment, "PENSTOCK_TASK": task.to_json(), **carried},
    )
    code = execute("run", workspace)
    answer = decode(workspace.termination.read_text())
    assert code == (0 if isinstance(answer, Result) else 1)
    return answer


def test_the_job_says_what_it_found_and_what_it_deleted(
    life: Life, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, lost = life.put("a"), life.put("b" * 3000)
    referred = life.begin(kept)
    life.pass_by(days=31)
    told = attempt(life, referred, mode="Report")
    assert isinstance(told, Result)
    assert told.message.startswith("of 4 files (")
    assert "2 (3.1 KiB) are old enough and referred to by nothing and would go" in told.message
    assert "found: sha256:" in capsys.readouterr().out
    life.pass_by(days=2)
    done = attempt(life, referred)
    assert isinstance(done, Result)
    assert (done.results["found"], done.results["deleted"]) == (2, 2)
    assert done.results["deleted_bytes"] == done.results["found_bytes"] > 3000
    assert done.message.endswith("2 (3.1 KiB) were deleted")
    assert not life.store().holds(lost)
    rest = attempt(life, referred)
    assert isinstance(rest, Result)
    assert rest.message.endswith("none is old enough and referred to by nothing")


@pytest.mark.parametrize("change", [-1, 1])
def test_without_all_references_nothing_is_swept(local: Life, change: int) -> None:
    digest = local.put("a")
    referred = local.begin(digest) | {b"abcdef"}
    answer = attempt(local, referred, references=len(referred) + change)
    assert isinstance(answer, Failure)
    assert answer.failure_class == FailureClass.INVALID_RESULT
    assert "nothing was swept" in answer.message
    assert not (local.objects / "sweep").exists()


def test_a_store_that_does_not_answer_is_said_so(tmp_path: Path) -> None:
    place = {"PENSTOCK_STORE_URL": "s3://b", "PENSTOCK_STORE_ENDPOINT": "http://127.0.0.1:1"}
    answer = attempt(Life(place, tmp_path, tmp_path), frozenset())
    assert isinstance(answer, Failure)
    assert answer.failure_class == FailureClass.STORE_UNAVAILABLE


# Any history, killed anywhere


@pytest.mark.parametrize("seed", range(20))
def test_in_any_history_nothing_that_is_referred_to_is_ever_lost_and_all_else_goes(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    World(seed, tmp_path, monkeypatch).check()


BUGS: list[tuple[Callable[..., Any], str, str]] = [
    (
        Sweeper._reached,
        "frozenset(one.name for one in named).union(*files)",
        "frozenset(one.name for one in named)",
    ),
    (Sweeper._reached, "one.name for one in named).u", ").u"),
    (Sweeper.sweep, "one.name not in reached and ", ""),
    (Sweeper.sweep, " and now - one.written >= rules.keep", ""),
    (Sweeper._delete, "> _PRECISION", "> timedelta.max"),
    (sweep._is_due, "<= now - grace", "<= now"),
    (sweep._since, "now if blob.written > known else min(known, now)", "now"),
    (Store._put_bytes, " or self._is_condemned(hexadecimal)", ""),
    (Store.put_folder, "self._condemned = None", "pass"),
]


@pytest.mark.parametrize(
    ("function", "old", "new"), BUGS, ids=[f"{one.__name__}: {old}" for one, old, _ in BUGS]
)
def test_a_mistake_is_noticed(
    function: Callable[..., Any],
    old: str,
    new: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sow_method(monkeypatch, function, old, new)
    with pytest.raises(AssertionError):  # noqa: PT012 - whichever world notices first
        for seed in range(40):
            World(seed, tmp_path / str(seed), monkeypatch).check()


def sow_method(monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], old: str, new: str) -> None:
    """As `sow`, of methods as well."""
    owner = {"Sweeper": Sweeper, "Store": Store}.get(function.__qualname__.split(".")[0])
    if owner is None:
        sow(monkeypatch, function, old, new)
        return
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{function.__name__} has changed: sow the bug anew"
    scope: dict[str, Any] = {}
    exec(source.replace(old, new), function.__globals__, scope)  # noqa: S102 - our own source, changed on purpose
    monkeypatch.setattr(owner, function.__name__, scope[function.__name__])
