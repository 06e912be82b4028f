"""How an object is recognised as the one that we would have made: its owner, and a hash of what we sent.

The hash stands as a label on the object and, where there is a pod template, on the template too: a Job's
template cannot
be changed, so the hash of a Job is taken from there and survives a person's editing of labels.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from penstock_spec.names import ANNOTATION_RESTS_ON, GROUP, LABEL_SPEC_HASH, PIPELINE_RUN


def with_hash(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with its own hash (16 hexadecimal digits) as label LABEL_SPEC_HASH."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    value = hashlib.sha256(text.encode()).hexdigest()[:16]
    stamped: dict[str, Any] = json.loads(json.dumps(manifest))
    stamped["metadata"].setdefault("labels", {})[LABEL_SPEC_HASH] = value
    template = _template(stamped)
    if template is not None:
        template["metadata"].setdefault("labels", {})[LABEL_SPEC_HASH] = value
    return stamped


def _template(obj: Mapping[str, Any]) -> dict[str, Any] | None:
    """The pod template of a Job, or of the one Job of a JobSet; None of other kinds."""
    spec = obj.get("spec") or {}
    if obj.get("kind") == "JobSet":
        parts: Any = spec.get("replicatedJobs") or ({},)
        spec = (parts[0].get("template") or {}).get("spec") or {}
    elif obj.get("kind") != "Job":
        return None
    found: dict[str, Any] = spec.get("template") or {}
    return found


def bearing(manifest: Mapping[str, Any], text: str) -> dict[str, Any]:
    """The Job or JobSet with this text on the template of its pods, where it stays. It is no part of the
    hash: what the attempt does is the same with it.
    """
    marked: dict[str, Any] = json.loads(json.dumps(manifest))
    template = _template(marked)
    if template is None:
        raise TypeError(f"a {manifest.get('kind')} has no pods")
    template["metadata"].setdefault("annotations", {})[ANNOTATION_RESTS_ON] = text
    return marked


def borne_by(obj: Mapping[str, Any]) -> str:
    """The text that `bearing` wrote onto a Job, as read from the API server; empty where there is none."""
    metadata = (_template(obj) or {}).get("metadata") or {}
    return str((metadata.get("annotations") or {}).get(ANNOTATION_RESTS_ON, ""))


def hash_of(obj: Mapping[str, Any]) -> str:
    """The hash that `with_hash` wrote into an object, as read from the API server.

    Empty where there is none.
    """
    template = _template(obj)
    metadata = obj["metadata"] if template is None else template.get("metadata") or {}
    return str((metadata.get("labels") or {}).get(LABEL_SPEC_HASH, ""))


def controller_uid(obj: Mapping[str, Any]) -> str:
    """The uid of the controlling owner; empty where there is none."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner["uid"])
    return ""


def may_adopt(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether `live`, which holds the name of `wanted`, is what an earlier try of ours created.

    Same controlling owner and same hash. Guards against accidents; the namespace is the trust boundary.
    Of a Job a hash is enough that any release of ours wrote, if it is for the same attempt: an operator that
    is being replaced may have made it a moment ago, with its own images and defaults.
    """
    if controller_uid(wanted) != controller_uid(live) or live["metadata"].get("deletionTimestamp"):
        return False
    if wanted.get("kind") == "ControllerRevision":
        # Specs that differ in order or descriptions only have one digest, and so one revision.
        data = live.get("data") or {}
        return bool(wanted["data"]["digest"] == data.get("digest"))
    if wanted.get("kind") == PIPELINE_RUN and _lasting(wanted["spec"]) != _lasting(live["spec"]):
        return False
    if _template(wanted) is not None:
        return bool(hash_of(live)) and not _contradicts(_marks(live), _marks(wanted))
    return hash_of(wanted) == hash_of(live)


def _marks(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """What a Job's pods say of themselves: the labels of their template."""
    metadata = (_template(obj) or {}).get("metadata") or {}
    found: Mapping[str, str] = metadata.get("labels") or {}
    return found


def _contradicts(live: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether a label of ours says something else; one that only one of the two has says nothing."""
    ours = {name for name in live.keys() & wanted.keys() if name.startswith(f"{GROUP}/")}
    return any(live[name] != wanted[name] for name in ours - {LABEL_SPEC_HASH})


def _lasting(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What of a run's spec nobody can change."""
    return {name: value for name, value in spec.items() if name not in {"suspend", "cancel"}}


def owner(kind: str, api_version: str, name: str, uid: str) -> dict[str, Any]:
    """A controller reference that never holds up the owner's deletion."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
