"""The Unusual Whales part of the feeds: one socket, and the REST calls of the session."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from adapters.unusual_whales import (
    UwMessage,
    UwRejected,
    UwRest,
    UwRestError,
    UwSocket,
    UwSocketState,
)
from domain.event import derived_id
from domain.events.feeds import UwRestReceived
from domain.instruments import SYMBOLS
from domain.payloads.json_text import json_fault
from domain.payloads.unusual_whales import family, frame_type, natural_key
from run.feeds.intake import Intake
from run.feeds.market_clock import MarketClock
from run.feeds.states import FeedStates

SOCKET = "uw.socket"
REST = "uw.rest"
TAKE_MAX = 500
REASON_CHARACTERS_MAX = 200
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


@dataclass(frozen=True, slots=True)
class Poll:
    """One REST call of the session, every `seconds` of market time."""

    endpoint: str
    symbol: str
    seconds: float
    query: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        return self.endpoint.replace("{ticker}", self.symbol)


def polls(expiries: dict[str, Sequence[date]]) -> tuple[Poll, ...]:
    """What is asked while the session runs; `expiries` of each symbol, nearest first."""
    contracts = "/api/stock/{ticker}/option-contracts"
    found = [
        Poll("/api/market/market-tide", "", 60.0),
        Poll("/api/news/headlines", "", 60.0, (("limit", "50"),)),
        Poll("/api/market/economic-calendar", "", 3_600.0),
    ]
    for symbol in SYMBOLS:
        found.append(Poll("/api/stock/{ticker}/gex-levels", symbol, 60.0))
        for index, expiry in enumerate(expiries.get(symbol, ())):
            seconds = 60.0 if index < 2 else 120.0
            query = (("expiry", expiry.isoformat()), ("limit", "500"))
            found.append(Poll(contracts, symbol, seconds, query))
    return tuple(found)


class RestFeed:
    """Polls on the session's schedule; each answer is an event, whatever its status."""

    def __init__(
        self, rest: UwRest, intake: Intake, states: FeedStates, clock: MarketClock
    ) -> None:
        self._rest = rest
        self._intake = intake
        self._states = states
        self._clock = clock
        self._failures = 0

    async def run(self, calls: Sequence[Poll]) -> None:
        """Poll all until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for call in calls:
                tasks.create_task(self._poll(call), name=f"uw.rest{call.path}")

    async def _poll(self, call: Poll) -> None:
        while True:
            if not self._states.is_paused(REST):
                await self.ask(call)
            await self._clock.sleep(call.seconds)

    async def ask(self, call: Poll) -> None:
        """Ask once; the answer, or what came instead, goes to the intake."""
        try:
            answer = await self._rest.get(call.endpoint, call.path, dict(call.query))
        except UwRestError as error:
            self._failures += 1
            self._states.changed(REST, "down", str(error)[:REASON_CHARACTERS_MAX], "")
            return
        fault = json_fault(answer.body_bytes)
        if fault:
            reason = f"{answer.path}: status {answer.status}: {fault}"
            self._states.changed(REST, "down", reason[:REASON_CHARACTERS_MAX], "")
            self._intake.reject("uw", REST, reason, answer.body_bytes)
            return
        self._states.changed(REST, "ready", "", "")
        body = UwRestReceived(
            endpoint=call.endpoint,
            path=answer.path,
            query=answer.query,
            symbol=call.symbol,
            status=answer.status,
            headers=answer.headers,
            received_at=answer.received_at,
            payload=msgspec.Raw(answer.body_bytes),
        )
        self._intake.put(f"uw/rest{call.endpoint}", body, feed=REST, occurred_at=answer.received_at)
