"""Whether bytes of a vendor are JSON text that may be kept as data.

Asked at the border, before anything of a vendor becomes an event: what the log refuses, or what a
reader could not decode again, is kept as rejected bytes instead. Pure.
"""

from __future__ import annotations

import msgspec

NESTING_MAX = 64
"""Levels of arrays and objects; the deepest payload seen has five. The decoder's own limit is a
thousand, less by the depth of whoever calls it, so that what one reader takes fails in another."""

TOO_DEEP = f"nesting must be at most {NESTING_MAX} levels, was deeper"

_raw = msgspec.json.Decoder(msgspec.Raw)
_OTHERS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ALIKE = bytes.maketrans(b"{}", b"[]")


def json_fault(payload: bytes) -> str:
    """Why the payload is no JSON text that may be kept, empty when it is."""
    try:
        payload.decode()
        _raw.decode(payload)
    except UnicodeDecodeError:
        return "text must be UTF-8, was not"
    except msgspec.DecodeError as error:
        return f"text must be JSON: {error}"
    except RecursionError:
        return TOO_DEEP
    return "" if is_shallow(payload) else TOO_DEEP


def is_shallow(payload: bytes) -> bool:
    """Whether valid JSON text has at most NESTING_MAX levels.

    Takes the innermost pairs of brackets away, a level at a time. Those in strings are none:
    without escaped characters, strings are every other part between quotes.
    """
    if payload.count(b"[") + payload.count(b"{") <= NESTING_MAX:
        return True
    unescaped = payload.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(unescaped.split(b'"')[::2]).translate(_ALIKE, _OTHERS)
    for _ in range(NESTING_MAX):
        if not brackets:
            return True
        brackets = brackets.replace(b"[]", b"")
    return not brackets
