"""Asks the vendor again for what a closed gap of its socket has cost.

Follows FeedGapClosed on the log, so that gaps of an earlier run of the session are filled too. The
answers are UwRestReceived with purpose `backfill` and the gap's id, and then FeedGapFilled says
what they are worth: some channels have an equal, some a coarser one, some none. What fills a gap
corrects totals; it never triggers a signal.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from adapters.unusual_whales import Rank, UwRest, UwRestError
from adapters.unusual_whales.paging import PAGING, Asked, Walk
from domain.event import Recorded
from domain.events.feed_health import FeedGapClosed, FeedGapFilled
from domain.payloads.unusual_whales import family, ticker
from domain.session import new_york
from run.feeds.intake import Intake
from run.feeds.market_clock import MarketClock
from run.feeds.rest_endpoints import REST
from run.feeds.states import FeedStates
from run.feeds.uw_rest import keep
from store.contract import EventStore, Selection

FEED = "uw.socket"
OBEYED = frozenset({"FeedGapClosed", "FeedGapFilled"})
PAGES_MAX = 12
"""Of one gap of one channel: what 500 rows a page do not cover by then stays missing."""
SECONDS_APART = 60.0
"""Between two fills of a channel: gaps of a connection that comes and goes are asked together."""
WAITING_MAX = 400
"""Gaps of channels; those beyond it are told as not filled."""
NOTHING_EQUAL = "the vendor has nothing equal"
TOO_MANY = "too many gaps were waiting"
STOCK = "/api/stock/{ticker}"


@dataclass(frozen=True, slots=True)
class Refill:
    """What is asked for a channel. `shortfall` says why the answer is less than what was lost."""

    endpoint: str
    query: tuple[tuple[str, str], ...] = ()
    shortfall: str = ""
    path: str = ""

    def path_for(self, symbol: str) -> str:
        return (self.path or self.endpoint).replace("{ticker}", symbol)


_BARS = "bars of a minute only"
_NEWEST = "newest values only"
REFILLS: Mapping[str, tuple[Refill, ...]] = {
    "option_trades": (Refill("/api/option-trades", (("ticker_symbol", "{symbol}"),)),),
    "flow-alerts": (Refill("/api/option-trades/flow-alerts"),),
    "off_lit_trades": (Refill("/api/darkpool/{ticker}"),),
    "price": (
        Refill(f"{STOCK}/ohlc/{{candle_size}}", (), _BARS, f"{STOCK}/ohlc/1m"),
        Refill(f"{STOCK}/stock-state", (), _BARS),
    ),
    "gex": (Refill(f"{STOCK}/spot-exposures", (), "rows of a minute, without delta"),),
    "gex_strike": (Refill(f"{STOCK}/spot-exposures/strike", (), "newest board only"),),
    "net_flow": (Refill(f"{STOCK}/net-prem-ticks"),),
    "market_tide": (Refill("/api/market/market-tide"),),
    "news": (Refill("/api/news/headlines"),),
    "interpolated_iv": (Refill(f"{STOCK}/interpolated-iv", (), _NEWEST),),
    "iv_term_structure": (Refill(f"{STOCK}/volatility/term-structure", (), _NEWEST),),
}
"""By family of channels. A series by the minute counts as whole: its sums are those of the gap.
Expiry boards, flow windows, the screener, halts, prints of the exchanges and custom alerts have
nothing equal."""


def day_began(now: datetime) -> datetime:
    """Midnight in New York before `now`."""
    return new_york(now).replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Gap:
    """A closed gap of one channel, as it was told."""

    told: FeedGapClosed
    channel: str

    @property
    def key(self) -> tuple[str, datetime, datetime]:
        return self.channel, self.told.since, self.told.until


class Backfill:
    """Fills the gaps of one session, oldest first, one call at a time."""

    def __init__(
        self,
        rest: UwRest,
        intake: Intake,
        states: FeedStates,
        clock: MarketClock,
        channels: Sequence[str],
        since: datetime,
        seconds_apart: float = SECONDS_APART,
    ) -> None:
        """`since` is when the real day began: older gaps are left alone, because what is asked
        for is of the same day."""
        self._rest = rest
        self._intake = intake
        self._states = states
        self._clock = clock
        self._channels = channels
        self._since = since
        self._seconds_apart = seconds_apart
        self._waiting: deque[Gap] = deque()
        self._filled: set[tuple[str, datetime, datetime]] = set()
        self._wake = asyncio.Event()
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("feeds")

    def note(self, event: Recorded) -> None:
        """Take in a gap that is over, or one that was filled."""
        match event.body:
            case FeedGapFilled() as body if body.feed == FEED:
                self._filled.add((body.channel, body.since, body.until))
            case FeedGapClosed() as body if body.feed == FEED and not body.complete:
                if body.until >= self._since:
                    channels = (body.channel,) if body.channel else self._channels
                    self._waiting.extend(Gap(body, channel) for channel in channels)
                    self._wake.set()
            case _:
                pass

    async def run(self, store: EventStore) -> None:
        """Fill what the log says is not filled, then what it tells from now on."""
        selection, head, after = Selection(types=OBEYED), await store.head(), 0
        while page := await store.read(after, selection, up_to=head):
            for event in page:
                self.note(event)
            after = page[-1].position
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fill_all(), name="feeds.backfill.fill")
            async for events, _ in store.subscribe(head, selection):
                for event in events:
                    self.note(event)

    async def _fill_all(self) -> None:
        loop = asyncio.get_running_loop()
        due: dict[str, float] = {}
        while True:
            self._wake.clear()
            while len(self._waiting) > WAITING_MAX:
                self._tell(self._waiting.pop(), 0, 0, TOO_MANY)
            ready = [gap for gap in self._waiting if due.get(gap.channel, 0.0) <= loop.time()]
            if ready:
                await self.fill(self._take(ready[0].channel))
                due[ready[0].channel] = loop.time() + self._seconds_apart
                continue
            dues = [due[gap.channel] for gap in self._waiting]
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(dues, default=None)):
                    await self._wake.wait()

    def _take(self, channel: str) -> list[Gap]:
        """The gaps of a channel that wait and are not filled: they are asked for together."""
        taken = [gap for gap in self._waiting if gap.channel == channel]
        self._waiting = deque(gap for gap in self._waiting if gap.channel != channel)
        return [gap for gap in taken if gap.key not in self._filled]

    async def fill(self, gaps: Sequence[Gap]) -> None:
        """Ask for gaps of one channel as for one, and tell what came of it; the newest of them
        has the calls and the rows."""
        if not gaps:
            return
        channel = gaps[0].channel
        refills = REFILLS.get(family(channel), ())
        calls, rows, reasons = 0, 0, [] if refills else [NOTHING_EQUAL]
        for refill in refills:
            walk, reason = await self._walk(gaps, refill)
            calls += walk.calls
            rows += walk.rows
            if reason:
                reasons.append(reason)
        why = "; ".join(dict.fromkeys(reasons))
        for gap in gaps[:-1]:
            self._tell(gap, 0, 0, why)
        self._tell(gaps[-1], calls, rows, why)

    async def _walk(self, gaps: Sequence[Gap], refill: Refill) -> tuple[Walk, str]:
        """The pages of one refill, and why they are not all that was lost."""
        symbol = ticker(gaps[0].channel)
        query: Asked = {name: value.replace("{symbol}", symbol) for name, value in refill.query}
        paging = PAGING.get(refill.endpoint)
        if paging is not None and paging.limit:
            query["limit"] = str(paging.limit)
        since = self._clock.at(min(gap.told.since for gap in gaps))
        until = self._clock.at(max(gap.told.until for gap in gaps))
        walk = Walk(refill.endpoint, query, PAGES_MAX, since, until)
        following: Asked | None = walk.first_query()
        while following is not None:
            if self._states.is_paused(REST):
                return walk, f"{REST} is paused"
            try:
                answer = await self._rest.get(
                    refill.endpoint, refill.path_for(symbol), following, rank=Rank.GAP_FILL
                )
            except UwRestError as error:
                return walk, str(error)
            gap_id = gaps[-1].told.gap_id
            keep(self._intake, answer, symbol, purpose="backfill", gap_id=gap_id)
            if answer.status != 200 or answer.fault:
                return walk, f"{answer.path}: status {answer.status} {answer.fault}".strip()
            following = walk.next_query(answer.body_bytes)
        if not walk.is_whole:
            return walk, f"{walk.calls} pages did not reach back to its start"
        return walk, refill.shortfall

    def _tell(self, gap: Gap, calls: int, rows: int, reason: str) -> None:
        self._filled.add(gap.key)
        told = gap.told
        body = FeedGapFilled(
            feed=FEED,
            channel=gap.channel,
            since=told.since,
            until=told.until,
            calls=calls,
            rows=rows,
            complete=not reason,
            reason=reason[:200],
        )
        self._log.info("gap filled", channel=gap.channel, calls=calls, rows=rows, reason=reason)
        self._intake.put(f"feed/{FEED}", body, feed=FEED)
