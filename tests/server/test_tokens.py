"""Who may ask: tokens of a mounted Secret, over both protocols."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from tests.server.hostile import good_json, good_message
from tests.server.model_folders import StoredModel
from tests.server.server_process import SECONDS, ServerProcess, running

Stored = Callable[[str], StoredModel]
BATCH, WEB = "b4tch-t0ken-4711", "w3b-t0ken-0815"


def _mount(folder: Path, tokens: dict[str, str], generation: str) -> None:
    """Write files as the kubelet does: links to links, all of them swapped by one rename."""
    data = folder / f"..{generation}"
    data.mkdir(parents=True)
    for name, token in tokens.items():
        (data / name).write_text(token)
    swap = folder / "..data_tmp"
    swap.symlink_to(data.name)
    swap.rename(folder / "..data")
    for old in folder.iterdir():
        if not old.name.startswith(".") and old.name not in tokens:
            old.unlink()
    for name in tokens:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(f"..data/{name}")


def _rest(server: ServerProcess, authorization: str | None, path: str = "/infer") -> httpx.Response:
    headers = {} if authorization is None else {"authorization": authorization}
    url = f"{server.url}{server.model_path}{path}"
    if path == "/infer":
        return httpx.post(url, json=good_json(), headers=headers, timeout=SECONDS)
    return httpx.get(url, headers=headers, timeout=SECONDS)


def _grpc(
    server: ServerProcess, authorization: str | None, method: str, message: bytes = b""
) -> tuple[str, str]:
    metadata = () if authorization is None else (("authorization", authorization),)
    with grpc.insecure_channel(server.grpc_address) as channel:
        try:
            channel.unary_unary(method)(message, metadata=metadata, timeout=SECONDS)
        except grpc.RpcError as error:
            return error.code().name, error.details() or ""
    return "OK", ""


INFER = "/inference.GRPCInferenceService/ModelInfer"


def test_a_token_opens_and_nothing_else_does(stored: Stored, tmp_path: Path) -> None:
    folder = tmp_path / "tokens"
    _mount(folder, {"batch": f"{BATCH}\n", "web": WEB, "empty": ""}, "1")
    content = good_message(raw=True).SerializeToString()
    refused: list[str | None] = [
        None,
        "",
        "Bearer",
        f"Basic {BATCH}",
        BATCH,
        f"Bearer {BATCH[:-1]}",
        f"Bearer {BATCH}x",
        f"Bearer {BATCH.upper()}",
        "Bearer batch",
    ]
    with running(stored("visitors"), ["--tokens", str(folder)]) as server:
        assert server.wait_for("tokens")["clients"] == ["batch", "web"]
        for token in refused:
            answer = _rest(server, token)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == 'Bearer realm="penstock"'
            assert "token" in answer.json()["error"]
            code, words = _grpc(server, token, INFER, content)
            assert (code, "token" in words) == ("UNAUTHENTICATED", True)
        for token in (f"Bearer {BATCH}", f"bearer {WEB}", f"Bearer  {WEB}"):
            assert _rest(server, token).status_code == 200
        assert _grpc(server, f"Bearer {BATCH}", INFER, content) == ("OK", "")
        assert server.figure("penstock_server_unauthorized_total", protocol="rest") == len(refused)
        assert server.figure("penstock_server_unauthorized_total", protocol="grpc") == len(refused)
        assert server.figure("penstock_server_client_requests_total", client="web") == 2
        assert server.figure("penstock_server_client_requests_total", client="batch") == 2
        written = "".join(server.raw) + server.get("/metrics").text
    assert BATCH not in written
    assert WEB not in written


def test_everything_of_a_model_needs_a_token_and_health_does_not(stored: Stored, tmp_path: Path) -> None:
    folder = tmp_path / "tokens"
    _mount(folder, {"batch": BATCH}, "1")
    service = "/inference.GRPCInferenceService"
    with running(stored("visitors"), ["--tokens", str(folder)]) as server:
        for path in ("", "/ready", "/versions/visitors-3", "/versions/visitors-3/ready", "/infer"):
            assert _rest(server, None, path).status_code == 401, path
            assert _rest(server, f"Bearer {BATCH}", path).status_code == 200, path
        # Not even whether a model is there is told.
        assert httpx.get(f"{server.url}/v2/models/other", timeout=SECONDS).status_code == 401
        for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/metrics"):
            assert server.get(path).status_code == 200
        for method in ("ServerLive", "ServerReady", "ServerMetadata"):
            assert _grpc(server, None, f"{service}/{method}")[0] == "OK"
        assert _grpc(server, None, "/grpc.health.v1.Health/Check")[0] == "OK"
        for method in ("ModelReady", "ModelMetadata"):
            message = b"\x0a\x08visitors"
            assert _grpc(server, None, f"{service}/{method}", message)[0] == "UNAUTHENTICATED"
            assert _grpc(server, f"Bearer {BATCH}", f"{service}/{method}", message)[0] == "OK"


def test_a_rotation_needs_no_restart(stored: Stored, tmp_path: Path) -> None:
    folder = tmp_path / "tokens"
    _mount(folder, {"batch": BATCH, "web": WEB}, "1")
    with running(stored("visitors"), ["--tokens", str(folder)]) as server:
        assert _rest(server, f"Bearer {BATCH}").status_code == 200
        _mount(folder, {"batch": "another-token"}, "2")
        server.wait_until(
            lambda: _rest(server, "Bearer another-token").status_code == 200, "the new one known"
        )
        for token in (BATCH, WEB):
            assert _rest(server, f"Bearer {token}").status_code == 401


@pytest.mark.parametrize("folder_goes", [False, True])
def test_a_folder_without_tokens_lets_nobody_in(stored: Stored, tmp_path: Path, folder_goes: bool) -> None:
    folder = tmp_path / "tokens"
    folder.mkdir()
    with running(stored("visitors"), ["--tokens", str(folder)]) as server:
        if folder_goes:
            folder.rmdir()
        for token in (None, "Bearer x", "Bearer"):
            assert _rest(server, token).status_code == 401


def test_a_token_that_cannot_be_taken_from_a_header_is_refused_and_not_an_error(
    stored: Stored, tmp_path: Path
) -> None:
    folder = tmp_path / "tokens"
    _mount(folder, {"batch": BATCH}, "1")
    odd: list[Any] = [b"Bearer \xff\xfe", b"Bearer " + b"x" * 5000]
    with running(stored("visitors"), ["--tokens", str(folder)]) as server:
        url = f"{server.url}{server.model_path}/infer"
        for token in odd:
            headers = [(b"authorization", token)]
            assert httpx.post(url, json=good_json(), headers=headers, timeout=SECONDS).status_code == 401
        assert "internal error" not in "".join(server.raw)
