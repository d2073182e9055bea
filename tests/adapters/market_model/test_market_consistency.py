"""What the model shows fits together: bars, quotes, chain, history, auction."""

from __future__ import annotations

import math
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from adapters.market_model.clock import SandboxClock
from adapters.market_model.contract import (
    AuctionTicked,
    BarClosed,
    OptionTraded,
    UnderlyingQuoted,
)
from adapters.market_model.scenario import QUIET_DAY
from adapters.market_model.seeded import SeededMarket
from adapters.market_model.session_plan import xnys_plan
from tests.adapters.market_model.conftest import MakeMarket

RATE = 0.0375


def test_five_second_bars_are_whole_and_join_up(make_market: MakeMarket) -> None:
    market = make_market()
    updates = market.advance(market.open_at + timedelta(minutes=5))
    for symbol in market.symbols:
        bars = [u.bar for u in updates if isinstance(u, BarClosed) and u.bar.symbol == symbol]
        assert all((b - a) == timedelta(seconds=5) for a, b in pairwise(b.start for b in bars))
        for bar in bars:
            assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
            assert bar.low <= bar.wap <= bar.high
            assert bar.volume >= 0 and (bar.count > 0) == (bar.volume > 0)
        inside = [bar for bar in bars if bar.start >= market.open_at]
        minutes = market.bars(symbol, market.session_date, 60)
        for index, minute in enumerate(minutes):
            parts = inside[index * 12 : (index + 1) * 12]
            assert minute.volume == sum(part.volume for part in parts)
            assert minute.high == max(part.high for part in parts if part.volume)
            assert minute.low == min(part.low for part in parts if part.volume)
            assert minute.close == parts[-1].close


def test_underlying_quotes_are_never_crossed_and_near_the_last(make_market: MakeMarket) -> None:
    market = make_market()
    updates = market.advance(market.open_at + timedelta(minutes=3))
    quotes = [u for u in updates if isinstance(u, UnderlyingQuoted)]
    for update in quotes:
        assert 0 < update.quote.bid < update.quote.ask
        assert update.quote.bid_size >= 100 and update.quote.ask_size >= 100
        assert abs(update.quote.bid / update.last - 1) < 0.002
    per_symbol = [u for u in quotes if u.symbol == "SPY" and u.at > market.open_at]
    assert len(per_symbol) == pytest.approx(3 * 60 * 4, abs=5)
    shares = [u.session_volume for u in per_symbol]
    assert shares == sorted(shares)


def test_the_book_leads_the_price_a_little(make_market: MakeMarket) -> None:
    market = make_market()
    updates = market.advance(market.open_at + timedelta(minutes=15))
    quotes = [u for u in updates if isinstance(u, UnderlyingQuoted) and u.symbol == "SPY"]
    quotes = [u for u in quotes if u.at > market.open_at]
    lean = np.array(
        [
            (u.quote.bid_size - u.quote.ask_size) / (u.quote.bid_size + u.quote.ask_size)
            for u in quotes
        ]
    )
    middle = np.array([(u.quote.bid + u.quote.ask) / 2 for u in quotes])
    ahead = middle[8:] - middle[:-8]
    assert 0.05 < float(np.corrcoef(lean[:-8], ahead)[0, 1]) < 0.6


def test_contracts_are_about_five_hundred_and_known_by_their_ids(whole_day: SeededMarket) -> None:
    for symbol in whole_day.symbols:
        contracts = whole_day.contracts(symbol)
        assert 350 <= len(contracts) <= 500
        assert len({contract.con_id for contract in contracts}) == len(contracts)
        assert all(whole_day.contract(contract.con_id) == contract for contract in contracts)
        assert whole_day.underlying(symbol).right == ""
        days = {(c.expiry - whole_day.session_date).days for c in contracts if c.expiry}
        assert {0, 1}.issubset(days) and max(days) > 60 and any(30 <= d <= 40 for d in days)
    assert whole_day.contract(1) is None


@pytest.mark.parametrize("minute", [1, 33, 200, 385])
def test_chain_is_uncrossed_and_in_parity(make_market: MakeMarket, minute: int) -> None:
    market = make_market()
    market.advance(market.open_at + timedelta(minutes=minute), thin=True)
    for symbol in market.symbols:
        options = market.options[symbol]
        now = options.snapshot(market.seconds_since_open)
        years = options.surface.years(market.seconds_since_open)
        paid = options.surface.dividends_before_expiry(market.seconds_since_open // 60 * 60)
        contracts = market.contracts(symbol)
        assert bool((now.quotes.bid < now.quotes.ask).all())
        for row in range(0, len(contracts), 2):
            call, put = contracts[row], contracts[row + 1]
            assert (call.right, put.right, call.strike) == ("C", "P", put.strike)
            expiry = int(options.chain.expiry_index[row])
            discounted = call.strike * math.exp(-RATE * float(years[expiry]))
            forward = now.spot - float(paid[expiry]) - discounted
            gap = float(now.priced.price[row] - now.priced.price[row + 1]) - forward
            assert abs(gap) < 1e-9
            middles = (now.quotes.bid + now.quotes.ask) / 200
            width = float((now.quotes.ask - now.quotes.bid)[row : row + 2].sum()) / 200
            assert abs(float(middles[row] - middles[row + 1]) - forward) <= width + 0.011


def test_options_near_the_money_are_liquid(make_market: MakeMarket) -> None:
    market = make_market()
    market.advance(market.open_at + timedelta(minutes=30), thin=True)
    for symbol in market.symbols:
        for contract in market.contracts(symbol):
            greeks, quote = market.greeks(contract.con_id), market.quote(contract.con_id)
            assert greeks is not None and quote is not None and contract.expiry is not None
            if not 0.2 <= abs(greeks.delta) <= 0.55:
                continue
            middle = (quote.bid + quote.ask) / 2
            soon = (contract.expiry - market.session_date).days <= 1
            limit = max(0.03, 0.08 * middle) if soon else max(0.06, 0.06 * middle)
            assert quote.ask - quote.bid <= limit + 1e-9
            assert min(quote.bid_size, quote.ask_size) >= 10
            assert market.open_interest(contract.con_id) >= 500


def test_trades_are_at_or_inside_their_quote(make_market: MakeMarket) -> None:
    market = make_market()
    updates = market.advance(market.open_at + timedelta(minutes=2))
    trades = [u for u in updates if isinstance(u, OptionTraded)]
    assert {trade.aggressor for trade in trades} == {-1, 0, 1}
    for trade in trades:
        expected = {1: trade.quote.ask, -1: trade.quote.bid}.get(trade.aggressor, trade.price)
        assert trade.price == expected > 0
        assert trade.quote.bid <= trade.price <= trade.quote.ask
        assert bool(trade.sweep_id) == trade.is_sweep
    sweeps: dict[str, list[OptionTraded]] = {}
    for trade in trades:
        sweeps.setdefault(trade.sweep_id, []).append(trade)
    sweeps.pop("")
    for prints in sweeps.values():
        assert len(prints) >= 3 and len({t.exchange for t in prints}) >= 2
        assert prints[-1].at - prints[0].at < timedelta(milliseconds=100)
    multi = sum(t.is_multi_leg for t in trades) / len(trades)
    assert 0.05 < multi < 0.3


def test_options_have_no_quote_before_the_open_and_expire_after_the_close(
    make_market: MakeMarket,
) -> None:
    market = make_market()
    today = next(c for c in market.contracts("SPY") if c.expiry == market.session_date)
    later = next(c for c in market.contracts("SPY") if c.expiry != market.session_date)
    quote = market.quote(today.con_id)
    assert quote is not None and (quote.bid_size, quote.ask_size) == (0, 0)
    market.advance(market.close_at + timedelta(minutes=10), thin=True)
    assert market.quote(today.con_id) is not None
    market.advance(market.close_at + timedelta(minutes=16), thin=True)
    assert market.quote(today.con_id) is None
    assert market.quote(later.con_id) is not None


def test_history_agrees_between_days_and_bars(whole_day: SeededMarket) -> None:
    sessions = whole_day.plan.earlier
    for symbol in whole_day.symbols:
        days = whole_day.daily_bars(symbol, 260)
        assert [day[0] for day in days] == [s.session_date for s in sessions[-260:]]
        for day, opening, high, low, close, _ in days[-25:]:
            bars = whole_day.bars(symbol, day, 300)
            assert len(bars) * 300 == next(s.seconds for s in sessions if s.session_date == day)
            assert (bars[0].open, bars[-1].close) == (opening, close)
            assert (max(b.high for b in bars), min(b.low for b in bars)) == (high, low)
        newest = days[-1][0]
        minutes, fives = (whole_day.bars(symbol, newest, s) for s in (60, 300))
        assert sum(b.volume for b in minutes) == sum(b.volume for b in fives)
    for member in whole_day.basket:
        assert len(whole_day.daily_bars(member, 260)) == 260
    assert whole_day.bars("SPY", date(1999, 1, 4), 60) == []


def test_the_previous_close_leads_into_the_open(whole_day: SeededMarket) -> None:
    bars = whole_day.bars("SPY", whole_day.session_date, 60)
    close = whole_day.daily_bars("SPY", 1)[0][4]
    assert abs(bars[0].open / close - 1) < 0.001
    assert len(bars) == 390


def test_the_auction_speaks_where_and_when_each_venue_does(make_market: MakeMarket) -> None:
    market = make_market()
    market.advance(market.close_at - timedelta(minutes=61), thin=True)
    updates = market.advance(market.close_at, thin=True)
    ticks = [u for u in updates if isinstance(u, AuctionTicked)]
    by_symbol: dict[str, list[AuctionTicked]] = {}
    for tick in ticks:
        by_symbol.setdefault(tick.symbol, []).append(tick)
    assert set(by_symbol) == {*market.basket, *market.symbols}
    assert by_symbol["SPY"][0].at == market.close_at - timedelta(hours=1)
    assert by_symbol["JPM"][0].at == market.close_at - timedelta(minutes=10)
    nasdaq = by_symbol["AAPL"]
    switch = market.close_at - timedelta(minutes=5)
    assert all((t.indicative_price > 0) == (t.at >= switch) for t in nasdaq)
    at_publication = [by_symbol[m][0].imbalance for m in market.basket]
    assert all(imbalance > 0 for imbalance in at_publication)


def test_a_half_day_is_compressed_and_complete() -> None:
    plan = xnys_plan(date(2026, 11, 27))
    market = SeededMarket(3, date(2026, 11, 27), plan, QUIET_DAY)
    updates = market.advance(market.close_at, thin=True)
    assert len(market.bars("SPY", market.session_date, 60)) == 210
    ticks = [u for u in updates if isinstance(u, AuctionTicked) and u.symbol == "JPM"]
    assert ticks[0].at == market.close_at - timedelta(minutes=10)
    expiring = next(c for c in market.contracts("SPY") if c.expiry == market.session_date)
    greeks = market.greeks(expiring.con_id)
    assert greeks is not None and greeks.implied_volatility == 0


def test_depth_starts_at_the_touch_and_steps_outward(make_market: MakeMarket) -> None:
    market = make_market()
    market.advance(market.open_at + timedelta(minutes=1))
    bids, asks = market.depth("SPY", 5)
    quote = market.quote(market.underlying("SPY").con_id)
    assert quote is not None
    assert (bids[0], asks[0]) == ((quote.bid, quote.bid_size), (quote.ask, quote.ask_size))
    assert [round(bids[0][0] - price, 2) for price, _ in bids] == [0.0, 0.01, 0.02, 0.03, 0.04]
    assert all(size >= 100 for _, size in bids + asks)


def test_the_clock_stands_until_it_is_set_and_then_runs_at_its_speed(
    whole_day: SeededMarket,
) -> None:
    real = [1_000.0]
    clock = SandboxClock(whole_day.open_at, lambda: real[0])
    real[0] += 60
    assert clock.now() == whole_day.open_at
    clock.set(whole_day.open_at, 1_050.0, 10.0, thinned=False)
    assert clock.now() == whole_day.open_at + timedelta(seconds=100)
    with pytest.raises(ValueError, match="speed must be 0 or more"):
        clock.set(whole_day.open_at, 0.0, -1.0, thinned=False)
