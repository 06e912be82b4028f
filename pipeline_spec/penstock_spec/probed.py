"""Triggers that look at something outside the cluster's API: data, a branch, an image's tag.

A small Job looks and says a revision; the operator itself fetches nothing.
"""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import Between, Duration, ObjectName, Rule, SpecModel, exactly_one
from penstock_spec.kinds.ingest import ConfigMapSource, ObjectKey

PROBED_KINDS = ("newData", "git", "image")
# The revision of what is not there. It is none that a source can have, for those hold more than a word.
ABSENT = "absent"
REVISION_LENGTH = 160
Every = Annotated[Duration, Between("1m", "30d")]
GitUrl = Annotated[
    str, StringConstraints(pattern=r"^https?://[^@\s/?#]+/[^@\s?#]+$", min_length=10, max_length=512)
]
Branch = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_][-A-Za-z0-9_./+#]*$", min_length=1, max_length=200)
]
ImageTag = Annotated[
    str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._:/-]*$", min_length=1, max_length=400)
]
_CREDENTIALS = (
    "Secret in the same namespace with username and password, and perhaps ca (PEM text of an authority to "
    "trust). Only the pod that looks reads it."
)


class WatchedObject(SpecModel):
    """An object, or all objects below a prefix, in a bucket that a named connection describes."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (exactly_one("key", "prefix"),)

    connection: ObjectName = Field(
        description="ConfigMap labelled penstock.dev/connection; a Secret of the same name holds the "
        "credentials."
    )
    key: ObjectKey | None = Field(
        default=None, description="Key of the object in the connection's bucket: sales/2026.csv"
    )
    prefix: ObjectKey | None = Field(
        default=None, description="Folder whose objects are watched, at most 10,000 of them: sales/"
    )


class WatchedSource(SpecModel):
    """Where the data lies: the sources of an ingest."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (exactly_one("object", "configMap"),)

    object: WatchedObject | None = Field(
        default=None, description="Watch an S3-compatible bucket by named connection."
    )
    config_map: ConfigMapSource | None = Field(
        default=None, description="Watch a key of a ConfigMap of the same namespace."
    )


class NewData(SpecModel):
    """Data has changed: another ETag, version or size; other bytes of a ConfigMap's key."""

    source: WatchedSource = Field(description="What is watched: exactly one of object, configMap.")
    every: Every = Field(default="15m", description="How often it is looked at.")


class Git(SpecModel):
    """A branch of a git repository has another commit."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.secret) || !self.url.startsWith('http:')",
            "credentials are sent over https only",
            holds=lambda data: "secret" not in data or not str(data.get("url")).startswith("http:"),
        ),
    )

    url: GitUrl = Field(
        description="Address of the repository over HTTP, without credentials: "
        "https://git.example.com/ml/churn.git"
    )
    branch: Branch = Field(default="main", description="Branch that is watched.")
    every: Every = Field(default="15m", description="How often it is looked at.")
    secret: ObjectName | None = Field(default=None, description=_CREDENTIALS)


class Image(SpecModel):
    """A tag of an image has another digest."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(has(self.secret) && has(self.plainHttp) && self.plainHttp)",
            "credentials are sent over https only",
            holds=lambda data: not ("secret" in data and data.get("plainHttp") is True),
        ),
    )

    image: ImageTag = Field(
        description="Image with the tag that is watched, left out latest: ghcr.io/acme/base:stable"
    )
    every: Every = Field(default="15m", description="How often it is looked at.")
    secret: ObjectName | None = Field(default=None, description=_CREDENTIALS)
    plain_http: bool = Field(
        default=False, description="Speak HTTP without TLS, with a registry inside the cluster."
    )


class Webhook(SpecModel):
    """Signed messages may start runs, where the installation receives any."""
