"""Checking of OAuth 1.0a HMAC-SHA1 signatures (RFC 5849, 3.4), as X does it.

Clients sign for the vendor's real origin even when they are pointed here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

SIGNED_ORIGIN = "https://api.twitter.com"
TIMESTAMP_SECONDS_MAX = 300.0
_PART = re.compile(r'\s*([a-z_]+)="([^"]*)"')


def _escaped(text: str) -> str:
    return quote(text, safe="-._~")


def authorization_parts(header: str) -> dict[str, str]:
    """The oauth_ parameters of an Authorization header; empty for another scheme."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "oauth":
        return {}
    return {name: unquote(value) for name, value in _PART.findall(rest)}


def expected_signature(
    method: str,
    path: str,
    query: Sequence[tuple[str, str]],
    parts: dict[str, str],
    consumer_secret: str,
    token_secret: str,
) -> str:
    """The signature that the request must carry; a JSON body is not part of it."""
    signed = [(k, v) for k, v in parts.items() if k not in ("oauth_signature", "realm")]
    pairs = sorted((_escaped(k), _escaped(v)) for k, v in [*signed, *query])
    joined = "&".join(f"{name}={value}" for name, value in pairs)
    base = "&".join((method.upper(), _escaped(SIGNED_ORIGIN + path), _escaped(joined)))
    key = f"{_escaped(consumer_secret)}&{_escaped(token_secret)}"
    return base64.b64encode(hmac.new(key.encode(), base.encode(), hashlib.sha1).digest()).decode()
