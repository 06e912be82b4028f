"""The bytes of frozen specs: as the API server writes them itself, or nobody may patch the object."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_operator.bodies import encoded
from penstock_operator.cluster import Cluster
from penstock_spec.plain import canonical, plain

LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.text() | st.floats(allow_nan=False)
JSON = st.recursive(
    LEAVES.filter(lambda one: one not in (float("inf"), float("-inf"))),
    lambda more: st.lists(more) | st.dictionaries(st.text(), more),
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": {"d": None, "c": True}}, '{"a":{"c":true,"d":null},"b":1}'),
        ("a < b & c > d", '"a \\u003c b \\u0026 c \\u003e d"'),
        ({"<": "\u2028\u2029"}, '{"\\u003c":"\\u2028\\u2029"}'),
        ("\u00e9 \U0001f600 \x7f", '"\u00e9 \U0001f600 \x7f"'),
        ('"\n\t\b\f\x01\\', '"\\"\\n\\t\\b\\f\\u0001\\\\"'),
        ([1e-05, -1.25e-06, 0.1], "[0.00001,-0.00000125,0.1]"),
        ([1.5e-07, -3e-09, 1e-10, 5e-324], "[1.5e-7,-3e-9,1e-10,5e-324]"),
        ([1e19, 2.5e20, 1e21, 1e100], "[10000000000000000000,250000000000000000000,1e+21,1e+100]"),
        (["1e-05", 'say "1e-05', "\\"], '["1e-05","say \\"1e-05","\\\\"]'),
    ],
    ids=["order", "html", "lines", "unicode", "controls", "small", "tiny", "large", "texts"],
)
def test_it_is_spelled_as_go_does_it(value: Any, text: str) -> None:
    assert encoded(value).decode() == text


@given(JSON)
def test_what_comes_back_is_the_same_by_its_digest(value: Any) -> None:
    frozen = plain(value)
    assert canonical(plain(json.loads(encoded(frozen)))) == canonical(frozen)


async def test_a_frozen_spec_is_sent_like_that_when_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    async def request(_: Cluster, *__: Any, body: Any) -> dict[str, Any]:
        sent.append(body)
        return {}

    monkeypatch.setattr(Cluster, "_request", request)
    credentials: Any = None  # nothing is sent
    data = {
        "digest": "sha256:1",
        "spec": {"steps": [{"name": "a", "run": {"command": ["sh", "-c", "a < b"]}}]},
    }
    made = {"kind": "ControllerRevision", "metadata": {"name": "r", "namespace": "ml"}, "data": data}
    await Cluster(credentials).create(made)
    assert sent == [encoded(made)]
