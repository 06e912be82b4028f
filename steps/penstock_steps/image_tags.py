"""The digest of an image's tag by the registry's HTTP API, with a token where the registry wants one.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pull
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from penstock_spec.probed import ABSENT
from penstock_steps.errors import user_error
from penstock_steps.web import Answer, Caller, place, unreachable

_LIMIT = 4 * 1024 * 1024  # of a manifest; registries allow that much
_TOKEN_LIMIT = 64 * 1024
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_PART = re.compile(r'(\w+)="([^"]*)"')
_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


@dataclass(frozen=True)
class Tag:
    """A reference, taken apart as the container tools do."""

    registry: str
    repository: str
    name: str


def parse(image: str) -> Tag:
    """The parts of a reference. Without a registry it is Docker Hub's, without a tag `latest`."""
    first, slash, rest = image.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = "docker.io", image
    folder, slash, last = rest.rpartition("/")
    last, _, name = last.partition(":")
    repository = f"{folder}{slash}{last}"
    if first in ("docker.io", "index.docker.io"):
        first = "registry-1.docker.io"
        repository = repository if "/" in repository else f"library/{repository}"
    return Tag(first, repository, name or "latest")


def digest(caller: Caller, image: str, *, plain_http: bool) -> str:
    """The digest of the manifest that the tag names; ABSENT where there is no such tag."""
    tag = parse(image)
    scheme = "http" if plain_http else "https"
    url = f"{scheme}://{tag.registry}/v2/{tag.repository}/manifests/{tag.name}"
    headers = {"Accept": _MANIFESTS}
    answer = caller.ask(url, headers, limit=0, method="HEAD")
    if answer.status == 401:
        headers |= _authorized(caller, answer, tag, plain_http=plain_http)
        answer = caller.ask(url, headers, limit=0, method="HEAD")
    found = _checked(answer, url, image)
    if found is not None:
        return found
    # A registry need not say the digest where the body is left out.
    answer = caller.ask(url, headers, limit=_LIMIT)
    found = _checked(answer, url, image)
    if found is None and answer.cut:
        raise user_error(f"{place(url)} gives a manifest that is too large")
    return found or f"sha256:{hashlib.sha256(answer.body).hexdigest()}"


def _checked(answer: Answer, url: str, image: str) -> str | None:
    """The digest, where the answer has one."""
    if answer.status == 404:
        return ABSENT
    if answer.status in (401, 403):
        what = f"{place(url)} does not show {image} (it answered {answer.status})"
        raise user_error(f"{what}: check the name, and secret for a private image")
    if answer.status == 429 or answer.status >= 500:
        raise unreachable(url, f"answered {answer.status}; it is looked at again later")
    if answer.status != 200:
        raise user_error(f"{place(url)} does not answer as a registry does (it answered {answer.status})")
    found = answer.headers.get("Docker-Content-Digest", "")
    return found if _DIGEST.fullmatch(found) else None


def _authorized(caller: Caller, answer: Answer, tag: Tag, *, plain_http: bool) -> Mapping[str, str]:
    """The header that the registry asks for: a token, anonymous or for the credentials; or these."""
    wanted = answer.headers.get("WWW-Authenticate", "")
    scheme, _, rest = wanted.partition(" ")
    if scheme.lower() == "basic":
        return caller.basic()
    parts = dict(_PART.findall(rest))
    realm = parts.get("realm", "")
    if scheme.lower() != "bearer" or urlsplit(realm).scheme not in (
        "https",
        *(("http",) if plain_http else ()),
    ):
        raise user_error(f"registry {tag.registry} asks for a way to log in that is not known")
    query = {"scope": parts.get("scope") or f"repository:{tag.repository}:pull"}
    query |= {"service": parts["service"]} if "service" in parts else {}
    joined = "&" if urlsplit(realm).query else "?"
    told = caller.ask(f"{realm}{joined}{urlencode(query)}", caller.basic(), limit=_TOKEN_LIMIT)
    if told.status in (401, 403):
        raise user_error(
            f"{place(realm)} refused the credentials (it answered {told.status}): check the Secret"
        )
    if told.status != 200:
        raise unreachable(realm, f"answered {told.status}; it is looked at again later")
    return {"Authorization": f"Bearer {_token(told.body, realm)}"}


def _token(body: bytes, realm: str) -> str:
    try:
        data = json.loads(body)
        token = data.get("token") or data.get("access_token")
    except (ValueError, AttributeError):
        token = None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise unreachable(realm, "gave no token")
    return token
