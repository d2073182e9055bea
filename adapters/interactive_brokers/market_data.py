"""The feed's way to the broker: lines wanted, lines open, and a watchdog over both.

run/feeds owns an IbMarketData: it says what it wants (underlyings, option lines, books), gets
market events by callback, and reads contracts and history. The wish outlives the connection
(subscriptions.py); what the watchdog makes of what it sees is decided in feed_state.py. This
decides nothing about what is wanted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime

from adapters.interactive_brokers import contracts, feed_lines, feed_state
from adapters.interactive_brokers.broker_clock import BrokerClock, OurTime
from adapters.interactive_brokers.feed_callbacks import (
    FeedCallbacks,
    RefusedLine,
    StreamTold,
    Timing,
)
from adapters.interactive_brokers.feed_watch import (
    COMPETING,
    Alarm,
    Close,
    Decision,
    FeedState,
    Moment,
    Recheck,
    Renew,
    Silent,
    Verified,
    Watch,
)
from adapters.interactive_brokers.history import HistoryReader
from adapters.interactive_brokers.link import LinkError, NotReady, opened
from adapters.interactive_brokers.market_link import MarketLink
from adapters.interactive_brokers.order_translation import option_contract
from adapters.interactive_brokers.subscriptions import Subscriptions, Wish
from domain.analytics.depth_book import DepthBook
from domain.event import MarketEvent
from domain.events.feeds import (
    ChainListed,
    FeedMessageRejected,
    HistoryImported,
    UnderlyingListed,
)
from domain.instruments import OptionContract

FEED = "ib.data"
GENERIC_TICKS_UNDERLYING = "225,233"
"""Auction values and real-time trades."""
GENERIC_TICKS_OPTION = "101"
BOOK_RESET, BUST, DEPTH_NOTICE = 317, 10225, 2152


class IbMarketData:
    """Market data of one client id. `now` is the wall clock.

    `expects_data` says whether ticks should flow at all (session hours); without it silence is
    not held against the feed. `speed` is how fast market time runs, for history pacing.
    `schedule` is the time by which restarts are expected, `our_time` what the broker's clock is
    compared with.
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
        schedule: Callable[[], datetime] | None = None,
        our_time: OurTime | None = None,
        size_multiplier: int = 1,
        timing: Timing | None = None,
    ) -> None:
        self._host, self._port, self._client_id = host, port, client_id
        self._run_id = run_id
        self._now = now
        self._callbacks = callbacks
        self._expects_data = expects_data
        self._schedule = schedule or now
        self._our_time = our_time or now
        self._size_multiplier = size_multiplier
        self._timing = timing or Timing()
        self._wanted = Subscriptions()
        self._con_ids: dict[str, int] = {}
        self._connections = 0
        self._link: MarketLink | None = None
        self._task: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._history = HistoryReader(speed)
        self._clock = BrokerClock(FEED)
        self._watch = Watch()
        self._told: FeedState | None = None
        self.connection = ""

    @property
    def state(self) -> FeedState:
        return self._watch.state

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
        self._watch = Watch(reason="stopped")
        self._tell()

    async def wait_connected(self) -> None:
        await self._connected.wait()

    def _moment(self) -> Moment:
        return Moment(time.monotonic(), self._schedule(), self._expects_data())

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                reason = await self._one_connection()
                failures = 0
                self._decide(feed_state.lost(self._watch, reason, self._moment()))
            except LinkError as problem:
                is_silent = isinstance(problem, NotReady)
                self._decide(
                    feed_state.failed(
                        self._watch,
                        str(problem),
                        self._moment(),
                        self._timing.limits,
                        is_silent=is_silent,
                    )
                )
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
        self.connection = f"{self._run_id}/{FEED}/{self._connections}"

        def when_lost(reason: str) -> None:
            if not lost.done():
                lost.set_result(reason)

        link = MarketLink(
            self.connection,
            self._now,
            time.monotonic,
            self._on_event,
            self._on_error,
            when_lost,
            self._callbacks.tap,
        )
        seconds = self._timing.connect_seconds
        await link.open(self._host, self._port, self._client_id, seconds)
        self._link = link
        self._wanted.begin(link)
        self._decide(feed_state.opened(self._watch, self._moment()))
        self._connected.set()
        watching = asyncio.create_task(self._look_after(link), name="ib-market-watchdog")
        try:
            return await lost
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    def _drop_link(self, reason: str) -> None:
        self._connected.clear()
        self._wanted.end()
        if self._link is not None:
            self._link.close(reason)
            self._link = None

    # The watchdog.

    async def _look_after(self, link: MarketLink) -> None:
        """Heartbeats, and how every stream is."""
        while link.is_open:
            sent = self._our_time()
            try:
                answer = await link.current_time(self._timing.answer_seconds)
            except LinkError:
                return
            received = self._our_time()
            if sent is not None and received is not None:
                self._measure(int(answer.timestamp()), sent, received)
            self._look()
            await asyncio.sleep(self._timing.heartbeat_seconds)

    def _measure(self, epoch: int, sent: datetime, received: datetime) -> None:
        was_off = self._clock.is_off
        measured = self._clock.take(epoch, sent, received)
        if measured is None:
            return
        self._callbacks.event(measured)
        if self._clock.is_off and not was_off:
            text = f"the broker's clock is {measured.offset_seconds:+.1f} s off ours"
            self._callbacks.alarm(Alarm("critical", "CLOCK_OFFSET", text))

    def _look(self) -> None:
        link = self._link
        if link is not None:
            self._decide(
                feed_lines.looked(self._watch, link.seen(), self._moment(), self._timing.limits)
            )

    def _decide(self, decision: Decision) -> None:
        self._watch, acts = decision
        self._tell()
        link = self._link
        for act in acts:
            match act:
                case Alarm():
                    self._callbacks.alarm(act)
                case _ if link is None:
                    continue
                case Close(reason):
                    link.close(reason)
                case Recheck():
                    link.recheck()
                case Renew(requests):
                    for request in requests:
                        self._wanted.renew(link, request)
                case Verified(request, seconds):
                    link.lines[request].is_renewed = False
                    self._stream(link, request, seconds, is_verified=True)
                case Silent(request, seconds):
                    self._stream(link, request, seconds, is_verified=False)

    def _stream(self, link: MarketLink, request: int, seconds: float, *, is_verified: bool) -> None:
        line = link.lines[request]
        self._callbacks.stream(
            StreamTold(line.name, line.is_option, is_verified, round(seconds, 3), self.connection)
        )

    def _tell(self) -> None:
        if self._watch.state is not self._told:
            self._told = self._watch.state
            self._callbacks.state(self._watch.state, self._watch.reason, self.connection)

    def _on_event(self, event: MarketEvent) -> None:
        if isinstance(event, FeedMessageRejected):
            self._callbacks.event(event)  # bytes that nobody can read are no sign of life
            return
        if self._watch.state is not FeedState.READY:
            self._look()
        self._callbacks.event(event)

    def _on_error(self, request_id: int, code: int, text: str) -> None:
        link = self._link
        if link is None:
            return
        line = link.lines.get(request_id)
        name = "" if line is None else line.name
        self._decide(feed_state.noticed(self._watch, code, text, self._moment(), link.seen(), name))
        if line is not None and code != COMPETING:
            self._line_error(link, request_id, code, text)

    def _line_error(self, link: MarketLink, request: int, code: int, text: str) -> None:
        line = link.lines[request]
        if code == BOOK_RESET:
            link.clear_depth(request)
        elif code == BUST:
            self._wanted.renew(link, request)
        elif code == DEPTH_NOTICE:
            line.is_answered = True
        else:
            is_shut = line.take_error(code)
            contract = line.contract
            self._callbacks.refused(
                RefusedLine(
                    line.kind, contract.symbol, contract.conId, line.is_vital, is_shut, code, text
                )
            )

    # Lines.

    def want_underlying(self, listed: UnderlyingListed, *, bars: bool, depth: bool) -> None:
        """Keep quotes of an underlying open, and its 5-second bars and depth if asked.

        One with bars is the desk's own, and vital; others are basket members.
        """
        contract = contracts.stock(listed.symbol, listed.con_id)
        self._want(Wish("ticks", contract, GENERIC_TICKS_UNDERLYING, is_vital=bars))
        if bars:
            self._want(Wish("bars", contract, is_vital=True))
        if depth:
            self._want(Wish("depth", contract))

    def open_option(self, contract: OptionContract) -> None:
        """Keep an option line open until it is closed."""
        self._want(Wish("ticks", option_contract(contract), GENERIC_TICKS_OPTION))

    def open_book(self, listed: UnderlyingListed) -> None:
        """Keep the book of a stock open until it is closed; TWS serves three at once."""
        self._want(Wish("depth", contracts.stock(listed.symbol, listed.con_id)))

    def _want(self, wish: Wish) -> None:
        self._wanted.add(wish, self._link)

    def close_line(self, con_id: int) -> None:
        """Give up the quotes of an option or a basket member."""
        self._wanted.remove("ticks", con_id, self._link)

    def close_book(self, con_id: int) -> None:
        self._wanted.remove("depth", con_id, self._link)

    def renew_books(self) -> None:
        """Ask for all books anew."""
        if self._link is not None:
            for request, line in list(self._link.lines.items()):
                if line.kind == "depth":
                    self._wanted.renew(self._link, request)

    def names(self) -> frozenset[str]:
        """Of all lines that are wanted, such as `ticks SPY 756733`."""
        return self._wanted.names()

    def open_lines(self) -> int:
        """Lines that count towards TWS's limit of 100: quotes and bars."""
        return self._wanted.lines()

    def book(self, con_id: int) -> DepthBook | None:
        """The book of a contract as it is now; None without one."""
        for line in () if self._link is None else self._link.lines.values():
            if line.kind == "depth" and line.contract.conId == con_id:
                return line.book
        return None

    # Contracts and history.

    async def underlying(self, symbol: str) -> UnderlyingListed:
        """Contract details of an underlying or basket member.

        Raises:
            LookupError: TWS knows no such US stock or ETF, or more than one.
        """
        con_id, exchange = await contracts.find_stock(opened(self._link), symbol)
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
        return await contracts.list_expiries(opened(self._link), symbol, con_id)

    async def chain(self, symbol: str, expiry: date) -> ChainListed:
        """All contracts of one expiry in one request, adjusted ones left out."""
        return await contracts.list_chain(opened(self._link), symbol, expiry)

    async def history(
        self, symbol: str, bar_size: str, duration: str, before: date, end: datetime | None = None
    ) -> Sequence[HistoryImported]:
        """Bars of the sessions before `before`: "1 day" (one event) or "5 mins", "1 min".

        Raises:
            RequestFailed: TWS has no such history, also after waiting out the pacing.
        """
        contract = contracts.stock(symbol, await self._con_id(symbol))
        return await self._history.read(
            opened(self._link), contract, bar_size, duration, before, end
        )

    async def _con_id(self, symbol: str) -> int:
        if symbol not in self._con_ids:
            await self.underlying(symbol)
        return self._con_ids[symbol]
