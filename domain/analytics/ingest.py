"""Taking in what feeds sent: broker ticks, vendor frames, listings, history.

Called by the stage for every input but bars. A payload that cannot be read is counted and
changes nothing else.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from domain.analytics.auction import AUCTION_TICKS, AuctionTicks, usual_of
from domain.analytics.chain import Source
from domain.analytics.closing_auction import sample_at_ticks
from domain.analytics.economic_calendar import known_codes
from domain.analytics.ewma import EwMoments
from domain.analytics.flow import seed_delta_flow
from domain.analytics.flow_alerts import direction_of
from domain.analytics.flow_mode import contradiction
from domain.analytics.history import newest_before
from domain.analytics.hot_frames import read_trade
from domain.analytics.ingest_books import count_transition
from domain.analytics.microstructure import Book
from domain.analytics.news import classes_of, touches
from domain.analytics.parameters import read_settings
from domain.analytics.past import past_of
from domain.analytics.premium_ticks import minute_of
from domain.analytics.state import AnalyticsState, SymbolState
from domain.analytics.tide import seed_slopes
from domain.event import Recorded
from domain.events.feed_health import SizeUnitChecked
from domain.events.feeds import (
    ChainListed,
    HistoryImported,
    IbTicksReceived,
    LineClosed,
    LineOpened,
    UnderlyingListed,
    UwFrame,
)
from domain.events.forecasts import VarianceRefitted
from domain.events.interest_rates import RateUpdated
from domain.events.market_facts import HaltEnded, HaltStarted
from domain.events.system import ClockStarted, ParametersChanged, SessionPlanned
from domain.instruments import OptionContract, Right
from domain.payloads.unusual_whales import (
    read_flow_alert,
    read_market_tide,
    read_news,
    read_trading_halt,
    ticker,
)
from domain.pricing.rates import curve_of
from domain.session import SESSION_MINUTES, Session
from domain.stage import Emission

_TRADE = int(Source.TRADE)
HALTED_TICK = 49
"""0 trades, 1 halted, 2 a volatility pause; sent with every subscription and at each change."""
AFTER_HALT = timedelta(minutes=5)
"""After a halt no entry is taken for so long (0.3)."""
SESSION_SECONDS = SESSION_MINUTES * 60.0
TIDE_MEAN_SESSIONS = 20
TIDE_SUM_SESSIONS = 5


def on_clock_started(state: AnalyticsState, event: Recorded) -> None:
    assert isinstance(event.body, ClockStarted)
    state.thinned = event.body.thinned


def on_parameters(state: AnalyticsState, event: Recorded) -> None:
    assert isinstance(event.body, ParametersChanged)
    state.parameters.apply(event.body)
    state.settings = read_settings(state.parameters)
    state.history_read = -1
    for symbol in state.symbols.values():
        opening = symbol.bars.opening
        if opening is not None and state.settings is not None and not opening.is_complete:
            opening.minutes = state.settings.opening_minutes


def on_rates(state: AnalyticsState, event: Recorded) -> None:
    assert isinstance(event.body, RateUpdated)
    state.rates = curve_of(event.body)


def on_session(state: AnalyticsState, event: Recorded) -> None:
    """A plan for the same day again changes hours only."""
    assert isinstance(event.body, SessionPlanned)
    before, state.session = state.session, Session(event.body)
    state.history_read = -1
    if before is not None and before.session_date == state.session.session_date:
        for symbol in state.symbols.values():
            # With it go the closings of its expiries.
            symbol.chain.layout = None
        return
    minutes = 30.0 if state.settings is None else state.settings.opening_minutes
    for symbol in state.symbols.values():
        symbol.begin_session(state.session.session_date, minutes)
    state.tide.begin_session()
    state.tide_minute = -1
    state.auction_ticks.clear()


def on_history(state: AnalyticsState, event: Recorded) -> None:
    assert isinstance(event.body, HistoryImported)
    state.history.take(event.body)


def on_variance_refitted(state: AnalyticsState, event: Recorded) -> None:
    """The next session's forecast is made with these."""
    body = event.body
    assert isinstance(body, VarianceRefitted)
    if body.symbol in state.symbols:
        state.symbols[body.symbol].coefficients = body.coefficients


def read_history(state: AnalyticsState) -> None:
    """Bring what rests on history up to date; moments are seeded only while they are empty."""
    session, settings, history = state.session, state.settings, state.history
    if session is None or settings is None or state.history_read == history.version:
        return
    state.history_read = history.version
    today = session.session_date
    for name, symbol in state.symbols.items():
        symbol.past = past_of(
            history,
            session,
            name,
            settings.variance_ratios[name],
            settings.beta_defaults[name],
            symbol.coefficients,
        )
        _seed_symbol(state, symbol, today)
    half_days = {day.session_date for day in session.plan.earlier if day.is_half_day}
    state.usual = {name: usual_of(bars, today, half_days) for name, bars in history.daily.items()}
    days = sorted(day for day in history.tide if day < today)
    if state.tide.slopes.count == 0:
        recent = [history.tide[day] for day in days[-TIDE_SUM_SESSIONS:]]
        seed_slopes(state.tide.slopes, recent, SESSION_SECONDS)
    state.tide_5d_z = _closing_tide_score([history.tide[day][-1][1] for day in days])
    state.tide_5d_on = days[-1] if days else None
    calendar = newest_before(history.calendar, today)
    if calendar is not None and state.calendar is None:
        state.calendar = calendar
    read_calendar(state)


def _closing_tide_score(closings: list[float]) -> float | None:
    """z of the sum of the last 5 closing tides against EW(20 sessions), warm after 20."""
    moments = EwMoments(TIDE_MEAN_SESSIONS, TIDE_MEAN_SESSIONS)
    score = None
    for end in range(TIDE_SUM_SESSIONS, len(closings) + 1):
        total = sum(closings[end - TIDE_SUM_SESSIONS : end])
        score = moments.score(total) if moments.is_warm else None
        moments.update(total, 1.0)
    return score


def read_calendar(state: AnalyticsState) -> None:
    """Codes of today and up to the next session from the newest calendar, each known for itself: a
    calendar that ends on a Friday says nothing about Monday. A release on a day between them, as
    the jobs report on Good Friday, comes in the night that ends with that session."""
    session, events = state.session, state.calendar or ()
    state.calendar_today = state.calendar_next = None
    if session is None:
        return
    today = session.session_date
    state.calendar_today = known_codes(events, today)
    for following in session.plan.later[:1]:
        first = today + timedelta(days=1)
        state.calendar_next = known_codes(events, first, following.session_date)


def _seed_symbol(state: AnalyticsState, symbol: SymbolState, today: date) -> None:
    table = symbol.chain.table
    interest = newest_before(state.history.open_interest.get(symbol.symbol, {}), today)
    for occ, contracts in interest or ():
        try:
            slot = table.slot_of_symbol(occ)
        except ValueError:
            state.unreadable += 1
            continue
        if table.open_interest[slot] != table.open_interest[slot]:
            table.open_interest[slot] = contracts
    past = symbol.past
    premiums = state.history.net_delta.get(symbol.symbol, {})
    days = sorted(day for day in premiums if day < today)[-TIDE_SUM_SESSIONS:]
    if symbol.flow.delta_scores.count == 0 and days and past is not None and past.previous_close:
        # The vendor gives net delta in shares; the day's close is near enough to weigh it.
        closes = state.history.daily.get(symbol.symbol, {})
        dollars = [
            [v * (closes[day].close if day in closes else past.previous_close) for v in minutes]
            for day in days
            for minutes in (premiums[day],)
        ]
        seed_delta_flow(symbol.flow, dollars, SESSION_SECONDS)


def on_chain_listed(state: AnalyticsState, event: Recorded) -> None:
    body = event.body
    assert isinstance(body, ChainListed)
    symbol = state.symbols.get(body.symbol)
    if symbol is None:
        return
    for option in body.contracts:
        symbol.chain.table.add(body.expiry, float(option.strike), option.right, option.con_id)


def on_underlying_listed(state: AnalyticsState, event: Recorded) -> None:
    body = event.body
    assert isinstance(body, UnderlyingListed)
    symbol = state.symbols.get(body.symbol)
    if symbol is None:
        state.member_venues[body.symbol] = body.primary_exchange
        return
    symbol.con_id = body.con_id
    symbol.size_multiplier = body.size_multiplier


def on_size_unit(state: AnalyticsState, event: Recorded) -> None:
    """What the sizes of quotes count, seen from the book: a setting of TWS may have changed it."""
    body = event.body
    assert isinstance(body, SizeUnitChecked)
    symbol = state.symbols.get(body.symbol)
    if symbol is not None and symbol.size_multiplier != body.size_multiplier:
        symbol.size_multiplier = body.size_multiplier
        symbol.reset_flows()


def _contract_slot(state: AnalyticsState, contract: OptionContract) -> tuple[SymbolState, int]:
    symbol = state.symbols[contract.symbol]
    table = symbol.chain.table
    slot = table.add(contract.expiry, float(contract.strike), contract.right, contract.con_id)
    return symbol, slot


def on_line(state: AnalyticsState, event: Recorded) -> None:
    body = event.body
    assert isinstance(body, LineOpened | LineClosed)
    if body.contract.symbol not in state.symbols:
        return
    symbol, slot = _contract_slot(state, body.contract)
    symbol.chain.table.on_line[slot] = isinstance(body, LineOpened)


def on_ticks(state: AnalyticsState, event: Recorded) -> None:
    """Ticks of an underlying, an option line or a basket member. Only live data counts."""
    body = event.body
    assert isinstance(body, IbTicksReceived)
    if body.market_data_type != 1:
        return
    now = event.market_time.timestamp()
    symbol = state.symbols.get(body.symbol)
    if body.expiry:
        if symbol is not None:
            _option_ticks(state, symbol, body, now)
        return
    publishes = False
    for kind, price, size in body.ticks:
        if kind in AUCTION_TICKS:
            ticks = state.auction_ticks.setdefault(body.symbol, AuctionTicks())
            ticks.apply(kind, price, size, now)
            publishes = True
    if symbol is None:
        state.member_books.setdefault(body.symbol, Book()).apply(body.ticks, now, 1.0)
        if publishes:
            sample_at_ticks(state, event.market_time)
        return
    if symbol.connection != body.connection:
        symbol.connection = body.connection
        symbol.reset_flows()
    for kind, value, _ in body.ticks:
        if kind == HALTED_TICK and symbol.halted_by_broker != (value > 0):
            was_halted, symbol.halted_by_broker = symbol.halted, value > 0
            _halt_changed(state, symbol, was_halted, "broker", event.market_time)
    symbol.book.apply(body.ticks, now, float(symbol.size_multiplier))
    session = state.session
    if session is not None and session.is_open(event.market_time):
        symbol.order_flow.add(symbol.book, now - session.open_at.timestamp())
        count_transition(state, symbol)
    if publishes:
        sample_at_ticks(state, event.market_time)


def _option_ticks(
    state: AnalyticsState, symbol: SymbolState, body: IbTicksReceived, now: float
) -> None:
    table = symbol.chain.table
    slot = table.slot_of_con_id(body.con_id)
    if slot is None:
        right = Right.CALL if body.right.startswith("C") else Right.PUT
        slot = table.add(date.fromisoformat(body.expiry), body.strike, right, body.con_id)
    if body.ticks:
        table.line_ticks(slot, body.ticks, now, symbol.book.good_mid or float("nan"))
    for computation in body.computations:
        delta = computation[2]
        if computation[0] == 13 and delta is not None:
            table.broker_delta[slot] = delta
            table.broker_delta_at[slot] = now


def _symbol_of(state: AnalyticsState, frame: UwFrame) -> SymbolState | None:
    return state.symbols.get(ticker(frame.channel))


def on_option_trade(state: AnalyticsState, event: Recorded) -> None:
    body = event.body
    assert isinstance(body, UwFrame)
    symbol, session = _symbol_of(state, body), state.session
    if symbol is None or session is None:
        return
    now = event.market_time.timestamp()
    trade, bid, ask, volume, ask_volume, bid_volume = read_trade(
        bytes(body.payload), session.session_date
    )
    table = symbol.chain.table
    slot = table.slot_of_symbol(trade.contract)
    if bid is not None and ask is not None:
        table.quote(slot, bid, ask, now, _TRADE)
    if volume is not None:
        table.volume[slot] = volume
    if ask_volume is not None and bid_volume is not None:
        table.ask_volume[slot] = ask_volume
        table.bid_volume[slot] = bid_volume
    if session.is_open(event.market_time):
        symbol.flow.add(trade, now, minute_of(trade.executed_ms, now, session))


def on_flow_alert(state: AnalyticsState, event: Recorded) -> None:
    body, session = event.body, state.session
    assert isinstance(body, UwFrame)
    if session is None or not session.is_open(event.market_time):
        return
    alert = read_flow_alert(bytes(body.payload), ticker(body.channel))
    symbol = state.symbols.get(alert.symbol)
    if symbol is not None:
        symbol.alerts.add(direction_of(alert), event.market_time.timestamp())


def on_tide(state: AnalyticsState, event: Recorded) -> None:
    body = event.body
    assert isinstance(body, UwFrame)
    if state.session is None or not state.session.is_open(event.market_time):
        return
    increment = read_market_tide(bytes(body.payload))
    contradicted = state.tide.add_increment(
        float(increment.net_call_premium),
        float(increment.net_put_premium),
        event.market_time.timestamp(),
    )
    if contradicted:
        against = contradiction(state.tide.mode, body.channel, event.market_time)
        state.told.append(Emission(f"flow-modes/{body.channel}", against))


def on_news(state: AnalyticsState, event: Recorded) -> None:
    body = event.body
    assert isinstance(body, UwFrame)
    news = read_news(bytes(body.payload))
    state.news_at = event.market_time.timestamp()
    classes = classes_of(news.headline)
    if classes:
        take_headline(state, classes, news.tickers)


def take_headline(
    state: AnalyticsState, classes: tuple[str, ...], tickers: tuple[str, ...]
) -> None:
    """A headline of one of the classes, or tagged major: the symbols it touches take care."""
    assert state.news_at is not None
    for name, symbol in state.symbols.items():
        if touches(tickers, name):
            symbol.news.headline(classes, state.news_at)


def on_halt(state: AnalyticsState, event: Recorded) -> None:
    body = event.body
    assert isinstance(body, UwFrame)
    halt = read_trading_halt(bytes(body.payload))
    symbol = state.symbols.get(halt.symbol)
    if symbol is not None:
        was_halted, symbol.halted_by_vendor = symbol.halted, halt.state in ("halted", "paused")
        _halt_changed(state, symbol, was_halted, "vendor", event.market_time)


def _halt_changed(
    state: AnalyticsState, symbol: SymbolState, was_halted: bool, source: str, now: datetime
) -> None:
    """Tell where a halt begins, and where the last that told of it says that it is over."""
    symbol.reset_flows()
    if was_halted == symbol.halted:
        return
    body: HaltStarted | HaltEnded
    if symbol.halted:
        body = HaltStarted(symbol=symbol.symbol, source=source, at=now)
    else:
        body = HaltEnded(symbol=symbol.symbol, at=now, entries_from=now + AFTER_HALT)
    state.told.append(Emission(f"halts/{symbol.symbol}", body))
