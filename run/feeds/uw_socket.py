"""The socket of Unusual Whales: which channels are joined, and frames on their way to the log."""

from __future__ import annotations

from datetime import date

import msgspec

from adapters.unusual_whales import (
    UwMessage,
    UwRejected,
    UwSocket,
    UwSocketState,
)
from domain.event import derived_id
from domain.instruments import SYMBOLS
from domain.payloads.unusual_whales import family, frame_type, natural_key
from run.feeds.intake import Intake
from run.feeds.states import FeedStates

SOCKET = "uw.socket"
TAKE_MAX = 500
GLOBAL_CHANNELS = ("flow-alerts", "news", "market_tide", "trading_halts")
SYMBOL_CHANNELS = ("option_trades", "price", "gex", "gex_strike", "net_flow")


def channels() -> tuple[str, ...]:
    """What the socket joins."""
    own = tuple(f"{name}:{symbol}" for symbol in SYMBOLS for name in SYMBOL_CHANNELS)
    return (*GLOBAL_CHANNELS, *own)


class SocketFeed:
    """Frames from the socket to the intake, byte for byte."""

    def __init__(
        self, url: str, token: str, intake: Intake, states: FeedStates, session: date
    ) -> None:
        self._intake = intake
        self._states = states
        self._session = session
        self._socket = UwSocket(url, token, channels(), on_state=self._on_state)

    def _on_state(self, state: UwSocketState) -> None:
        self._states.changed(SOCKET, state.state, state.reason, state.connection)

    async def run(self) -> None:
        """Read until cancelled."""
        async with self._socket as socket:
            while batch := await socket.take(TAKE_MAX):
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
