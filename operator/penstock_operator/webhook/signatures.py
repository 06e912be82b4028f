"""Whether a message comes from somebody who knows a secret, and is not an old one.

The form is that of Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over id, time and body,
in the headers webhook-id, webhook-timestamp and webhook-signature.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from penstock_operator.webhook.refusals import Refused, malformed, unsigned

WINDOW = 300  # seconds that a message may be old, or ahead
SHORTEST_SECRET = 24  # bytes
_PREFIX = "whsec_"
_MOST_SIGNATURES = 8
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}", re.ASCII)
_TIME = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURES = re.compile(r"[\x21-\x7e ]{1,1024}", re.ASCII)
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


class BadSecret(ValueError):  # noqa: N818 - the name says what happened
    """A secret that is none. The message does not show it."""


@dataclass(frozen=True)
class Delivery:
    """A message whose signature is right."""

    id: str
    signed_at: int  # seconds since 1970, by the sender's clock


def key_of(text: str) -> bytes:
    """The key in a secret: base64 behind whsec_, else the text itself. BadSecret where it is too short."""
    text = text.strip()
    try:
        key = (
            base64.b64decode(text.removeprefix(_PREFIX), validate=True)
            if text.startswith(_PREFIX)
            else text.encode()
        )
    except binascii.Error:
        raise BadSecret(f"what stands behind {_PREFIX} is not base64") from None
    if len(key) < SHORTEST_SECRET:
        raise BadSecret(f"it has {len(key)} bytes; at least {SHORTEST_SECRET} are needed")
    return key


def verified(
    headers: Mapping[str, Sequence[str]], body: bytes, keys: Sequence[bytes], now: float
) -> Delivery:
    """The delivery, if one of `keys` gives one of its signatures and its time is near.

    Else raises Refused.
    """
    id_, time, signatures = (_one(headers, name) for name in HEADERS)
    if not _ID.fullmatch(id_):
        raise malformed("webhook-id must have 1 to 128 letters, digits, dots, dashes, colons or underscores")
    if not _TIME.fullmatch(time):
        raise malformed("webhook-timestamp must be whole seconds since 1970")
    if not _SIGNATURES.fullmatch(signatures):
        raise malformed("webhook-signature must be v1,<base64>, several with blanks in between")
    given = [one.removeprefix("v1,") for one in signatures.split(" ") if one.startswith("v1,")]
    if not given or len(given) > _MOST_SIGNATURES:
        raise malformed(f"webhook-signature must hold 1 to {_MOST_SIGNATURES} signatures of version v1")
    signed = f"{id_}.{time}.".encode() + body
    if not _fits(signed, given, keys):
        raise unsigned()
    if abs(now - int(time)) > WINDOW:
        raise Refused(
            401, "TooOld", f"webhook-timestamp is more than {WINDOW} s away from the time here: sign it again"
        )
    return Delivery(id_, int(time))


def sign(key: bytes, id_: str, time: int, body: bytes) -> str:
    """The value of webhook-signature."""
    digest = hmac.new(key, f"{id_}.{time}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _fits(signed: bytes, given: Sequence[str], keys: Sequence[bytes]) -> bool:
    """Every signature is compared with every key, whichever fits: the time taken tells nothing."""
    found = False
    for key in keys:
        digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        for one in given:
            found |= hmac.compare_digest(one, digest)
    return found


def _one(headers: Mapping[str, Sequence[str]], name: str) -> str:
    values = headers.get(name, ())
    if len(values) != 1:
        raise malformed(f"the header {name} must stand there once")
    return values[0]
