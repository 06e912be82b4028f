"""A webhook on the loopback before an API server of two requests, and messages for it, good and bad."""

import asyncio
import base64
import copy
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from penstock_operator import errors
from penstock_operator.webhook.desk import Desk
from penstock_operator.webhook.figures import Figures
from penstock_operator.webhook.limits import Deliveries, Rate
from penstock_operator.webhook.server import receiving
from penstock_operator.webhook.signatures import key_of, sign
from tests.core.pipelines import programs

NOW = 1_795_000_000
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
PATH = "/v1/namespaces/ml/pipelines/churn/triggers/hook"
TRIGGERS = [
    {"name": "hook", "webhook": {}},
    {"name": "hook2", "webhook": {}},
    {"name": "nightly", "schedule": {"cron": "0 2 * * *"}},
]
PARAMETERS = [
    {"name": "trees", "type": "Integer", "default": 100, "minimum": 1, "maximum": 500},
    {"name": "region", "default": "eu", "allowed": ["eu", "us"]},
]
Object = dict[str, Any]


def churn(name: str = "churn", namespace: str = "ml", **fields: Any) -> Object:
    spec = programs({"a": []}, triggers=TRIGGERS, parameters=PARAMETERS, **fields)
    meta = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
    return {"kind": "Pipeline", "metadata": meta, "spec": spec}


class Api:
    """Pipelines that are there, and runs that were made. `fate` is asked before each creation."""

    def __init__(self, *pipelines: Object) -> None:
        self.pipelines = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in pipelines}
        self.runs: dict[str, Object] = {}
        self.made: list[str] = []
        self.reads = 0
        self.fate: Callable[[], str] = lambda: ""

    async def get(self, kind: str, namespace: str, name: str) -> Object:
        assert kind == "Pipeline"
        self.reads += 1
        if namespace == "locked":
            raise errors.LacksRight("no right")
        if self.fate() == "away":
            raise errors.Unavailable("away")
        found = self.pipelines.get((namespace, name))
        if found is None:
            raise errors.NotFound("none")
        return copy.deepcopy(found)

    async def create(self, manifest: Mapping[str, Any]) -> Object:
        name, fate = manifest["metadata"]["name"], self.fate()
        if fate in ("quota", "invalid", "before"):
            kinds = {"quota": errors.QuotaExceeded, "invalid": errors.Invalid, "before": errors.Unavailable}
            raise kinds[fate]("no")
        if name in self.runs:
            raise errors.AlreadyExists("taken")
        self.runs[name] = dict(manifest)
        self.made.append(name)
        if fate == "after":
            raise errors.Unavailable("the answer was lost")
        return dict(manifest)


@dataclass
class World:
    """The running webhook."""

    api: Api
    keys: dict[str, Sequence[str]] = field(default_factory=lambda: {"ml": [SECRET], "locked": [SECRET]})
    now: float = NOW
    started_at: float = NOW - 1000
    rate: Rate = field(default_factory=lambda: Rate(60_000, 10_000))
    figures: Figures = field(default_factory=Figures)
    port: int = 0

    def desk(self) -> Desk:
        """A desk as a process has it that has just started."""

        def keys(namespace: str, _pipeline: str) -> Sequence[bytes]:
            return [key_of(one) for one in self.keys.get(namespace, ())]

        return Desk(self.api, keys, Deliveries(self.started_at), self.rate, lambda: self.now)

    async def send(self, raw: bytes) -> tuple[int, Any, dict[str, str]]:
        """Status, decoded body and headers of the answer to these bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(raw)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), json.loads(body), headers

    async def post(self, **changes: Any) -> tuple[int, Any]:
        """The answer to a good message, with these changes."""
        status, body, _ = await self.send(request(**changes))
        return status, body


@asynccontextmanager
async def world(**fields: Any) -> AsyncIterator[World]:
    """A webhook with the Pipeline churn in the namespace ml."""
    api = fields.pop("api", None) or Api(churn(), churn("other", suspend=True), churn("secret", "locked"))
    found = World(api, **fields)
    async with receiving(found.desk(), found.figures, "127.0.0.1", 0) as port:
        found.port = port
        yield found


def request(
    body: bytes = b'{"parameters": {"trees": 200}}',
    path: str = PATH,
    method: str = "POST",
    id_: str = "msg_1",
    time: Any = NOW,
    secret: str = SECRET,
    signature: str | None = None,
    headers: Mapping[str, str | None] | None = None,
    more: Sequence[str] = (),
) -> bytes:
    """A message as bytes. A header that is None is left out; `more` are lines of their own."""
    signed = sign(key_of(secret), id_, time, body) if signature is None else signature
    found: dict[str, str | None] = {
        "Host": "hooks.ml",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "webhook-id": id_,
        "webhook-timestamp": str(time),
        "webhook-signature": signed,
        **(headers or {}),
    }
    lines = [
        f"{method} {path} HTTP/1.1",
        *(f"{key}: {value}" for key, value in found.items() if value is not None),
    ]
    return "\r\n".join([*lines, *more, "", ""]).encode("latin-1") + body
