"""What a probe says of data, branches and images: against servers, well-behaved and others."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from penstock_spec.contract import Failure, Result, Task, decode
from penstock_steps import image_tags, probe
from penstock_steps.program import execute
from penstock_steps.workspace import Workspace
from tests.steps.probe_servers import USER, Bucket, GitServer, Registry, Rude, commit, served, sha256


@pytest.fixture
def say(tmp_path: Path) -> Any:
    """Runs the program as a pod does; gives what it leaves in its termination message."""

    def run(arguments: Mapping[str, Any], **environment: str) -> Result | Failure:
        task = Task("ml", "p", "p-look", "watch", 1, "probe", arguments)
        told = tmp_path / "termination"
        told.write_text("")
        space = Workspace(tmp_path / "penstock", told, {"PENSTOCK_TASK": task.to_json(), **environment})
        code = execute("probe", space)
        outcome = decode(told.read_text())
        assert code == int(isinstance(outcome, Failure))
        assert "canary" not in told.read_text()
        return outcome

    return run


def revision(outcome: Result | Failure) -> str:
    assert isinstance(outcome, Result), outcome
    return outcome.source_revision


def words(outcome: Result | Failure) -> str:
    assert isinstance(outcome, Failure), outcome
    return f"{outcome.failure_class}: {outcome.message}"


# git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repositories" / "churn.git"
    folder.parent.mkdir()
    commit(folder, "first")
    commit(folder, "other", "main-2")
    return folder


def branch(host: str, name: str = "main", path: str = "churn.git") -> dict[str, Any]:
    return {"git": {"url": f"http://{host}/{path}", "branch": name}}


@pytest.mark.parametrize("old", [False, True], ids=["protocol 2", "protocol 0"])
def test_the_commit_of_a_branch(say: Any, repository: Path, *, old: bool) -> None:
    with served(GitServer, root=repository.parent, old=old) as (host, _):
        second = commit(repository, "second")
        assert revision(say(branch(host))) == second
        third = commit(repository, "third")
        assert revision(say(branch(host))) == third
        assert revision(say(branch(host, "main-3"))) == "absent"
        assert revision(say(branch(host, "mai"))) == "absent", "a name that others begin with"


def test_a_private_repository_wants_the_secret(say: Any, repository: Path) -> None:
    with served(GitServer, root=repository.parent, private=True) as (host, handler):
        assert "UserError: http://127.0.0.1" in words(say(branch(host)))
        assert revision(say(branch(host), **USER)) == commit_of(repository)
        assert "wants other credentials" in words(
            say(branch(host), **{**USER, "PENSTOCK_SOURCE_PASSWORD": "x"})
        )
    assert all("canary" not in path for _, path, _ in handler.seen)


def commit_of(repository: Path) -> str:
    return (repository / "refs/heads/main").read_text().strip()


def test_a_repository_that_is_not_there(say: Any, repository: Path) -> None:
    with served(GitServer, root=repository.parent) as (host, _):
        assert "has no such repository" in words(say(branch(host, path="other.git")))


ADVERTISED = {"content_type": "application/x-git-upload-pack-advertisement"}


@pytest.mark.parametrize(
    ("about", "wanted"),
    [
        ({"body": b"<html>hello</html>"}, "UserError: http://HOST does not answer as a git server"),
        ({"headers": ADVERTISED, "body": b"zzzz"}, "does not answer as a git server"),
        ({"headers": ADVERTISED, "body": b"00ffshort"}, "does not answer as a git server"),
        ({"headers": ADVERTISED, "body": b""}, "does not answer as a git server"),
        ({"headers": ADVERTISED, "body": b"-001"}, "does not answer as a git server"),
        ({"status": 500}, "StoreUnavailable: http://HOST answered 500; it is looked at again later"),
        ({"status": 429}, "StoreUnavailable: http://HOST answered 429"),
        ({"status": 302, "headers": {"location": "file:///etc/passwd"}}, "does not answer as a git server"),
        ({"status": 302, "headers": {"location": "http://HOST/again"}}, "does not answer as a git server"),
    ],
)
def test_a_server_that_is_none_is_told_from_one_that_is_away(
    say: Any, about: dict[str, Any], wanted: str
) -> None:
    with served(Rude, **about) as (host, handler):
        assert wanted.replace("HOST", host) in words(say(branch(host)))
    assert len(handler.seen) <= 5


def test_nobody_answers(say: Any) -> None:
    assert "StoreUnavailable: http://127.0.0.1:9 cannot be reached" in words(say(branch("127.0.0.1:9")))


def test_credentials_do_not_follow_a_redirect_to_another_host(say: Any, repository: Path) -> None:
    with (
        served(GitServer, root=repository.parent, private=True) as (other, behind),
        served(Rude, status=302, headers={"location": f"http://{other}/churn.git/info/refs"}) as (host, _),
    ):
        assert "wants other credentials" in words(say(branch(host), **USER))
    assert [headers.get("Authorization") for _, _, headers in behind.seen] == [None]


def test_a_list_without_end_is_cut_off(say: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock_steps.git_refs._LIMIT", 4096)
    line = b"0000000000000000000000000000000000000001 refs/heads/other\n"
    body = b"".join(b"%04x%s" % (len(line) + 4, line) for _ in range(1000))
    with served(Rude, headers=ADVERTISED, body=body) as (host, _):
        assert "lists more branches than can be read" in words(say(branch(host)))


# Images


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("redis", ("registry-1.docker.io", "library/redis", "latest")),
        ("redis:7", ("registry-1.docker.io", "library/redis", "7")),
        ("acme/base:1", ("registry-1.docker.io", "acme/base", "1")),
        ("docker.io/redis", ("registry-1.docker.io", "library/redis", "latest")),
        ("ghcr.io/acme/base:stable", ("ghcr.io", "acme/base", "stable")),
        ("localhost/base", ("localhost", "base", "latest")),
        ("registry.ml:5000/team/base", ("registry.ml:5000", "team/base", "latest")),
        ("registry.ml:5000/base:2", ("registry.ml:5000", "base", "2")),
    ],
)
def test_a_reference_is_taken_apart_as_container_tools_do(image: str, parts: tuple[str, str, str]) -> None:
    tag = image_tags.parse(image)
    assert (tag.registry, tag.repository, tag.name) == parts


@pytest.fixture
def tags() -> dict[str, bytes]:
    return {"/v2/acme/base/manifests/stable": b'{"one": 1}'}


def tag(host: str, name: str = "stable") -> dict[str, Any]:
    return {"image": {"image": f"{host}/acme/base:{name}", "plainHttp": True}}


@pytest.mark.parametrize("shy", [False, True], ids=["digest in a header", "digest of the body"])
@pytest.mark.parametrize(
    ("login", "user"), [("none", {}), ("bearer", {}), ("private", USER), ("basic", USER)]
)
def test_the_digest_of_a_tag(
    say: Any, tags: dict[str, bytes], login: str, user: dict[str, str], *, shy: bool
) -> None:
    with served(Registry, tags=tags, login=login, shy=shy) as (host, _):
        assert revision(say(tag(host), **user)) == sha256(b'{"one": 1}')
        tags["/v2/acme/base/manifests/stable"] = b'{"two": 2}'
        assert revision(say(tag(host), **user)) == sha256(b'{"two": 2}')
        assert revision(say(tag(host, "other"), **user)) == "absent"


@pytest.mark.parametrize("login", ["private", "basic"])
def test_a_private_image_wants_the_secret(say: Any, tags: dict[str, bytes], login: str) -> None:
    with served(Registry, tags=tags, login=login) as (host, _):
        assert words(say(tag(host))).startswith("UserError: ")


@pytest.mark.parametrize(
    ("about", "wanted"),
    [
        ({"status": 503}, "StoreUnavailable: http://HOST answered 503"),
        ({"status": 418}, "UserError: http://HOST does not answer as a registry does"),
        ({"status": 401, "headers": {"www_authenticate": "Negotiate"}}, "asks for a way to log in"),
        (
            {"status": 401, "headers": {"www_authenticate": 'Bearer realm="file:///etc/passwd"'}},
            "way to log in",
        ),
        (
            {"status": 401, "headers": {"www_authenticate": 'Bearer realm="http://HOST/t"'}},
            "refused the cred",
        ),
    ],
)
def test_a_registry_that_is_none(say: Any, about: dict[str, Any], wanted: str) -> None:
    with served(Rude, **about) as (host, _):
        assert wanted.replace("HOST", host) in words(say(tag(host)))


def test_over_tls_a_realm_without_it_gets_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    from email.message import Message

    from penstock_steps.errors import StepError
    from penstock_steps.web import Answer, Caller

    headers = Message()
    headers["WWW-Authenticate"] = 'Bearer realm="http://evil.example/token"'
    monkeypatch.setattr(Caller, "ask", lambda *_, **__: Answer(401, headers, b""))
    with pytest.raises(StepError, match="way to log in"):
        image_tags.digest(Caller("robot", "x"), "ghcr.io/acme/base:1", plain_http=False)


# Data


@pytest.fixture
def lake() -> Iterator[tuple[dict[str, bytes], dict[str, str]]]:
    """The objects of a bucket, and the connection to it as a pod finds it."""
    objects: dict[str, bytes] = {}
    with served(Bucket, objects=objects) as (host, _):
        yield (
            objects,
            {
                "PENSTOCK_SOURCE_BUCKET": "lake",
                "PENSTOCK_SOURCE_ENDPOINT": f"http://{host}",
                "PENSTOCK_SOURCE_ACCESS_KEY_ID": "key",
                "PENSTOCK_SOURCE_SECRET_ACCESS_KEY": "canary-secret",
            },
        )


def data(**place: str) -> dict[str, Any]:
    return {"newData": {"object": {"connection": "lake", **place}}}


def test_an_object_changes_with_its_bytes(say: Any, lake: Any) -> None:
    objects, connection = lake
    assert revision(say(data(key="sales.csv"), **connection)) == "absent"
    objects["sales.csv"] = b"a,b\n1,2\n"
    first = revision(say(data(key="sales.csv"), **connection))
    assert first.startswith("etag=")
    assert first.endswith("size=8")
    assert revision(say(data(key="sales.csv"), **connection)) == first
    objects["sales.csv"] = b"a,b\n1,3\n"
    assert revision(say(data(key="sales.csv"), **connection)) != first


def test_a_folder_changes_with_any_of_its_objects(
    say: Any, lake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects, connection = lake
    look = data(prefix="sales/")
    objects["other.csv"] = b"x"
    assert revision(say(look, **connection)) == "absent"
    seen = set()
    for key, value in (("sales/a", b"1"), ("sales/b", b"1"), ("sales/b", b"2"), ("sales/c", b"2")):
        objects[key] = value
        seen.add(revision(say(look, **connection)))
    objects["other.csv"] = b"y"
    seen.add(revision(say(look, **connection)))
    assert len(seen) == 4
    monkeypatch.setattr(probe, "MOST_OBJECTS", 2)
    assert "more than 2 objects lie below sales/" in words(say(look, **connection))


def test_a_bucket_that_is_away(say: Any, lake: Any) -> None:
    _, connection = lake
    away = {**connection, "PENSTOCK_SOURCE_BUCKET": ""}
    assert words(say(data(key="x"), **away)).startswith("StoreUnavailable: ")


def test_a_config_map_that_may_not_be_there(say: Any, tmp_path: Path) -> None:
    look = {"newData": {"configMap": {"name": "tumour", "key": "tumour.csv"}}}
    assert revision(say(look)) == "absent"
    folder = tmp_path / "penstock/source"
    folder.mkdir(parents=True)
    (folder / "tumour.csv").write_text(json.dumps(1))
    first = revision(say(look))
    assert first.startswith("sha256=")
    (folder / "tumour.csv").write_text(json.dumps(2))
    assert revision(say(look)) != first
