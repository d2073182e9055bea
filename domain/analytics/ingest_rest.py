"""Taking in REST answers of the flow vendor: contract snapshots, levels of gamma, tide totals,
net-premium ticks, headlines, calendar.

Called by the stage for UwRestReceived. Bodies that cannot be read raise, and the stage counts them.
An answer that fills a gap corrects totals and nothing else: what it tells is old, so that it must
raise no caution and lead to no signal. A headline that is new all the same is told by the next
answer of the schedule.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from domain.analytics.chain import Source
from domain.analytics.history import calendar_events
from domain.analytics.hot_frames import CONTRACTS, amount
from domain.analytics.ingest import read_calendar, take_headline
from domain.analytics.ingest_gex import on_levels
from domain.analytics.news import SILENT_SECONDS, classes_of
from domain.analytics.premium_ticks import TICKS, take_ticks
from domain.analytics.realised import BAR_SECONDS
from domain.analytics.state import AnalyticsState
from domain.event import Recorded
from domain.events.feeds import UwRestReceived
from domain.payloads.unusual_whales import read_market_tide_rows


def on_rest(state: AnalyticsState, event: Recorded) -> None:
    body = event.body
    assert isinstance(body, UwRestReceived)
    readers = _REST if body.purpose == "poll" else _REPAIRS
    reader = readers.get(body.endpoint)
    if reader is not None and body.status == 200:
        reader(state, event, body)


def _rest_contracts(state: AnalyticsState, event: Recorded, body: UwRestReceived) -> None:
    """Open interest and NBBO of an expiry; its rows have no quote time, so receipt counts."""
    symbol = state.symbols.get(body.symbol)
    if symbol is None:
        return
    now = event.market_time.timestamp()
    table, snapshot = symbol.chain.table, int(Source.SNAPSHOT)
    for row in CONTRACTS.decode(body.payload).data:
        slot = table.slot_of_symbol(row.option_symbol)
        if row.open_interest is not None:
            table.open_interest[slot] = row.open_interest
        if row.volume is not None:
            table.volume[slot] = row.volume
        bid, ask = amount(row.nbbo_bid), amount(row.nbbo_ask)
        if bid is not None and ask is not None:
            table.quote(slot, bid, ask, now, snapshot)


def _rest_tide(state: AnalyticsState, event: Recorded, body: UwRestReceived) -> None:
    """Running totals repair the sum of increments; not those of a row that had ended before the
    last increment came."""
    session = state.session
    rows = [
        row
        for row in read_market_tide_rows(bytes(body.payload))
        if session is not None and session.open_at <= row.at <= event.market_time
    ]
    if not rows:
        return
    last = max(rows, key=lambda row: row.at)
    known_at = min(event.market_time, last.at + TIDE_ROW).timestamp()
    if state.tide.updated_at is None or known_at >= state.tide.updated_at:
        state.tide.set_total(last.net_call_premium, last.net_put_premium, known_at)


def _rest_ticks(state: AnalyticsState, event: Recorded, body: UwRestReceived) -> None:
    """The symbol's own ticks repair and warm up what we heard of its flow."""
    symbol, session = state.symbols.get(body.symbol), state.session
    if symbol is None or session is None:
        return
    bars, last_bar = symbol.bars, None
    if bars.last_start is not None:
        # Bars after the close are no observation of the flow.
        last_start = min(bars.last_start, session.close_at - timedelta(seconds=BAR_SECONDS))
        last_bar = int((last_start - session.open_at).total_seconds() // BAR_SECONDS)
    spot = symbol.book.good_mid or bars.close
    rows = TICKS.decode(body.payload).data
    take_ticks(symbol.flow, rows, session, event.market_time, spot, last_bar)


class _MajorHeadline(msgspec.Struct):
    headline: str
    created_at: Annotated[datetime, msgspec.Meta(tz=True)]
    tickers: list[str] | None = None
    is_major: bool = False


class _Headlines(msgspec.Struct):
    data: list[_MajorHeadline]


_HEADLINES = msgspec.json.Decoder(_Headlines)


def _rest_headlines(state: AnalyticsState, event: Recorded, body: UwRestReceived) -> None:
    """Only REST tells which headlines are major. The newest page repeats: first sight counts."""
    state.news_at = event.market_time.timestamp()
    for row in _HEADLINES.decode(body.payload).data:
        age = (event.market_time - row.created_at).total_seconds()
        if row.is_major and age <= SILENT_SECONDS and row.headline not in state.major_seen:
            state.major_seen[row.headline] = None
            take_headline(state, classes_of(row.headline), tuple(row.tickers or ()))
    while len(state.major_seen) > MAJOR_HEADLINES_KEPT:
        del state.major_seen[next(iter(state.major_seen))]


def _rest_calendar(state: AnalyticsState, event: Recorded, body: UwRestReceived) -> None:
    state.calendar = calendar_events(bytes(body.payload))
    read_calendar(state)


MAJOR_HEADLINES_KEPT = 400
TIDE_ROW = timedelta(minutes=5)
"""A row of the tide is of so long from its time on; the running one is as of now."""
_REST = {
    "/api/stock/{ticker}/option-contracts": _rest_contracts,
    "/api/stock/{ticker}/gex-levels": on_levels,
    "/api/market/market-tide": _rest_tide,
    "/api/stock/{ticker}/net-prem-ticks": _rest_ticks,
    "/api/news/headlines": _rest_headlines,
    "/api/market/economic-calendar": _rest_calendar,
}
_REPAIRS = {
    "/api/market/market-tide": _rest_tide,
    "/api/stock/{ticker}/net-prem-ticks": _rest_ticks,
}
