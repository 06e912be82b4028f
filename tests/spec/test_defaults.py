"""The defaults of a namespace: what each means, and that a mistake is named and takes nothing else away."""

from typing import Any

import pytest

from penstock_spec.defaults import NamespaceDefaults, read_defaults
from penstock_spec.schema import structural_schema

GOOD = {
    "policy": """
concurrency: Allow
keepRuns: 50
keepPods: {failed: 7d}
onFailure: Stop
deadline: 12h
queue: {localQueue: team-a}
""",
    "resources": 'cpu: "2"\nmemory: 4Gi\n',
    "scheduling": """
nodeSelector: {pool: ml}
tolerations:
- {key: acme.com/ml, operator: Exists, effect: NoSchedule}
- {operator: Exists}
""",
    "jobs": "maxParallel: 20",
    "artifacts": "keep: 30d\nsweep: 0 4 * * 0\nmode: Delete",
}
READ = {
    "policy": {
        "concurrency": "Allow",
        "keepRuns": 50,
        "keepPods": {"failed": "7d"},
        "onFailure": "Stop",
        "deadline": "12h",
        "queue": {"localQueue": "team-a"},
    },
    "resources": {"cpu": "2", "memory": "4Gi"},
    "scheduling": {
        "nodeSelector": {"pool": "ml"},
        "tolerations": [
            {"key": "acme.com/ml", "operator": "Exists", "effect": "NoSchedule"},
            {"operator": "Exists"},
        ],
    },
    "jobs": {"maxParallel": 20},
    "artifacts": {"keep": "30d", "sweep": "0 4 * * 0", "mode": "Delete"},
}
TOLERATION = "data.scheduling.tolerations[0]"


def test_what_is_in_order_is_read_without_a_word() -> None:
    found = read_defaults(GOOD)
    assert (found.values.as_set(), found.problems) == (READ, ())
    assert found.digest.startswith("sha256:")


def test_nothing_is_what_a_namespace_without_defaults_has() -> None:
    assert read_defaults({}).values == NamespaceDefaults()
    assert read_defaults({"policy": "", "resources": "# none"}).values == NamespaceDefaults()


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        (
            "polcy",
            "{}",
            'data.polcy: is none of the defaults that a namespace can have. Did you mean "policy"?',
        ),
        (
            "policy",
            "keepRun: 3",
            'data.policy.keepRun: there is no such field here. Did you mean "keepRuns"?',
        ),
        ("policy", "onChange: Wait", "data.policy.onChange: there is no such field here. Use one of"),
        ("policy", "keepRuns: 0", "data.policy.keepRuns: "),
        ("policy", "keepRuns: many", "data.policy.keepRuns: is a text, not"),
        ("policy", "keepPods: {failed: 1000d}", "data.policy.keepPods.failed: is 1000d, not from 0s to 365d"),
        ("policy", "concurrency: Alow", "data.policy.concurrency: "),
        ("policy", "- keepRuns", "data.policy: is not a mapping. Write name: value."),
        ("policy", "a: [", "data.policy: is not YAML, line 1. Mend it, or write JSON."),
        ("policy", "!!python/object:os.system {}", "data.policy: is not YAML, line 1."),
        ("policy", "[" * 5000, "data.policy: is not YAML"),
        ("policy", "keepRuns: 2026-99-99", "data.policy: is not YAML"),
        ("policy", "&a {keepRuns: *a}", "is nested deeper than 40 levels"),
        ("policy", "x" * 70000, "data.policy: is not such a text. Write YAML or JSON of at most 64 KiB."),
        ("resources", "memory: 4", "data.resources.memory: is a number, not a text. Put it in quotes."),
        ("resources", "memory: '4'", "data.resources.memory: is 4 bytes, less than the 16Mi without which"),
        ("resources", "disk: 1", "data.resources.disk: there is no such field here. Use one of cpu, memory."),
        ("scheduling", "nodeSelector: {'-x': y}", 'data.scheduling.nodeSelector["-x"]: '),
        ("scheduling", "nodeSelector: {x: 'a b'}", "data.scheduling.nodeSelector.x: "),
        ("scheduling", "tolerations: [{key: x, effect: Never}]", f"{TOLERATION}.effect: "),
        (
            "scheduling",
            "tolerations: [{value: x}]",
            f"{TOLERATION}: does not fit the fields beside it. Without a key, operator must be Exists.",
        ),
        (
            "scheduling",
            "tolerations: [{key: x, operator: Exists, value: y}]",
            f"{TOLERATION}: does not fit the fields beside it. Value is for operator Equal only.",
        ),
        (
            "artifacts",
            "mode: Delete",
            "data.artifacts.keep: is missing, and without it nothing is looked through. Write how old",
        ),
        ("artifacts", "keep: 12h", "data.artifacts.keep: is 12h, not from 1d to 3650d."),
        ("artifacts", "keep: 30", "data.artifacts.keep: is a number, not a text. Put it in quotes."),
        (
            "artifacts",
            "keep: 30d\nsweep: '@daily'",
            'data.artifacts.sweep: "@daily" has 1 fields, not 5. Write "0 0 * * *".',
        ),
        ("artifacts", "keep: 30d\nsweep: 0 99 * * *", 'data.artifacts.sweep: "0 99 * * *" has no valid hour'),
        (
            "artifacts",
            "keep: 30d\nmode: Remove",
            'data.artifacts.mode: "Remove" is not a value of this field. Use one of Delete, Report.',
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(key: str, text: str, said: str) -> None:
    problems = read_defaults({**GOOD, key: text}).problems
    assert problems
    assert said in str(problems[0])


@pytest.mark.parametrize("key", ["policy", "resources", "scheduling"])
def test_a_mistake_takes_nothing_else_away(key: str) -> None:
    found = read_defaults(
        {**GOOD, key: f"{GOOD[key]}\n...: [" if key != "policy" else "keepRuns: -1\ndeadline: 1h"}
    )
    kept: dict[str, Any] = {name: value for name, value in READ.items() if name != key}
    assert found.values.as_set() == (kept if key != "policy" else {**kept, "policy": {"deadline": "1h"}})


def test_every_field_is_described_and_bounded_as_in_the_api() -> None:
    schema = structural_schema(NamespaceDefaults, "The data.", with_defaults=False)
    assert set(schema["properties"]) == set(GOOD)
