"""The closing auction as it goes: imbalance now, its samples, and what the session leaves.

Called by the stage with auction ticks, bars and the clock. Sampled at most once a second, at the
auction ticks and at bars; a minute after the close the session is added to the earlier ones.
"""

from __future__ import annotations

import math
from datetime import datetime

from domain.analytics import auction
from domain.analytics.auction import NOTHING_USUAL, Imbalance, Member
from domain.analytics.auction_sessions import BUCKET_SECONDS, bucket_of
from domain.analytics.closing_volatility import close_volatility
from domain.analytics.state import AnalyticsState, SymbolState
from domain.events.micro_price import MicroPriceEstimated
from domain.events.sessions import AuctionSessionClosed
from domain.numbers import significant
from domain.session import Session
from domain.stage import Emission

SAMPLE_SECONDS = 1.0
PUBLICATION_MINUTES = 10
"""So long before the close the first imbalances are published; what is told before is none."""
NASDAQ_INDICATIVE_MINUTES = 5
"""Nasdaq publishes indicative prices from then on; before, what its ticks carry is none."""
FIRST_KNOWN_MINUTES = 9
"""So long before the close an imbalance must have been known; later it is no auction's data."""
HELD_SECONDS_MAX = 5.0
"""An imbalance that was unknown for longer counts as held for so long only."""


def auction_now(state: AnalyticsState, symbol: SymbolState, now: float) -> Imbalance:
    """Q of a symbol from the newest auction ticks."""
    settings, session, own = state.settings, state.session, None
    assert settings is not None and session is not None
    early = now < session.before_close(minutes=NASDAQ_INDICATIVE_MINUTES).timestamp()
    members = []
    for name in sorted({*state.member_venues, symbol.symbol}):
        is_own = name == symbol.symbol
        book = symbol.book if is_own else state.member_books.get(name)
        ticks = state.auction_ticks.get(name)
        usual = state.usual.get(name, NOTHING_USUAL)
        price = (book.good_mid or book.last) if book is not None else 0.0
        # Without a price of today it weighs as much as yesterday, but tells nothing.
        is_priced = price > 0
        is_nasdaq = state.member_venues.get(name, "") in auction.NASDAQ
        member = Member(
            symbol=name,
            signed=ticks.signed(price, is_signed=settings.imbalance_signed) if ticks else None,
            price=price if is_priced else usual.close,
            average_daily_volume=usual.average_daily_volume,
            paired=ticks.paired if ticks else 0.0,
            indicative=ticks.indicative if ticks and not (is_nasdaq and early) else 0.0,
            fresh=is_priced and auction.fresh_ticks(state.auction_ticks, name, now),
            is_nasdaq=is_nasdaq,
        )
        if is_own:
            own = member
        else:
            members.append(member)
    return auction.imbalance_of(symbol.symbol, own, members)


def began_late(symbol: SymbolState, session: Session, now: datetime) -> bool:
    """No imbalance was known a minute after the first publication: none is believed that day."""
    latest, first = session.before_close(minutes=FIRST_KNOWN_MINUTES), symbol.auction.first_at
    return now >= latest and (first is None or first > latest)


def in_auction_window(session: Session, now: datetime) -> bool:
    """From the first publication to a minute after the close."""
    published = session.before_close(minutes=PUBLICATION_MINUTES)
    return published <= now < session.before_close(minutes=-1)


def sample_auction(
    state: AnalyticsState, symbol: SymbolState, session: Session, now: datetime
) -> None:
    """Take the imbalance of the moment into the run of the session."""
    run, at = symbol.auction, now.timestamp()
    if not in_auction_window(session, now) or at - run.sampled_at < SAMPLE_SECONDS:
        return
    found = auction_now(state, symbol, at)
    price = symbol.book.good_mid or symbol.bars.close
    if found.q is None or not price:
        return
    dt = min(at - run.sampled_at, HELD_SECONDS_MAX)
    run.sampled_at = at
    if run.samples == 0:
        run.first_at, run.first_q = now, found.q
    own = own_imbalance(state, symbol)
    if run.first_own is None:
        run.first_own = own
    run.sample(found.q, price, dt)
    run.by_bucket[bucket_of((session.close_at - now).total_seconds())] = found.q


def sample_at_ticks(state: AnalyticsState, now: datetime) -> None:
    """A packet with auction ticks of any instrument: it may move every symbol's imbalance."""
    session = state.session
    if session is None or state.settings is None or not in_auction_window(session, now):
        return
    for symbol in state.symbols.values():
        sample_auction(state, symbol, session, now)


def own_imbalance(state: AnalyticsState, symbol: SymbolState) -> float | None:
    """Signed shares of the underlying's own auction."""
    ticks, settings = state.auction_ticks.get(symbol.symbol), state.settings
    assert settings is not None
    if ticks is None:
        return None
    return ticks.signed(symbol.book.good_mid, is_signed=settings.imbalance_signed)


def impact_scale(state: AnalyticsState, symbol: SymbolState) -> float:
    """Y as earlier auctions say; the parameter until there is one."""
    assert state.settings is not None
    return symbol.auctions.scale.value(state.settings.impact_scale)


def close_auctions(state: AnalyticsState, now: datetime) -> None:
    """A minute after the close, once a session: what it leaves to later ones."""
    session = state.session
    if session is None or state.settings is None or now < session.before_close(minutes=-1):
        return
    over = [
        symbol
        for symbol in state.symbols.values()
        if not symbol.auction.is_over and symbol.bars.close is not None
    ]
    for symbol in over:
        symbol.auction.is_over = True
        _close(state, symbol, session)
    for symbol in over:
        close_volatility(state, symbol)
    for symbol in over:
        _close_micro_price(state, symbol, session)


def _close_micro_price(state: AnalyticsState, symbol: SymbolState, session: Session) -> None:
    found = symbol.micro.close()
    body = MicroPriceEstimated(
        symbol=symbol.symbol,
        session_date=session.session_date,
        sessions=found.sessions,
        mid_changes=found.mid_changes,
        visits_min=found.visits_min,
        adjustments=found.adjustments,
    )
    state.told.append(Emission(f"micro-price/{symbol.symbol}", body))


def _close(state: AnalyticsState, symbol: SymbolState, session: Session) -> None:
    run, past, earlier = symbol.auction, symbol.past, symbol.auctions
    assert state.settings is not None
    runs = symbol.bars.closes.runs
    close = runs[-1][-1] if runs else None
    start = state.settings.impact_scale
    moved = unit = None
    if run.first_q and run.first_mid and close and past is not None and past.forecast is not None:
        moved = math.copysign(1.0, run.first_q) * 1e4 * (close / run.first_mid - 1)
        unit = auction.impact_bps(abs(run.first_q), past.forecast.rv_hat, 1.0)
        earlier.scale.add(moved, unit, start)
    earlier.absorb(run)
    known = sorted(run.by_bucket.items(), reverse=True)
    body = AuctionSessionClosed(
        symbol=symbol.symbol,
        session_date=session.session_date,
        published_at=run.first_at,
        first_q=significant(run.first_q),
        first_mid=run.first_mid,
        close=close,
        moved_bps=significant(moved),
        unit_move_bps=significant(unit),
        impact_scale=significant(earlier.scale.value(start)) or 0.0,
        sessions=earlier.sessions,
        seconds_before_close=tuple((bucket + 1) * BUCKET_SECONDS for bucket, _ in known),
        q=tuple(significant(q) or 0.0 for _, q in known),
    )
    state.told.append(Emission(f"auctions/{symbol.symbol}", body))
