"""Data of inline buttons: `v1:<verb>:<id>:<revision>:<signature>`, at most 64 bytes.

Data of a button are neither secret nor authentic on Telegram: a press counts only when its
signature is ours. Made by run/outbox, read by run/telegram.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

BUTTON_BYTES_MAX = 64
SIGNATURE_CHARACTERS = 8
_VERSION = "v1"
_SHAPE = re.compile(r"v1:([a-z]{1,12}):([A-Za-z0-9_\-]{1,40}):(\d{1,6}):([A-Za-z0-9_\-]{8})")


@dataclass(frozen=True, slots=True)
class Button:
    """What a press of a genuine button says."""

    verb: str
    approval_id: str
    revision: int


def _signature(secret: bytes, signed: str) -> str:
    digest = hmac.new(secret, f"button|{signed}".encode(), sha256).digest()
    return urlsafe_b64encode(digest).decode()[:SIGNATURE_CHARACTERS]


def button_data(secret: bytes, verb: str, approval_id: str, revision: int) -> str:
    """The signed data of a button.

    Raises:
        ValueError: a part has another shape than it must, or all is longer than 64 bytes.
    """
    signed = f"{_VERSION}:{verb}:{approval_id}:{revision}"
    data = f"{signed}:{_signature(secret, signed)}"
    if _SHAPE.fullmatch(data) is None or len(data.encode()) > BUTTON_BYTES_MAX:
        raise ValueError(
            f"button data must be v1:<verb>:<id>:<revision>:<signature> in at most "
            f"{BUTTON_BYTES_MAX} bytes, was {signed!r} and a signature"
        )
    return data


def read_button(secret: bytes, data: str) -> Button | None:
    """What was signed; None for a forged, foreign or malformed button."""
    found = _SHAPE.fullmatch(data)
    if found is None:
        return None
    signed, _, signature = data.rpartition(":")
    if not hmac.compare_digest(signature, _signature(secret, signed)):
        return None
    return Button(verb=found[1], approval_id=found[2], revision=int(found[3]))
