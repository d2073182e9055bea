"""The Interactive Brokers part of the feeds: quotes, bars, depth, auction ticks, option lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import structlog

from adapters.interactive_brokers.feed_callbacks import FeedCallbacks, RefusedLine, StreamTold
from adapters.interactive_brokers.feed_watch import Alarm, FeedState
from adapters.interactive_brokers.link import LinkError, RequestFailed
from adapters.interactive_brokers.market_data import FEED, IbMarketData
from adapters.interactive_brokers.tap import Tap
from domain.event import DeskEvent, MarketEvent, Recorded, derived_id
from domain.events.controls import AlertRaised
from domain.events.feed_health import FeedClockMeasured, FeedStreamSilent, FeedStreamVerified
from domain.events.feeds import (
    FeedMessageRejected,
    IbBarReceived,
    IbDepthReceived,
    IbTicksReceived,
    UnderlyingListed,
)
from domain.events.signals import ExpiryPassedOver
from domain.events.system import SessionPlanned
from domain.instruments import SYMBOLS
from domain.session import new_york
from run import metrics
from run.config import Settings
from run.feeds.broker_chains import BrokerChains
from run.feeds.broker_lines import BrokerLines
from run.feeds.intake import Intake
from run.feeds.market_clock import MarketClock
from run.feeds.size_unit import SizeUnit
from run.feeds.states import FeedStates
from run.worker import Recorder

RETRY_LISTING_SECONDS = 60.0


class BrokerFeed:
    """Market data of the broker; keeps open what is wanted inside the budget."""

    def __init__(
        self,
        settings: Settings,
        recorder: Recorder,
        intake: Intake,
        states: FeedStates,
        clock: MarketClock,
        in_session: Callable[[], bool],
        tap: Tap | None = None,
    ) -> None:
        self._recorder = recorder
        self._intake = intake
        self._states = states
        self._clock = clock
        self._is_simulated = settings.mode == "sandbox"
        self._was_paused = False
        self._alarms = 0
        self._alarmed_lines: set[tuple[str, str, int]] = set()
        self._units = {symbol: SizeUnit(symbol) for symbol in SYMBOLS}
        self._to_list = asyncio.Event()
        self._unlisted: set[str] = set()
        self._known: dict[str, tuple[int, UnderlyingListed]] = {}
        """The newest contract details on the log, with their position."""
        self._silent: set[str] = set()
        """Lines that should speak and do not."""
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("feeds")
        self.data = IbMarketData(
            settings.ib_host,
            settings.ib_port,
            settings.ib_data_client_id,
            recorder.run_id,
            lambda: datetime.now(UTC),
            FeedCallbacks(
                event=self._on_event,
                state=self._on_state,
                refused=self._on_refused,
                stream=self._on_stream,
                alarm=self._on_alarm,
                tap=tap,
            ),
            expects_data=in_session,
            speed=lambda: max(clock.speed, 1.0),
            schedule=self._schedule,
            our_time=self._our_time,
        )
        self.lines = BrokerLines(self.data, self._put, settings.basket)
        self.chains = BrokerChains(self.data, recorder, self._alarm, self.lines.expiries)

    # Time.

    def _schedule(self) -> datetime:
        """The time by which restarts are expected."""
        return self._clock.now() if self._is_simulated else datetime.now(UTC)

    def _our_time(self) -> datetime | None:
        """What the broker's clock is compared with; none while a simulated day races or stands."""
        if not self._is_simulated:
            return datetime.now(UTC)
        return self._clock.now() if self._clock.speed == 1.0 else None

    # What the data say.

    def _on_state(self, state: FeedState, reason: str, connection: str) -> None:
        self._states.changed(FEED, state.value, reason, connection)
        if state in (FeedState.CONNECTED, FeedState.DOWN):
            self._silent.clear()  # said of a connection that is gone
            self._show_silent()
        if state is FeedState.CONNECTED:
            self.lines.retry()

    def _on_refused(self, line: RefusedLine) -> None:
        key = (line.kind, line.symbol, line.code)
        if line.is_vital and key not in self._alarmed_lines:
            self._alarmed_lines.add(key)
            text = f"{line.kind} of {line.symbol} refused: {line.code} {line.text}"
            self._alarm("critical", "LINE_REFUSED", text)
        self.lines.refused(line)

    def _on_stream(self, told: StreamTold) -> None:
        kind = FeedStreamVerified if told.is_verified else FeedStreamSilent
        body = kind(feed=FEED, channel=told.name, connection=told.connection, seconds=told.seconds)
        self._put(f"feed/{FEED}", body)
        (self._silent.discard if told.is_verified else self._silent.add)(told.name)
        self._show_silent()
        if not told.is_option:  # an option may have nothing to say for any time
            self._mind_gap(told)

    def _show_silent(self) -> None:
        metrics.FEED_STALE.labels(FEED).set(len(self._silent))

    def _mind_gap(self, told: StreamTold) -> None:
        gaps, now = self._intake.gaps, datetime.now(UTC)
        if told.is_verified:
            gaps.close(FEED, told.name, now)
        else:
            gaps.open(FEED, told.name, now - timedelta(seconds=told.seconds), "silent")

    def _forget_gaps(self) -> None:
        """What is not wanted any more misses nothing."""
        wanted, gaps = self.data.names(), self._intake.gaps
        self._silent &= wanted
        self._show_silent()
        for channel in gaps.channels(FEED):
            if channel and channel not in wanted:
                gaps.close(FEED, channel, datetime.now(UTC))

    def _on_alarm(self, alarm: Alarm) -> None:
        self._alarm(alarm.severity, alarm.code, alarm.text)

    def _alarm(self, severity: str, code: str, text: str) -> None:
        self._alarms += 1
        identity = derived_id("ib.alarm", self._recorder.run_id, self._alarms)
        body = AlertRaised(alert_id=str(identity), severity=severity, code=code, text=text)
        self._put("alerts/feeds", body)

    def _put(self, stream: str, body: DeskEvent) -> None:
        self._intake.put(stream, body, feed=FEED)

    def _on_event(self, event: MarketEvent) -> None:
        match event:
            case FeedMessageRejected():
                self._intake.put_rejected(event)
            case FeedClockMeasured():
                metrics.BROKER_CLOCK_OFFSET.set(event.offset_seconds)
                self._intake.put(f"feed-clock/{FEED}", event, feed=FEED)
            case _ if self._states.is_paused(FEED):
                self._was_paused = True
            case _:
                if self._was_paused:  # readers of the log have missed changes of the books
                    self._was_paused = False
                    self.data.renew_books()
                self._put_data(event)

    def _put_data(self, event: MarketEvent) -> None:
        match event:
            case IbBarReceived():
                identity = derived_id("ib.bar", event.symbol, event.start.isoformat())
                self._intake.put(
                    f"ib/bars/{event.symbol}",
                    event,
                    feed=FEED,
                    occurred_at=event.start,
                    event_id=identity,
                )
            case IbTicksReceived():
                if not event.expiry and event.symbol in self._units:
                    self._units[event.symbol].quoted(event)
                self._intake.put(
                    f"ib/ticks/{event.symbol}", event, feed=FEED, occurred_at=event.received_at
                )
            case IbDepthReceived():
                self._intake.put(
                    f"ib/depth/{event.symbol}", event, feed=FEED, occurred_at=event.received_at
                )
                self._check_unit(event)
            case _:
                raise TypeError(f"broker data must be ticks, bars or depth, was {event!r}")

    def _check_unit(self, event: IbDepthReceived) -> None:
        unit, book = self._units.get(event.symbol), self.data.book(event.con_id)
        if unit is None or book is None or unit.is_done:
            return
        checked = unit.compare(book, event.received_at)
        if checked is not None:
            self._put(f"feed/{FEED}", checked)

    # What is listed.

    async def list_underlyings(self, basket: Sequence[str]) -> None:
        """Record contract details, and open quotes, bars and books."""
        for symbol in (*SYMBOLS, *basket):
            await self._list(symbol)
        self.lines.apply()
        self._forget_gaps()

    async def _list(self, symbol: str) -> None:
        try:
            listed = await self.data.underlying(symbol)
        except (LookupError, LinkError, RequestFailed) as error:
            self._log.warning("underlying not listed", symbol=symbol, error=str(error))
            if symbol in SYMBOLS and symbol not in self._unlisted:
                self._unlisted.add(symbol)
                self._alarm("critical", "UNDERLYING_MISSING", f"no contract of {symbol}: {error}")
            return
        self._unlisted.discard(symbol)
        await self._record_listed(listed)
        self.lines.listed(listed)

    async def _record_listed(self, listed: UnderlyingListed) -> None:
        """Each change once: also one that leads back to what was there before."""
        position, known = self._known.get(listed.symbol, (0, None))
        if known == listed:
            return
        identity = derived_id("underlying", position, listed.model_dump_json())
        stream = f"chain/{listed.symbol}"
        appended = await self._recorder.record(stream, listed, event_id=identity)
        self._known[listed.symbol] = appended.positions[-1], listed

    async def list_chains(self, today: date) -> dict[str, list[date]]:
        """Record the chains; what cannot be read is tried again by `keep`."""
        return await self.chains.list_all(today)

    async def keep(self, plan: SessionPlanned) -> None:
        """Chains and contracts that are missing or newly wanted; until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.chains.keep(plan, self._schedule), name="feeds.chains")
            tasks.create_task(self._list_wanted(), name="feeds.books")

    async def _list_wanted(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_LISTING_SECONDS):
                    await self._to_list.wait()
            self._to_list.clear()
            await self.data.wait_connected()
            for symbol in self.lines.to_list():
                await self._list(symbol)
            self.lines.apply()
            self._forget_gaps()

    def note(self, event: Recorded) -> bool:
        """Remember what a stage wants and which contracts the log has; whether it was a wish."""
        if isinstance(event.body, UnderlyingListed):
            self._known[event.body.symbol] = event.position, event.body
        if isinstance(event.body, ExpiryPassedOver):
            day = new_york(event.market_time).date()
            self.chains.pass_over(event.body.symbol, day, event.body.expiry)
        return self.lines.note(event)

    def open_wanted(self) -> None:
        """Open and close lines as stages want them, the most important first."""
        self.lines.apply()
        if self.lines.to_list():
            self._to_list.set()
