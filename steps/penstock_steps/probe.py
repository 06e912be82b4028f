"""Looks at what a trigger watches: one text that changes when it does."""

import hashlib
from collections.abc import Mapping
from typing import Any

from penstock_artifacts.bucket import Bucket
from penstock_artifacts.errors import ArtifactMissing
from penstock_spec.contract import PROBE_SECRET_VARIABLES
from penstock_spec.probed import ABSENT
from penstock_steps import git_refs, image_tags, source
from penstock_steps.errors import user_error
from penstock_steps.web import Caller
from penstock_steps.workspace import Workspace, say

MOST_OBJECTS = 10_000


def revision(arguments: Mapping[str, Any], workspace: Workspace) -> str:
    """The revision of what the one key of `arguments` names, or ABSENT where it is not there.

    StepError StoreUnavailable when it cannot be reached, UserError when it does not give what is asked for.
    """
    kind, watched = next(iter(arguments.items()))
    if kind == "newData":
        found = _data(watched, workspace)
    elif kind == "git":
        found = git_refs.head(_caller(workspace), watched["url"], watched["branch"])
    else:
        plain = bool(watched.get("plainHttp"))
        found = image_tags.digest(_caller(workspace), watched["image"], plain_http=plain)
    say(f"revision: {found}")
    return found


def _caller(workspace: Workspace) -> Caller:
    values = {key: workspace.environment.get(name, "") for key, name in PROBE_SECRET_VARIABLES.items()}
    return Caller(values["username"].strip(), values["password"].strip(), values["ca"])


def _data(watched: Mapping[str, Any], workspace: Workspace) -> str:
    if "configMap" in watched:
        mounted = (workspace.mounted_source / str(watched["configMap"]["key"])).is_file()
        return source.revision(watched, workspace) if mounted else ABSENT
    if "prefix" in watched["object"]:
        return _folder(watched["object"]["prefix"], source.bucket_of(watched, workspace))
    bucket, key = source.bucket_of(watched, workspace), watched["object"]["key"]
    try:
        return source.revision_of(bucket.head(key, key))
    except ArtifactMissing:
        return ABSENT


def _folder(prefix: str, bucket: Bucket) -> str:
    """A digest over names, ETags and sizes of all objects below a prefix."""
    import obstore  # noqa: PLC0415 - loaded at first use

    def listed() -> list[str]:
        lines: list[str] = []
        for chunk in obstore.list(bucket.objects, prefix.rstrip("/")):
            lines += [f"{one['path']} {source.revision_of(one)}" for one in chunk]
            if len(lines) > MOST_OBJECTS:
                break
        return lines

    try:
        lines = bucket.call(prefix, listed)
    except ArtifactMissing:
        return ABSENT
    if len(lines) > MOST_OBJECTS:
        what = f"more than {MOST_OBJECTS:,} objects lie below {bucket.place.whole(prefix)}"
        raise user_error(f"{what} in {bucket.place.name}: watch a smaller folder, or one object")
    if not lines:
        return ABSENT
    digest = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
    return f"objects={len(lines)} sha256={digest}"
