"""What a probed trigger looks at: in words, and as the probe's arguments."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock_operator.core.text import clip
from penstock_spec import object_names
from penstock_spec.probed import Git, Image, NewData
from penstock_spec.triggers import Trigger

_WORDS = 120


@dataclass(frozen=True)
class Target:
    """One thing that is looked at."""

    what: str
    every: str
    arguments: Mapping[str, Any]
    connection: str = ""
    config_map: str = ""
    config_key: str = ""
    secret: str = ""

    @property
    def armed(self) -> str:
        """What the trigger is armed for: how often it looks, and with whose credentials, is no part of it."""
        text = json.dumps(self.arguments, sort_keys=True)
        return f"{self.what} {object_names.short_hash(text)}"


def target_of(trigger: Trigger) -> Target | None:
    """What this trigger looks at; None where it is of another kind."""
    if trigger.new_data is not None:
        return _data(trigger.new_data)
    if trigger.git is not None:
        return _branch(trigger.git)
    return None if trigger.image is None else _tag(trigger.image)


def _data(watched: NewData) -> Target:
    source = watched.source
    arguments = {"newData": source.as_set()}
    if source.object is not None:
        key, connection = source.object.key or f"{source.object.prefix}*", source.object.connection
        what = f"{clip(key, _WORDS)} of connection {connection}"
        return Target(what, watched.every, arguments, connection=connection)
    if source.config_map is None:
        raise AssertionError("a source has no kind")
    name, key = source.config_map.name, source.config_map.key
    what = f"{clip(key, _WORDS)} of ConfigMap {name}"
    return Target(what, watched.every, arguments, config_map=name, config_key=key)


def _branch(watched: Git) -> Target:
    what = f"branch {clip(watched.branch, 60)} of {clip(watched.url, _WORDS)}"
    arguments = {"git": {"url": watched.url, "branch": watched.branch}}
    return Target(what, watched.every, arguments, secret=watched.secret or "")


def _tag(watched: Image) -> Target:
    arguments = {"image": {"image": watched.image, "plainHttp": watched.plain_http}}
    what = f"image {clip(watched.image, _WORDS)}"
    return Target(what, watched.every, arguments, secret=watched.secret or "")
