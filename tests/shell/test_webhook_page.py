"""docs/webhook.md: its pipeline compiles, its message is taken, its table of answers is whole."""

import asyncio
import json
import re

import yaml

from penstock_operator import clock
from penstock_spec.graph import compile_pipeline
from tests.shell.test_webhook import HOSTILE
from tests.shell.webhook_world import SECRET, Api, world
from tests.support import ROOT

PAGE = (ROOT / "docs/webhook.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


async def test_the_lines_on_the_page_send_a_message_that_is_taken() -> None:
    pipeline = yaml.safe_load(block("yaml"))
    assert compile_pipeline(pipeline["spec"]).order
    pipeline["metadata"]["uid"] = "uid"
    now = clock.now().timestamp()
    async with world(api=Api(pipeline), now=now, started_at=now - 10) as here:
        environment = {"SECRET": SECRET, "URL": f"http://127.0.0.1:{here.port}", "PATH": "/usr/bin:/bin"}
        done = await asyncio.create_subprocess_exec(
            "bash", "-euc", block("bash"), env=environment, stdout=asyncio.subprocess.PIPE
        )
        told, _ = await done.communicate()
        assert done.returncode == 0, told
        (run,) = here.api.runs.values()
        assert run["spec"]["parameters"] == {"trees": 300}
        assert json.loads(told).keys() == json.loads(block("json")).keys()


def test_every_answer_is_explained() -> None:
    named = set(re.findall(r"[A-Z][A-Za-z]+", PAGE)) | set(re.findall(r"\b[2345]\d\d\b", PAGE))
    assert {str(status) for _, status, _ in HOSTILE.values()} <= named
    assert {reason for _, status, reason in HOSTILE.values() if status in (401, 404, 409)} <= named
