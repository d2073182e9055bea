"""Takes a socket frame apart without touching its payload: element 1 stays byte for byte."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from domain.payloads.json_text import TOO_DEEP, is_shallow

REASON_CHARACTERS_MAX = 200
CHANNEL_CHARACTERS_SHOWN = 64

_array = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)


@dataclass(frozen=True, slots=True)
class DataFrame:
    """A channel's payload, sliced from the frame."""

    channel: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class JoinAnswer:
    """The answer to a join. `detail` says why a refused one was refused, as far as it was told."""

    channel: str
    is_accepted: bool
    detail: str


@dataclass(frozen=True, slots=True)
class UnreadableFrame:
    """Text of another shape than the vendor documents: kept, counted, never fatal."""

    reason: str


Frame: TypeAlias = DataFrame | JoinAnswer | UnreadableFrame


class _Ack(msgspec.Struct):
    status: str
    response: msgspec.Raw


_ack = msgspec.json.Decoder(_Ack)


def redact(text: str, token: str) -> str:
    """`text` without the token, cut to a length that may be shown."""
    shown = text.replace(token, "***") if token else text
    return shown[:REASON_CHARACTERS_MAX]


def read_frame(raw: bytes, token: str, channels: Collection[str]) -> Frame:
    """Tell data, join answers and everything else apart.

    Only of `channels`, those that were joined: a channel's name becomes that of a stream.
    An object with `status` and `response` answers a join, in the same outer shape as data.
    """
    try:
        raw.decode()
        parts = _array.decode(raw)
    except (UnicodeDecodeError, msgspec.DecodeError):
        return UnreadableFrame(
            f"frame must be a JSON array, was {redact(raw.decode(errors='replace'), token)}"
        )
    except RecursionError:
        return UnreadableFrame(TOO_DEEP)
    if not is_shallow(raw):
        return UnreadableFrame(TOO_DEEP)
    if len(parts) != 2:
        return UnreadableFrame(f"frame must have 2 elements, had {len(parts)}")
    try:
        channel = _text.decode(parts[0])
    except msgspec.DecodeError:
        return UnreadableFrame("frame must begin with a channel name")
    if channel not in channels:
        shown = redact(channel[:CHANNEL_CHARACTERS_SHOWN], token)
        return UnreadableFrame(f"channel must be one that was joined, was {shown!r}")
    payload = bytes(parts[1])
    if b'"status"' in payload and b'"response"' in payload:
        try:
            answer = _ack.decode(payload)
        except msgspec.DecodeError:
            return DataFrame(channel, payload)
        detail = redact(bytes(answer.response).decode(), token)
        return JoinAnswer(channel, answer.status == "ok", detail)
    if not payload.startswith(b"{"):
        return UnreadableFrame(f"payload of {redact(channel, token)} must be an object")
    return DataFrame(channel, payload)
