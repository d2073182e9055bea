"""Addresses of servers: what of one may be shown, and what is wrong with one.

A password can stand in several places of an address, and in more when it was not escaped. So only
hosts, ports and the database are ever shown, and an address that could be read in two ways is
refused, in words that repeat nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

POSTGRES = ("postgresql", "postgres")
REDIS = ("redis", "rediss", "unix")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]*)(?::(\d{1,5}))?")
_PORT_MAX = 65_535
_ESCAPE = "a character such as / ? # @ [ ] in a login or password must be escaped, / as %2F"


def place(text: str, schemes: Sequence[str]) -> str:
    """Hosts, ports and the database of an address, without login and options.

    Raises:
        ValueError: it is no address with one of the schemes; the text says what is wrong, and
            repeats nothing of it.
    """
    try:
        parts = urlsplit(text)
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError(f"must be an address, was none: {_ESCAPE}") from None
    if parts.scheme not in schemes:
        raise ValueError(f"must begin with {schemes[0]}://, did not")
    rest = f"{parts.path}?{parts.query}#{parts.fragment}"
    if parts.fragment or "@" in rest or (parts.query and not options):
        raise ValueError(f"must be an address that can be read in one way, was not: {_ESCAPE}")
    hosts = parts.netloc.rpartition("@")[2]
    for host in hosts.split(","):
        found = _HOST.fullmatch(host)
        if found is None or not 1 <= int(found[2] or 1) <= _PORT_MAX:
            text = f"must name host and port, 1 to {_PORT_MAX}, did not: {_ESCAPE}"
            raise ValueError(text)
    return f"{hosts}{parts.path}"
