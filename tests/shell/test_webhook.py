"""The inbound webhook: a signed message starts one run, whatever is repeated, killed or forged."""

import asyncio
import base64
import gzip
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock_operator import clock
from penstock_operator.webhook import signatures
from penstock_operator.webhook.desk import Message
from penstock_operator.webhook.limits import Rate, next_second
from penstock_operator.webhook.refusals import Refused
from penstock_operator.webhook.secret_files import SecretFiles
from penstock_operator.webhook.signatures import BadSecret, key_of, sign
from penstock_spec.run import PipelineRunSpec
from tests.shell.webhook_world import NOW, PATH, SECRET, Api, World, churn, request, world

OTHER = "another secret, of 24 bytes or more"


async def test_a_signed_message_starts_a_run_with_its_parameters() -> None:
    async with world() as here:
        status, answer = await here.post()
        (run,) = here.api.runs.values()
        assert (status, answer) == (201, {"run": run["metadata"]["name"], "created": True})
        assert run["spec"] == {
            "pipeline": "churn",
            "parameters": {"trees": 200},
            "generation": 0,
            "trigger": "hook",
            "triggeredBy": {"delivery": "msg_1"},
        }
        PipelineRunSpec.model_validate(run["spec"], by_alias=True, by_name=False)
        (owner,) = run["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("Pipeline", "uid-churn", True)


async def test_a_message_may_have_no_body() -> None:
    async with world() as here:
        assert (await here.post(body=b""))[0] == 201


async def test_a_message_that_comes_again_starts_nothing() -> None:
    async with world() as here:
        first = await here.post()
        second = await here.post()
        assert second == (200, {"run": first[1]["run"], "created": False})
        again = sign(key_of(SECRET), "msg_1", NOW + 60, b"{}")
        later = await here.post(body=b"{}", time=NOW + 60, signature=again)
        assert later == second, "the sender's own retry is signed anew"
        assert len(here.api.made) == 1


async def test_a_message_that_comes_again_after_its_run_was_deleted_starts_nothing() -> None:
    async with world() as here:
        first = await here.post()
        here.api.runs.clear()
        assert await here.post() == (200, {"run": first[1]["run"], "created": False})
        assert len(here.api.made) == 1


async def test_neither_does_it_after_a_restart() -> None:
    api = Api(churn())
    async with world(api=api) as here:
        await here.post()
    async with world(api=api) as here:
        assert (await here.post())[0] == 200, "the run's name tells"
    api.runs.clear()
    async with world(api=api, started_at=NOW + 1) as here:
        status, answer, headers = await here.send(request())
        assert (status, answer["error"], headers["retry-after"]) == (503, "SignedBeforeStart", "1")
    assert len(api.made) == 1


async def test_what_is_signed_in_the_second_in_which_the_receiver_becomes_ready_is_taken() -> None:
    """Signatures have whole seconds, processes do not begin on them."""
    moments = iter([NOW + 0.6, NOW + 0.99, NOW + 0.998, NOW + 1.0])
    began = await next_second(lambda: next(moments))
    assert next(moments, None) is None, "it was ready before the second was over"
    async with world(started_at=began) as here:
        here.now = NOW + 1.2
        assert (await here.post(time=NOW + 1))[0] == 201
        assert (await here.post(id_="msg_2", time=NOW))[1]["error"] == "SignedBeforeStart"


async def test_a_message_for_one_trigger_is_none_for_another() -> None:
    async with world() as here:
        await here.post()
        status, answer = await here.post(path=PATH + "2")
        assert (status, answer["error"]) == (409, "OtherTrigger")
        assert len(here.api.made) == 1


async def test_while_a_secret_is_replaced_both_are_good() -> None:
    async with world(keys={"ml": [SECRET, OTHER]}) as here:
        assert (await here.post(id_="a"))[0] == 201
        assert (await here.post(id_="b", secret=OTHER))[0] == 201
        both = f"v1,{base64.b64encode(b'x' * 32).decode()} {sign(key_of(OTHER), 'c', NOW, b'{}')} v2,new"
        assert (await here.post(id_="c", body=b"{}", signature=both))[0] == 201
        here.keys["ml"] = [OTHER]
        assert (await here.post(id_="d"))[0] == 401


def _signed(body: bytes) -> dict[str, Any]:
    return {"body": body}


LONG = "x" * 5000
HOSTILE: dict[str, tuple[dict[str, Any], int, str]] = {
    # The signature
    "no signature": ({"headers": {"webhook-signature": None}}, 400, "Malformed"),
    "an empty signature": ({"signature": ""}, 400, "Malformed"),
    "two headers of a signature": ({"more": ["webhook-signature: v1,x"]}, 400, "Malformed"),
    "a signature of another version": ({"signature": "v2,abc"}, 400, "Malformed"),
    "nine signatures": ({"signature": " ".join(["v1,abc"] * 9)}, 400, "Malformed"),
    "a signature without end": ({"signature": "v1," + LONG}, 400, "Malformed"),
    "a signature that is no base64": ({"signature": "v1,!!!!"}, 401, "BadSignature"),
    "an empty signature of a version": ({"signature": "v1,"}, 401, "BadSignature"),
    "another secret": ({"secret": OTHER}, 401, "BadSignature"),
    "a secret of nothing": (
        {"signature": "v1,47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
        401,
        "BadSignature",
    ),
    "the signature of another body": (
        {"signature": sign(key_of(SECRET), "msg_1", NOW, b"{}")},
        401,
        "BadSignature",
    ),
    "the signature of another id": (
        {"signature": sign(key_of(SECRET), "msg_2", NOW, b"{}"), "body": b"{}"},
        401,
        "BadSignature",
    ),
    "the signature of another time": (
        {"signature": sign(key_of(SECRET), "msg_1", NOW - 1, b"{}"), "body": b"{}"},
        401,
        "BadSignature",
    ),
    "hex in place of base64": ({"signature": "v1," + "ab" * 32}, 401, "BadSignature"),
    "GitHub's own header": (
        {"headers": {"webhook-signature": None, "X-Hub-Signature-256": "sha256=00"}},
        400,
        "Malformed",
    ),
    # Id and time
    "no id": ({"headers": {"webhook-id": None}}, 400, "Malformed"),
    "two ids": ({"more": ["Webhook-Id: other"]}, 400, "Malformed"),
    "an empty id": ({"id_": ""}, 400, "Malformed"),
    "an id with a blank": ({"id_": "a b"}, 400, "Malformed"),
    "an id with a slash": ({"id_": "../x"}, 400, "Malformed"),
    "an id that is too long": ({"id_": "x" * 129}, 400, "Malformed"),
    "an id beyond ASCII": ({"id_": "\u00e4"}, 400, "Malformed"),
    "no time": ({"headers": {"webhook-timestamp": None}}, 400, "Malformed"),
    "two times": ({"more": ["webhook-timestamp: 1"]}, 400, "Malformed"),
    "a time that is none": ({"headers": {"webhook-timestamp": "now"}}, 400, "Malformed"),
    "a time with a fraction": ({"headers": {"webhook-timestamp": f"{NOW}.5"}}, 400, "Malformed"),
    "a time before 1970": ({"headers": {"webhook-timestamp": "-1"}}, 400, "Malformed"),
    "a time beyond all clocks": ({"headers": {"webhook-timestamp": "9" * 40}}, 400, "Malformed"),
    "a time in other digits": ({"headers": {"webhook-timestamp": "\u00b2"}}, 400, "Malformed"),
    "an old message": ({"time": NOW - 301}, 401, "TooOld"),
    "a message from the future": ({"time": NOW + 301}, 401, "TooOld"),
    # The address
    "the root": ({"path": "/"}, 404, "NoSuchPath"),
    "another version": ({"path": PATH.replace("v1", "v2")}, 404, "NoSuchPath"),
    "a slash at the end": ({"path": PATH + "/"}, 404, "NoSuchPath"),
    "a query": ({"path": PATH + "?x=1"}, 404, "NoSuchPath"),
    "an escaped letter": ({"path": PATH.replace("churn", "%63hurn")}, 404, "NoSuchPath"),
    "a way up": ({"path": PATH.replace("churn", "../other")}, 404, "NoSuchPath"),
    "capitals": ({"path": PATH.replace("churn", "Churn")}, 404, "NoSuchPath"),
    "an absolute address": ({"path": "http://evil.example" + PATH}, 404, "NoSuchPath"),
    "a namespace without secrets": ({"path": PATH.replace("/ml/", "/prod/")}, 401, "BadSignature"),
    "a namespace that is not served": ({"path": PATH.replace("/ml/", "/locked/")}, 404, "NotFound"),
    "no such pipeline": ({"path": PATH.replace("churn", "chur")}, 404, "NotFound"),
    "no such trigger": ({"path": PATH + "3"}, 404, "NotFound"),
    "a trigger of another kind": ({"path": PATH.replace("hook", "nightly")}, 404, "NotFound"),
    "a suspended pipeline": ({"path": PATH.replace("churn", "other")}, 409, "Suspended"),
    # The method and the head
    "a GET": ({"method": "GET"}, 405, "MethodNotAllowed"),
    "a PUT": ({"method": "PUT"}, 405, "MethodNotAllowed"),
    "a HEAD of nothing": ({"method": "DELETE"}, 405, "MethodNotAllowed"),
    "another type": ({"headers": {"Content-Type": "text/plain"}}, 415, "NotJson"),
    "a form": ({"headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 415, "NotJson"),
    "no type": ({"headers": {"Content-Type": None}}, 415, "NotJson"),
    "two types": ({"more": ["Content-Type: application/json"]}, 400, "Malformed"),
    "a compressed body": (
        {"body": gzip.compress(b"{}"), "headers": {"Content-Encoding": "gzip"}},
        415,
        "Encoded",
    ),
    "too many headers": ({"more": [f"X-{number}: 1" for number in range(100)]}, 400, "Malformed"),
    "a header without end": ({"more": [f"X-Long: {LONG * 4}"]}, 400, "Malformed"),
    "a header that goes on": ({"more": ["X-A: 1", " folded"]}, 400, "Malformed"),
    "a header with a blank in its name": ({"more": ["X A: 1"]}, 400, "Malformed"),
    "two lengths": ({"more": ["Content-Length: 1"]}, 400, "Malformed"),
    "a length and chunks": ({"more": ["Transfer-Encoding: chunked"]}, 400, "Malformed"),
    "a length that is none": ({"headers": {"Content-Length": "x"}}, 400, "Malformed"),
    "a negative length": ({"headers": {"Content-Length": "-1"}}, 400, "Malformed"),
    # The body
    "a body that is too large": ({"body": b" " * 65_537}, 413, "TooLarge"),
    "a length that is too large": ({"headers": {"Content-Length": "70000"}}, 413, "TooLarge"),
    "a length beyond all numbers": ({"headers": {"Content-Length": "9" * 30}}, 400, "Malformed"),
    "a body that is no JSON": (_signed(b"{"), 422, "InvalidBody"),
    "a body in another encoding": (_signed(b"\xff\xfe{}"), 422, "InvalidBody"),
    "a list": (_signed(b"[]"), 422, "InvalidBody"),
    "a text": (_signed(b'"x"'), 422, "InvalidBody"),
    "null": (_signed(b"null"), 422, "InvalidBody"),
    "another field": (_signed(b'{"parameters": {}, "steps": []}'), 422, "InvalidBody"),
    "parameters as a list": (_signed(b'{"parameters": []}'), 422, "InvalidBody"),
    "a name twice": (_signed(b'{"parameters": {"trees": 1, "trees": 2}}'), 422, "InvalidBody"),
    "a number that is none": (_signed(b'{"parameters": {"trees": NaN}}'), 422, "InvalidBody"),
    "a depth without end": (_signed(b"[" * 30_000), 422, "InvalidBody"),
    "a deep value": (
        _signed(b'{"parameters": {"trees": ' + b"[" * 20 + b"]" * 20 + b"}}"),
        422,
        "InvalidBody",
    ),
    "a parameter that is not declared": (_signed(b'{"parameters": {"tree": 1}}'), 422, "InvalidParameters"),
    "a parameter of another type": (_signed(b'{"parameters": {"trees": "x"}}'), 422, "InvalidParameters"),
    "a parameter that is too large": (_signed(b'{"parameters": {"trees": 501}}'), 422, "InvalidParameters"),
    "a parameter that is null": (_signed(b'{"parameters": {"trees": null}}'), 422, "InvalidParameters"),
    "a value that is not allowed": (_signed(b'{"parameters": {"region": "cn"}}'), 422, "InvalidParameters"),
    "a built-in parameter": (_signed(b'{"parameters": {"triggeredBy": "x"}}'), 422, "InvalidParameters"),
    "an integer without end": (_signed(b'{"parameters": {"trees": ' + b"9" * 5000 + b"}}"), 422, ""),
}


@pytest.fixture(scope="module")
def hostile_answers() -> dict[str, tuple[int, Any, dict[str, str]]]:
    """The answers to all of HOSTILE, from one webhook, which then still takes a good message."""

    async def ask() -> dict[str, tuple[int, Any, dict[str, str]]]:
        async with world() as here:
            found = {name: await here.send(request(**changes)) for name, (changes, _, _) in HOSTILE.items()}
            assert here.api.made == []
            assert (await here.post(id_="good"))[0] == 201
            return found

    return asyncio.run(ask())


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_wrong_is_refused_in_json(name: str, hostile_answers: Any) -> None:
    _, status, reason = HOSTILE[name]
    found, answer, headers = hostile_answers[name]
    assert (found, answer["error"] if reason else "") == (status, reason), answer
    assert set(answer) == {"error", "message"}
    assert answer["message"]
    assert (headers["content-type"], headers.get("connection", "close")) == (
        "application/json; charset=utf-8",
        "close",
    )


def test_the_table_is_long_enough() -> None:
    assert len(HOSTILE) >= 60


def test_an_answer_tells_nothing_of_other_namespaces_and_no_secret(hostile_answers: Any) -> None:
    wrong = hostile_answers["another secret"][1]
    assert hostile_answers["a namespace without secrets"][1] == wrong
    everything = repr([answer for _, answer, _ in hostile_answers.values()])
    assert key_of(SECRET).decode() not in everything
    assert SECRET not in everything


@pytest.mark.parametrize(
    "raw", [b"", b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"POST\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
)
async def test_what_is_no_http_leaves_it_standing(raw: bytes) -> None:
    async with world() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(raw)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert not answer or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
        assert (await here.post())[0] == 201


async def test_who_sends_too_slowly_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock_operator.webhook.server.BODY_SECONDS", 0.2)
    async with world() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(request()[:-5])
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 408")
        writer.close()
        monkeypatch.setattr("penstock_operator.webhook.server.CONNECTION_SECONDS", 0.2)
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(b"POST / HTTP/1.1\r\nX-Slow: ")
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(_to_the_end(reader), 10)
        writer.close()


async def _to_the_end(reader: asyncio.StreamReader) -> None:
    if not await reader.read():
        raise ConnectionResetError


async def test_more_connections_than_can_be_held_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock_operator.webhook.server.CONNECTIONS", 3)
    async with world() as here:
        held = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(3)]
        with pytest.raises((ConnectionError, IndexError, ValueError)):
            await here.post()
        for _, writer in held:
            writer.close()
        async with asyncio.timeout(10):
            while not await _is_taken(here):  # noqa: ASYNC110 - it tells nobody that it has heard of their end
                await asyncio.sleep(0.01)


async def _is_taken(here: World) -> bool:
    try:
        return (await here.post())[0] == 201
    except (ConnectionError, IndexError, ValueError):
        return False


async def test_too_many_messages_of_a_namespace_are_put_off() -> None:
    async with world(rate=Rate(per_minute=60, burst=2)) as here:
        answers = [(await here.post(id_=f"m{number}"))[0] for number in range(3)]
        assert answers == [201, 201, 429]
        here.now += 1
        assert (await here.post(id_="m9"))[0] == 201
        forged = [(await here.post(id_=f"f{number}", secret=OTHER))[0] for number in range(5)]
        assert forged == [401] * 5, "who knows no secret uses nothing up"


@pytest.mark.parametrize(
    ("fate", "status", "reason"),
    [
        ("away", 503, "Unavailable"),
        ("before", 503, "Unavailable"),
        ("quota", 429, "QuotaExceeded"),
        ("invalid", 409, "RejectedByCluster"),
    ],
)
async def test_what_the_cluster_says_is_passed_on_in_words(fate: str, status: int, reason: str) -> None:
    async with world() as here:
        here.api.fate = lambda: fate
        found, answer = await here.post()
        assert (found, answer["error"], here.api.made) == (status, reason, [])
        here.api.fate = lambda: ""
        assert (await here.post())[0] == 201


async def test_a_pipeline_whose_spec_is_refused_takes_nothing() -> None:
    broken = churn()
    broken["spec"]["steps"][0]["dependsOn"] = ["nobody"]
    async with world(api=Api(broken)) as here:
        assert (await here.post())[1]["error"] == "PipelineRefused"


async def test_a_pipeline_that_is_being_deleted_takes_nothing() -> None:
    going = churn()
    going["metadata"]["deletionTimestamp"] = "2026-11-21T10:00:00Z"
    async with world(api=Api(going)) as here:
        assert (await here.post())[0] == 404


async def test_messages_are_counted_and_each_refusal_is_one_line_without_its_contents(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world() as here:
        await here.post(body=b'{"parameters": {"region": "canary-value"}}')
        await here.post()
        text = here.figures.text().decode()
        assert 'penstock_webhook_messages_total{code="422",reason="InvalidParameters"} 1.0' in text
        assert 'penstock_webhook_messages_total{code="201",reason="Started"} 1.0' in text
    (line,) = [one for one in caplog.records if one.message == "message refused"]
    assert (line.code, line.reason, line.path) == (422, "InvalidParameters", PATH)  # type: ignore[attr-defined]
    assert "canary" not in repr(vars(line))


def _message(number: int, now: float) -> Message:
    time = int(now)
    id_ = f"m{number}"
    headers = {
        "content-type": ["application/json"],
        "webhook-id": [id_],
        "webhook-timestamp": [str(time)],
        "webhook-signature": [sign(key_of(SECRET), id_, time, b"")],
    }
    return Message("POST", PATH, headers, b"")


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.slow)])
async def test_no_message_starts_two_runs_whatever_is_killed(count: int) -> None:
    """The process dies at any creation and is replaced; senders repeat, replays come; people delete runs
    whose senders have their answer.
    """
    chance = random.Random(count)  # noqa: S311 - faults, not secrets
    here = World(Api(churn()))
    desk, captured, kills = here.desk(), [], 0
    answered: set[str] = set()
    here.api.fate = lambda: chance.choice(["before", "after", "away"]) if chance.random() < 0.2 else ""
    for number in range(count):
        here.now += chance.choice([0, 1, 5])
        message = _message(number, here.now)
        captured.append(message)
        for one in (message, *chance.choices(captured[-100:], k=2)):
            try:
                answered.add((await desk.take(one)).run)
            except Refused:
                if chance.random() < 0.3:
                    here.now += 1
                    here.started_at = here.now
                    desk, kills = here.desk(), kills + 1
        if chance.random() < 0.05:
            for name in answered & set(here.api.runs):
                del here.api.runs[name]
    made = Counter(here.api.made)
    assert kills > count / 20
    assert len(made) > count / 2
    assert max(made.values()) == 1


async def test_with_the_memory_taken_away_the_property_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock_operator.webhook.limits.Deliveries.run_of", lambda *_: "")
    with pytest.raises(AssertionError):
        await test_no_message_starts_two_runs_whatever_is_killed(200)


# Secrets


def test_the_form_is_that_of_standard_webhooks() -> None:
    """The example of the specification's own libraries."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "secret", ["", "short", "whsec_", "whsec_!!!", "whsec_" + base64.b64encode(b"x" * 23).decode()]
)
def test_a_secret_that_is_too_short_is_none(secret: str) -> None:
    with pytest.raises(BadSecret):
        key_of(secret)


def test_secrets_are_files_of_a_namespace_or_a_pipeline(tmp_path: Path) -> None:
    def put(name: str, letter: str) -> None:
        (tmp_path / name).write_text(letter * 32 + "\n")

    put("ml.old", "a")
    put("ml.new", "b")
    put("ml.churn.ci", "c")
    put("prod.ci", "d")
    put("ml.churn.deep.ci", "e")
    put("..data", "f")
    put("ml", "g")
    (tmp_path / "ml.short").write_text("x")
    (tmp_path / "ml.binary").write_bytes(b"\xff" * 64)
    files = SecretFiles(tmp_path)
    assert sorted(files.keys("ml", "other")) == [b"a" * 32, b"b" * 32]
    assert sorted(files.keys("ml", "churn")) == [b"a" * 32, b"b" * 32, b"c" * 32]
    assert list(files.keys("none", "churn")) == []
    (tmp_path / "ml.old").unlink()
    assert list(files.keys("ml", "other")) == [b"b" * 32]


def test_every_signature_is_compared_with_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    real: Callable[[str, str], bool] = signatures.hmac.compare_digest
    monkeypatch.setattr(
        signatures.hmac, "compare_digest", lambda one, other: bool(compared.append(1)) or real(one, other)
    )
    keys = [b"a" * 32, b"b" * 32, b"c" * 32]
    signed = f"{sign(keys[0], 'm', NOW, b'')} v1,other"
    headers = {"webhook-id": ["m"], "webhook-timestamp": [str(NOW)], "webhook-signature": [signed]}
    signatures.verified(headers, b"", keys, NOW)
    assert len(compared) == 6


@pytest.mark.slow
async def test_the_program_starts_takes_and_stops(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/ml.ci").write_text(SECRET)
    here = {"server": "http://127.0.0.1:9"}
    context = {"name": "x", "context": {"cluster": "x", "user": "x"}}
    kubeconfig = {
        "clusters": [{"name": "x", "cluster": here}],
        "users": [{"name": "x", "user": {}}],
        "contexts": [context],
        "current-context": "x",
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
    words = ["--secrets", str(tmp_path / "secrets"), "--kubeconfig", str(tmp_path / "kubeconfig")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ports = ["--port", "0", "--health-port", "0", "--address", "127.0.0.1"]
    command = [sys.executable, "-m", "penstock_operator.webhook", *words, *ports]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
    try:
        assert process.stderr is not None
        line = json.loads(await asyncio.wait_for(process.stderr.readline(), 60))
        assert line["message"] == "receiving"
        now = int(clock.now().timestamp()) + 2
        found = World(Api(), port=line["port"])
        assert (await found.post(time=now))[1]["error"] == "Unavailable", "there is no API server"
        assert (await found.post(time=now, secret=OTHER))[0] == 401
        reader, writer = await asyncio.open_connection("127.0.0.1", line["health_port"])
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b'penstock_webhook_messages_total{code="401",reason="BadSignature"} 1.0' in await reader.read()
        writer.close()
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
