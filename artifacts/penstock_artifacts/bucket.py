"""A place that holds objects: an S3-compatible bucket or a folder, opened from environment variables.

Both the store and the connections to users' data are such places; they differ in the names of their
variables.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from penstock_artifacts.errors import ArtifactMissing, StoreUnavailable

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import LocalStore, S3Store

T = TypeVar("T")

# A dead place is reported within about 20 seconds. No bound on a whole transfer: large files take what they
# take.
_CLIENT = {"connect_timeout": "3s", "read_timeout": "15s", "timeout": "6h", "user_agent": "penstock"}
_RETRY_SECONDS = 10
_RETRIES = 3

_CODE = re.compile(r"<Code>(\w{1,64})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_KIND = re.compile(r"kind: (Connect|Timeout|Request|Interrupted|Decode)")
_CREDENTIAL_CODES = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "XAdminUserNotFound"}
)
_TROUBLED = frozenset({"429", "500", "502", "503", "504"})
_SCHEME = re.compile(r"^https?://")


@dataclass(frozen=True)
class Place:
    """Settings of a place. `settings_in` says where a person mends them: `Secret penstock-store`."""

    url: str  # s3://bucket/prefix or file:///folder
    settings_in: str
    endpoint: str = ""
    region: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    ca: str = ""

    def __repr__(self) -> str:
        """Without credentials, so that no traceback and no log can show them."""
        return f"Place({self.name})"

    @property
    def name(self) -> str:
        """What stands in messages: the bucket and where it is."""
        if self.url.startswith("file://"):
            return f"folder {self.url.removeprefix('file://')}"
        bucket = self.url.removeprefix("s3://").partition("/")[0]
        return f"bucket {bucket} at {self.endpoint or 'the default S3 endpoint'}"

    def whole(self, key: str) -> str:
        """The key with the folder that the place is: what a person finds in the bucket."""
        folder = self.url.removeprefix("s3://").partition("/")[2].strip("/")
        return f"{folder}/{key}" if folder and self.url.startswith("s3://") else key


class Bucket:
    """An open place. Every call turns the client's errors into a StoreError with words."""

    def __init__(self, place: Place) -> None:
        """Open without a request; what is wrong with the settings' form is told at once, by
        StoreUnavailable.
        """
        self.place = place
        self.objects = _open(place)

    def call(self, what: str, function: Callable[[], T], *, writes: bool = False) -> T:
        """The answer of `function`, which speaks to `self.objects`; `what` names the object in messages.

        ArtifactMissing where there is no such object, StoreUnavailable for everything else that the place or
        the way to it is at fault for. `AlreadyExistsError` and `PreconditionError` of obstore pass: they are
        answers.
        """
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError  # noqa: PLC0415 - starts fast

        try:
            return function()
        except (AlreadyExistsError, PreconditionError):
            raise
        except FileNotFoundError as error:
            # Some servers answer 404 to credentials that they do not know; and nothing can be missing for a
            # write.
            if writes or _code(error) not in ("", "NoSuchKey"):
                raise self._explain(error) from None
            raise ArtifactMissing(f"{what} is not in {self.place.name}") from None
        except (BaseError, ConnectionError, TimeoutError, ValueError) as error:
            raise self._explain(error) from None

    def head(self, what: str, key: str) -> "ObjectMeta":
        """What the place says of an object: size in bytes, ETag, version. Errors as in `call`.

        Only the answer to a GET has a body, and where a server answers 404 to credentials that it does not
        know, only the body tells them from an object that is missing. So a 404 is asked for once more.
        """
        import obstore  # noqa: PLC0415 - loaded at first use

        def ask() -> "ObjectMeta":
            try:
                return obstore.head(self.objects, key)
            except FileNotFoundError:
                return obstore.get(self.objects, key).meta

        return self.call(what, ask)

    def _explain(self, error: Exception) -> StoreUnavailable:
        """The client's error in words. Its own text may hold key ids or signed headers, so only codes are
        taken.
        """
        text = str(error)
        code, status, kind = _code(error), _STATUS.search(text), _KIND.search(text)
        answer = " ".join(part for part in (status and status.group(1), code) if part)
        if code == "NoSuchBucket":
            return self._unavailable("the bucket does not exist", "create it, or mend the name")
        if code in _CREDENTIAL_CODES or (status and status.group(1) in ("401", "403")):
            return self._unavailable(
                f"it refused the credentials ({answer})", "check accessKeyId, secretAccessKey and region"
            )
        if "incorrectly configured region" in text:
            return self._unavailable("it redirects to another region", "check region and endpoint")
        if answer:
            troubled = bool(status and status.group(1) in _TROUBLED)
            hint = "look at its log, and check the settings"
            return self._unavailable(f"it answered {answer}", hint, away=troubled)
        if kind and kind.group(1) == "Timeout":
            hint = "check that the server runs and is not overloaded"
            return self._unavailable("it does not answer in time", hint, away=True)
        if kind:
            hint = "check endpoint, ca and network policies"
            return self._unavailable("it cannot be reached", hint, away=True)
        return self._unavailable(
            f"the transfer failed ({type(error).__name__})", "look at its log, and check url"
        )

    def _unavailable(self, what: str, hint: str, *, away: bool = False) -> StoreUnavailable:
        return StoreUnavailable(f"{self.place.name}: {what}; {hint} in {self.place.settings_in}", away=away)


def place_from(environment: Mapping[str, str], variables: Mapping[str, str], settings_in: str) -> Place:
    """The place that `environment` describes; `variables` names its variables by setting (see contract.py).

    StoreUnavailable when the one setting that must be there (`url`, or `bucket`) is not.
    """
    found = {setting: environment.get(name, "").strip() for setting, name in variables.items()}
    wanted = "url" if "url" in variables else "bucket"
    url = found.get("url", "") or _url(found.get("bucket", ""), found.get("prefix", ""))
    if not url:
        raise StoreUnavailable(f"{settings_in} has no key {wanted}: set it, or create {settings_in}")
    return Place(
        url=url,
        settings_in=settings_in,
        endpoint=found.get("endpoint", ""),
        region=found.get("region", ""),
        access_key_id=found.get("accessKeyId", ""),
        secret_access_key=found.get("secretAccessKey", ""),
        ca=found.get("ca", ""),
    )


def _url(bucket: str, prefix: str) -> str:
    if not bucket or "://" in bucket:
        return bucket and f"{bucket.rstrip('/')}/{prefix.strip('/')}".rstrip("/")
    return f"s3://{bucket}/{prefix.strip('/')}".rstrip("/")


def _open(place: Place) -> "S3Store | LocalStore":
    from obstore.store import LocalStore, S3Store  # noqa: PLC0415 - a program that needs no store starts without it

    if place.url.startswith("file://"):
        folder = Path(place.url.removeprefix("file://"))
        if not folder.is_absolute():
            raise StoreUnavailable(
                f"url {place.url} in {place.settings_in}: write file:///folder with an absolute path"
            )
        return LocalStore(folder, mkdir=True)
    if not place.url.startswith("s3://"):
        raise StoreUnavailable(f"url in {place.settings_in} must start with s3:// or file://")
    bucket, _, prefix = place.url.removeprefix("s3://").partition("/")
    if place.endpoint and not _SCHEME.match(place.endpoint):
        raise StoreUnavailable(f"endpoint in {place.settings_in} must start with http:// or https://")
    return _s3(place, S3Store, bucket, prefix.strip("/"))


def _s3(place: Place, s3_store: "type[S3Store]", bucket: str, prefix: str) -> "S3Store":
    options: dict[str, Any] = dict(_CLIENT)
    if place.endpoint.startswith("http://"):
        options["allow_http"] = True
    if place.ca:
        options["root_certificate"] = place.ca
    settings: dict[str, Any] = {"region": place.region or "us-east-1", "virtual_hosted_style_request": False}
    if place.endpoint:
        settings["endpoint"] = place.endpoint.rstrip("/")
    if place.access_key_id:
        settings["access_key_id"] = place.access_key_id
        settings["secret_access_key"] = place.secret_access_key
    try:
        return s3_store(
            bucket,
            prefix=prefix or None,
            client_options=options,  # type: ignore[arg-type] # built up key by key
            retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)},
            **settings,
        )
    except Exception as error:  # noqa: BLE001 - obstore raises bare ones here, whose text may quote the setting
        raise StoreUnavailable(
            f"{place.name}: the settings in {place.settings_in} are not usable ({type(error).__name__}); "
            "check endpoint, region and ca (PEM text)"
        ) from None


def _code(error: Exception) -> str:
    found = _CODE.search(str(error))
    return found.group(1) if found else ""
