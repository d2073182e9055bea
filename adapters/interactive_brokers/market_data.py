"""The feed's way to the broker: lines wanted, lines open, and a watchdog over both.

run/feeds owns an IbMarketData: it says what it wants (underlyings, option lines), gets market
events by callback, and reads contracts and history. The wish outlives the connection: after each
reconnect everything wanted is subscribed anew. It decides nothing about what is wanted.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from ib_async import Contract

from adapters.interactive_brokers import contracts
from adapters.interactive_brokers.history import HistoryReader
from adapters.interactive_brokers.link import LinkError
from adapters.interactive_brokers.market_link import MarketLink
from adapters.interactive_brokers.order_translation import option_contract
from domain.event import MarketEvent
from domain.events.feeds import (
    ChainListed,
    FeedMessageRejected,
    HistoryImported,
    UnderlyingListed,
)
from domain.instruments import OptionContract

GENERIC_TICKS_UNDERLYING = "225,233"
"""Auction values and real-time trades."""
GENERIC_TICKS_OPTION = "101"
DEPTH_ROWS = 10
BAR_SECONDS = 5
BACKOFF_SECONDS = (1.0, 2.0, 5.0, 10.0)
HEARTBEAT_SECONDS = 2.0
ANSWER_SECONDS = 4.0
MUTE_SECONDS = 20.0
MEMBER_SECONDS = 300.0
"""Silence after which quotes of a basket member are asked for anew; a halt lasts five minutes."""
LINES_MAX = 100
PARTIAL_CODES = frozenset({10090, 10091})
"""A part of the data is not subscribed; the other ticks of the line flow."""
MUTE_AGAIN_MUTES = 3.0
"""A connection that is mute again within so many mute times of new subscriptions is given up."""


class FeedState(StrEnum):
    """What FeedStateChanged says of `ib.data`."""

    CONNECTED = "connected"
    READY = "ready"
    MUTE = "mute"
    RESTARTING = "restarting"
    DOWN = "down"
    COMPETING_SESSION = "competing_session"


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A subscription that TWS refused, or serves in part."""

    kind: str
    symbol: str
    con_id: int
    is_vital: bool
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class FeedCallbacks:
    """Where things go: events, (state, reason, connection), and refused subscriptions."""

    event: Callable[[MarketEvent], None]
    state: Callable[[FeedState, str, str], None]
    refused: Callable[[RefusedLine], None]


@dataclass(frozen=True, slots=True)
class Timing:
    """Real seconds of the watchdog; tests shorten them."""

    heartbeat_seconds: float = HEARTBEAT_SECONDS
    answer_seconds: float = ANSWER_SECONDS
    mute_seconds: float = MUTE_SECONDS
    member_seconds: float = MEMBER_SECONDS
    backoff_seconds: tuple[float, ...] = BACKOFF_SECONDS


@dataclass(frozen=True, slots=True)
class _Wish:
    kind: str
    contract: Contract
    generic_ticks: str = ""
    is_vital: bool = False


class IbMarketData:
    """Market data of one client id. `now` is the wall clock.

    `expects_data` says whether ticks should flow at all (session hours); without it silence is
    not held against the feed. `speed` is how fast market time runs, for history pacing.
    """

    def __init__(
        self,
        host: str,
        port: int,
        client_id: int,
        run_id: str,
        now: Callable[[], datetime],
        callbacks: FeedCallbacks,
        *,
        expects_data: Callable[[], bool] = lambda: True,
        speed: Callable[[], float] = lambda: 1.0,
        size_multiplier: int = 1,
        timing: Timing | None = None,
    ) -> None:
        self._host, self._port, self._client_id = host, port, client_id
        self._run_id = run_id
        self._now = now
        self._callbacks = callbacks
        self._expects_data = expects_data
        self._size_multiplier = size_multiplier
        self._timing = timing or Timing()
        self._wishes: dict[tuple[str, int], _Wish] = {}
        self._open: dict[tuple[str, int], int] = {}
        self._con_ids: dict[str, int] = {}
        self._connections = 0
        self._resubscribed_at = -math.inf
        self._link: MarketLink | None = None
        self._task: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._history = HistoryReader(speed)
        self.state = FeedState.DOWN
        self.connection = ""

    # Life.

    def start(self) -> None:
        """Connect and stay connected until `stop`."""
        assert self._task is None, "started already"
        self._task = asyncio.create_task(self._run(), name="ib-market-data")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._drop_link("stopped")
        self._tell(FeedState.DOWN, "stopped")

    async def wait_connected(self) -> None:
        await self._connected.wait()

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                reason = await self._one_connection()
                failures = 0
                self._tell(FeedState.RESTARTING, reason)
            except LinkError as problem:
                self._tell(FeedState.DOWN, str(problem))
            self._drop_link("the connection is given up")
            waits = self._timing.backoff_seconds
            await asyncio.sleep(waits[min(failures, len(waits) - 1)])
            failures += 1

    async def _one_connection(self) -> str:
        """Connect, subscribe and watch until the link is lost; why it was.

        Raises:
            LinkError: the connection could not be made.
        """
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._connections += 1
        self.connection = f"{self._run_id}/ib.data/{self._connections}"

        def when_lost(reason: str) -> None:
            if not lost.done():
                lost.set_result(reason)

        link = MarketLink(
            self.connection, self._now, time.monotonic, self._on_event, self._on_error, when_lost
        )
        await link.open(self._host, self._port, self._client_id)
        self._link = link
        self._open.clear()
        self._resubscribed_at = -math.inf
        self._tell(FeedState.CONNECTED, "")
        for key in self._wishes:
            self._subscribe(key)
        self._connected.set()
        watching = asyncio.create_task(self._watch(link), name="ib-market-watchdog")
        try:
            return await lost
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    def _drop_link(self, reason: str) -> None:
        self._connected.clear()
        self._open.clear()
        if self._link is not None:
            self._link.close(reason)
            self._link = None

    def _tell(self, state: FeedState, reason: str) -> None:
        if state is not self.state:
            self.state = state
            self._callbacks.state(state, reason, self.connection)

    # The watchdog.

    async def _watch(self, link: MarketLink) -> None:
        """Heartbeats, and the age of the last datum of every stream that must flow."""
        while link.is_open:
            try:
                await link.current_time(self._timing.answer_seconds)
            except LinkError:
                return
            self._check_flow(link)
            await asyncio.sleep(self._timing.heartbeat_seconds)

    def _check_flow(self, link: MarketLink) -> None:
        """The connection answers for its vital lines; a member's silence is its own."""
        if self._expects_data():
            for request in link.silent_members(self._timing.member_seconds):
                self._resubscribe(link, request)
        silent = self._silent_lines(link)
        if not silent or self.state is FeedState.COMPETING_SESSION:
            return
        names = ", ".join(self._name(link, request) for request in silent)
        reason = f"nothing for {self._timing.mute_seconds:g} s on {names}"
        self._tell(FeedState.MUTE, reason)
        age = time.monotonic() - self._resubscribed_at
        if age < MUTE_AGAIN_MUTES * self._timing.mute_seconds:
            link.close(reason)
            return
        self._resubscribed_at = time.monotonic()
        for request in silent:
            self._resubscribe(link, request)

    def _silent_lines(self, link: MarketLink) -> list[int]:
        """Lines that have said nothing for too long while data should flow."""
        return link.silent_lines(self._timing.mute_seconds) if self._expects_data() else []

    def _flows(self, link: MarketLink) -> bool:
        return not self._expects_data() or link.all_speak(self._timing.mute_seconds)

    def _name(self, link: MarketLink, request: int) -> str:
        line = link.lines[request]
        return f"{line.kind} {line.contract.symbol} {line.contract.conId}"

    def _on_event(self, event: MarketEvent) -> None:
        link = self._link
        if isinstance(event, FeedMessageRejected):
            self._callbacks.event(event)  # bytes that nobody can read are no sign of life
            return
        if self.state in (FeedState.CONNECTED, FeedState.COMPETING_SESSION):
            self._tell(FeedState.READY, "")
        elif self.state is FeedState.MUTE and link is not None and self._flows(link):
            self._tell(FeedState.READY, "data flows again")
        self._callbacks.event(event)

    def _on_error(self, request_id: int, code: int, text: str) -> None:
        link = self._link
        if code == 10197:
            self._tell(FeedState.COMPETING_SESSION, text)
        if code in (1100, 2110):
            self._tell(FeedState.MUTE, text)
        if link is None:
            return
        if code == 1101:  # the data are lost; TWS forgets the subscriptions
            for request in list(link.lines):
                self._resubscribe(link, request)
        elif code == 1300:
            link.close(text)
        elif request_id in link.lines:
            self._line_error(link, request_id, code, text)

    def _line_error(self, link: MarketLink, request: int, code: int, text: str) -> None:
        if code == 317:
            link.clear_depth(request)
        elif code == 10225:
            self._resubscribe(link, request)
        elif code != 2152:
            line = link.lines[request]
            is_notice = code in PARTIAL_CODES or code == 10197 or 2100 <= code < 2200
            line.is_refused = line.is_refused or not is_notice
            if code in (10167, 10168):
                line.market_data_type = 3
            contract = line.contract
            self._callbacks.refused(
                RefusedLine(line.kind, contract.symbol, contract.conId, line.is_vital, code, text)
            )

    # Lines.

    def want_underlying(self, listed: UnderlyingListed, *, bars: bool, depth: bool) -> None:
        """Keep quotes of an underlying open, and its 5-second bars and depth if asked.

        One with bars is the desk's own, and vital; others are basket members.
        """
        contract = contracts.stock(listed.symbol, listed.con_id)
        self._want(_Wish("ticks", contract, GENERIC_TICKS_UNDERLYING, is_vital=bars))
        if bars:
            self._want(_Wish("bars", contract, is_vital=True))
        if depth:
            self._want(_Wish("depth", contract))

    def open_option(self, contract: OptionContract) -> None:
        """Keep an option line open until it is closed."""
        self._want(_Wish("ticks", option_contract(contract), GENERIC_TICKS_OPTION))

    def close_option(self, con_id: int) -> None:
        key = ("ticks", con_id)
        self._wishes.pop(key, None)
        request = self._open.pop(key, None)
        if request is not None and self._link is not None and self._link.is_open:
            self._link.client.cancelMktData(request)
            del self._link.lines[request]

    def open_lines(self) -> int:
        """Lines that count towards TWS's limit of 100: quotes and bars."""
        return sum(1 for kind, _ in self._wishes if kind != "depth")

    def _want(self, wish: _Wish) -> None:
        key = (wish.kind, wish.contract.conId)
        if key in self._wishes:
            return  # a second subscription of one contract could never be cancelled
        if wish.kind != "depth" and self.open_lines() >= LINES_MAX:
            raise ValueError(f"open lines must be at most {LINES_MAX}, was one more")
        self._wishes[key] = wish
        if self._link is not None and self._link.is_open:
            self._subscribe(key)

    def _subscribe(self, key: tuple[str, int]) -> None:
        link, wish = self._link, self._wishes[key]
        assert link is not None
        request = link.add_line(wish.contract, wish.kind, is_vital=wish.is_vital)
        self._open[key] = request
        client, contract = link.client, wish.contract
        if wish.kind == "ticks":
            client.reqMktData(request, contract, wish.generic_ticks, False, False, [])
        elif wish.kind == "bars":
            client.reqRealTimeBars(request, contract, BAR_SECONDS, "TRADES", False, [])
        else:
            client.reqMktDepth(request, contract, DEPTH_ROWS, True, [])

    def _resubscribe(self, link: MarketLink, request: int) -> None:
        """Cancel first: two subscriptions of one contract leak a line."""
        line = link.lines.get(request)
        if line is None or not link.is_open:
            return
        key = (line.kind, line.contract.conId)
        if line.kind == "ticks":
            link.client.cancelMktData(request)
        elif line.kind == "bars":
            link.client.cancelRealTimeBars(request)
        else:
            link.clear_depth(request)
            link.client.cancelMktDepth(request, True)
        del link.lines[request]
        if key in self._wishes:
            self._subscribe(key)

    # Contracts and history.

    def _ready_link(self) -> MarketLink:
        if self._link is None or not self._link.is_open:
            raise LinkError("a connection must be open, was none")
        return self._link

    async def underlying(self, symbol: str) -> UnderlyingListed:
        """Contract details of an underlying or basket member.

        Raises:
            LookupError: TWS knows no such US stock or ETF, or more than one.
        """
        con_id, exchange = await contracts.find_stock(self._ready_link(), symbol)
        self._con_ids[symbol] = con_id
        return UnderlyingListed(
            symbol=symbol,
            con_id=con_id,
            primary_exchange=exchange,
            size_multiplier=self._size_multiplier,
        )

    async def expiries(self, symbol: str) -> tuple[date, ...]:
        """Expirations of the standard class, ascending."""
        con_id = await self._con_id(symbol)
        return await contracts.list_expiries(self._ready_link(), symbol, con_id)

    async def chain(self, symbol: str, expiry: date) -> ChainListed:
        """All contracts of one expiry in one request, adjusted ones left out."""
        return await contracts.list_chain(self._ready_link(), symbol, expiry)

    async def history(
        self, symbol: str, bar_size: str, duration: str, before: date, end: datetime | None = None
    ) -> Sequence[HistoryImported]:
        """Bars of the sessions before `before`: "1 day" (one event) or "5 mins", "1 min".

        Raises:
            RequestFailed: TWS has no such history, also after waiting out the pacing.
        """
        contract = contracts.stock(symbol, await self._con_id(symbol))
        return await self._history.read(
            self._ready_link(), contract, bar_size, duration, before, end
        )

    async def _con_id(self, symbol: str) -> int:
        if symbol not in self._con_ids:
            await self.underlying(symbol)
        return self._con_ids[symbol]
