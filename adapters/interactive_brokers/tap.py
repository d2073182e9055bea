"""Hands on what a connection to TWS says and hears, below ib_async's decoder, message by message.

Used by link.py when the feed is recorded. It changes nothing of what the connection does.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Protocol

from ib_async import Client

FRAME_BYTES_MAX = 16_000_000
"""A longer one is no message: ib_async waits for its end for ever, and so would the tap."""


class Tap(Protocol):
    """Where it goes. `connection` names the connection, for its request ids mean nothing beyond."""

    def broker_heard(self, connection: str, payloads: Sequence[bytes]) -> None:
        """The messages that one packet completed, in their order, without their lengths."""

    def broker_asked(self, connection: str, payload: bytes) -> None:
        """A request as it left."""


class Frames:
    """Cuts a stream of bytes into messages as the client does."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_lost = False

    def take(self, data: bytes) -> list[bytes]:
        """The payloads that are whole now; none any more after a length that is none."""
        if self._is_lost:
            return []
        self._rest += data
        found: list[bytes] = []
        at = 0
        while len(self._rest) - at >= 4:
            (length,) = struct.unpack_from(">I", self._rest, at)
            if length > FRAME_BYTES_MAX:
                self._is_lost, self._rest = True, b""
                return found
            if len(self._rest) - at - 4 < length:
                break
            found.append(self._rest[at + 4 : at + 4 + length])
            at += 4 + length
        self._rest = self._rest[at:]
        return found


class TappedClient(Client):
    """ib_async's client with a tap on both directions."""

    def __init__(self, wrapper: object, tap: Tap, connection: str) -> None:
        super().__init__(wrapper)  # type: ignore[no-untyped-call]
        self._tap, self._connection, self._frames = tap, connection, Frames()
        self.conn.hasData += self._heard

    def sendMsg(self, msg: str | None) -> None:
        if msg:  # none when the client comes back to what it held for its own limit
            self._tap.broker_asked(self._connection, msg.encode())
        super().sendMsg(msg)  # type: ignore[arg-type]

    def _heard(self, data: Any) -> None:
        payloads = self._frames.take(bytes(data))
        if payloads:
            self._tap.broker_heard(self._connection, payloads)
