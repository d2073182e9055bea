"""The socket of Unusual Whales: which channels are joined, and frames on their way to the log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import date

import msgspec

from adapters.unusual_whales import (
    UwItem,
    UwMessage,
    UwRejected,
    UwSocket,
    UwSocketState,
)
from domain.event import derived_id
from domain.instruments import SYMBOLS
from domain.payloads.unusual_whales import family, frame_type, natural_key
from run.feeds.intake import QUEUE_MESSAGES_MAX, Intake
from run.feeds.states import FeedStates

SOCKET = "uw.socket"
TAKE_MAX = 500
HAND_OVER_SECONDS_MAX = 1.0
GLOBAL_CHANNELS = ("flow-alerts", "news", "market_tide", "trading_halts")
SYMBOL_CHANNELS = ("option_trades", "price", "gex", "gex_strike", "net_flow")


def channels() -> tuple[str, ...]:
    """What the socket joins."""
    own = tuple(f"{name}:{symbol}" for symbol in SYMBOLS for name in SYMBOL_CHANNELS)
    return (*GLOBAL_CHANNELS, *own)


class SocketFeed:
    """Frames from the socket to the intake, byte for byte."""

    def __init__(
        self,
        url: str,
        token: str,
        intake: Intake,
        states: FeedStates,
        session: date,
        queue_messages_max: int = QUEUE_MESSAGES_MAX,
    ) -> None:
        self._intake = intake
        self._states = states
        self._session = session
        self._socket = UwSocket(
            url,
            token,
            channels(),
            on_state=self._on_state,
            queue_messages_max=queue_messages_max,
        )

    def _on_state(self, state: UwSocketState) -> None:
        self._states.changed(SOCKET, state.state, state.reason, state.connection)
        if state.is_overrun:
            self._intake.overran(SOCKET, state.reason)
        elif state.state == "ready":
            self._intake.flows_again(SOCKET)

    async def run(self) -> None:
        """Read until cancelled. What was read by then goes to the intake too."""
        try:
            async with self._socket as socket:
                while True:
                    # Taken last, so that a cancellation cannot fall between taking and putting.
                    await self._intake.room()
                    if not (batch := await socket.take(TAKE_MAX)):
                        return
                    self._put_all(batch)
                    await asyncio.sleep(0)  # the reader's turn, however full both queues are
        finally:
            await self._hand_over()

    async def _hand_over(self) -> None:
        """What the closed socket still holds goes to the intake, or is counted."""
        deadline = time.monotonic() + HAND_OVER_SECONDS_MAX
        while time.monotonic() < deadline:
            if not (batch := await self._socket.take(TAKE_MAX)):
                return
            self._put_all(batch)
            await asyncio.sleep(0)
        self._intake.abandon(SOCKET, self._socket.queue_depth)

    def _put_all(self, batch: Sequence[UwItem]) -> None:
        for item in batch:
            if isinstance(item, UwRejected):
                self._intake.reject("uw", SOCKET, item.reason, item.raw)
            elif not self._states.is_paused(SOCKET):
                self._put(item)

    def _put(self, message: UwMessage) -> None:
        kind = frame_type(message.channel)
        body = kind(
            channel=message.channel,
            connection=message.connection,
            sequence=message.sequence,
            received_at=message.received_at,
            payload=msgspec.Raw(message.payload),
        )
        key = natural_key(message.channel, message.payload)
        identity = (
            derived_id("uw", family(message.channel), self._session, key)
            if key is not None
            else derived_id("uw", message.connection, message.sequence)
        )
        self._intake.put(
            f"uw/{message.channel}",
            body,
            feed=SOCKET,
            occurred_at=message.received_at,
            event_id=identity,
        )
