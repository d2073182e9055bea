"""The trend day shows a trend strategy what it looks for at 10:00, and ends the trade by 10:10.

The conditions are computed here from what the market publishes (bars, quotes, trades, open
interest), by the rules of the 0DTE trend entry, with the weights of its score at half strength.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from adapters.market_model.contract import (
    BarClosed,
    MarketUpdate,
    OptionTraded,
    SimContract,
    SimQuote,
    UnderlyingQuoted,
)
from adapters.market_model.scenario import QUIET_DAY, TREND_DAY
from adapters.market_model.seeded import SeededMarket
from adapters.market_model.variance import forecast_next, realised_variance, remaining_share
from tests.adapters.market_model.conftest import MakeMarket

P_ENTRY = 0.56
VRP_MAX = 1.30


@dataclass
class View:
    """Session sums of one symbol, from its updates."""

    notional: float = 0.0
    square: float = 0.0
    shares: int = 0
    order_flow: list[float] = field(default_factory=list)
    flow: float = 0.0
    depths: list[float] = field(default_factory=list)
    quote: SimQuote | None = None
    net_premium: float = 0.0
    all_premium: float = 0.0

    def take(self, update: MarketUpdate) -> None:
        match update:
            case BarClosed(bar=bar):
                self.notional += bar.wap * bar.volume
                self.square += bar.wap**2 * bar.volume
                self.shares += bar.volume
            case UnderlyingQuoted(quote=now):
                if self.quote is not None:
                    self.flow += order_flow(self.quote, now)
                self.quote = now
                self.depths.append((now.bid_size + now.ask_size) / 2)
            case OptionTraded() if not update.is_multi_leg:
                premium = update.price * update.size * update.aggressor
                self.net_premium += premium if update.contract.right == "C" else -premium
                self.all_premium += abs(premium)
            case _:
                pass

    def close_window(self) -> None:
        if self.depths:
            self.order_flow.append(self.flow / (sum(self.depths) / len(self.depths)))
        self.flow, self.depths = 0.0, []


def order_flow(before: SimQuote, now: SimQuote) -> float:
    """The contribution of one change of the top of book to order-flow imbalance [CKS14]."""
    return (
        (now.bid >= before.bid) * now.bid_size
        - (now.bid <= before.bid) * before.bid_size
        - (now.ask <= before.ask) * now.ask_size
        + (now.ask >= before.ask) * before.ask_size
    )


@cache
def past_moves(market: SeededMarket, symbol: str) -> list[float]:
    """Mean absolute move since the open of 14 sessions, at the end of each minute."""
    sessions = [market.bars(symbol, s.session_date, 60) for s in market.plan.earlier[-14:]]
    return [
        sum(abs(bars[minute].close / bars[0].open - 1) for bars in sessions) / len(sessions)
        for minute in range(390)
    ]


def noise_position(market: SeededMarket, symbol: str) -> float:
    """Position in the noise area of 14 sessions: beyond 1 is outside."""
    width = past_moves(market, symbol)[int(market.seconds_since_open // 60) - 1]
    opening = market.bars(symbol, market.session_date, 60)[0].open
    previous = market.daily_bars(symbol, 1)[0][4]
    high, low = max(opening, previous) * (1 + width), min(opening, previous) * (1 - width)
    return 2 * (market.spot(symbol) - (high + low) / 2) / (high - low)


def gamma_share(market: SeededMarket, symbol: str) -> float:
    """Assumed dealer gamma per 1 % move over a day's dollar volume, expiries to 45 days."""
    spot, total = market.spot(symbol), 0.0
    for contract in market.contracts(symbol):
        greeks = market.greeks(contract.con_id)
        assert greeks is not None and contract.expiry is not None
        if (contract.expiry - market.session_date).days <= 45:
            sign = 1 if contract.right == "C" else -1
            total += sign * greeks.gamma * market.open_interest(contract.con_id)
    volume = sum(day[5] for day in market.daily_bars(symbol, 20)) / 20
    return total * 100 * spot**2 * 0.01 / (volume * spot)


def variance_premium(market: SeededMarket, symbol: str) -> float:
    """Implied over forecast volatility of the rest of the day, forecast from imported bars."""
    realised = []
    for session in market.plan.earlier[-22:]:
        closes = [b.close for b in market.bars(symbol, session.session_date, 5)]
        realised.append(realised_variance(np.array(closes), 5))
    forecast = forecast_next(symbol, realised)
    done = [b.close for b in market.bars(symbol, market.session_date, 5)]
    rho = float(remaining_share(market.plan.day.seconds)[int(market.seconds_since_open)])
    ratio = realised_variance(np.array(done), 5) / (forecast * (1 - rho))
    rest = forecast * rho * min(4.0, max(0.25, ratio)) ** 0.6
    spot = market.spot(symbol)
    nearest = min(today(market, symbol, "C"), key=lambda c: abs(c.strike - spot))
    greeks = market.greeks(nearest.con_id)
    assert greeks is not None
    years = (market.close_at - market.now()).total_seconds() / (365 * 86_400)
    return math.sqrt(greeks.implied_volatility**2 * years / rest)


def today(market: SeededMarket, symbol: str, right: str) -> list[SimContract]:
    return [
        contract
        for contract in market.contracts(symbol)
        if contract.expiry == market.session_date and contract.right == right
    ]


def probability(market: SeededMarket, symbol: str, view: View, breaks_out: bool) -> float:
    """Chance of a rise from the features this test can see; what it leaves out counts as 0."""
    average = view.notional / view.shares
    sd = math.sqrt(max(view.square / view.shares - average**2, 1e-12))
    x = max(-1.0, min(1.0, noise_position(market, symbol) / 1.5))
    recent = view.order_flow[-30:]
    z = sum(recent) / len(recent) / (float(np.std(view.order_flow)) / math.sqrt(len(recent)))
    score = (
        0.35 * x
        + 0.15 * math.tanh((market.spot(symbol) - average) / sd / 2)
        + 0.15 * breaks_out
        + 0.15 * math.tanh(max(-4.0, min(4.0, z)) / 2)
        + 0.20 * view.net_premium / view.all_premium
        - 0.25 * max(-1.0, min(1.0, gamma_share(market, symbol) / 0.10)) * x
    )
    return 1 / (1 + math.exp(-0.5 * score))


def vertical(market: SeededMarket, symbol: str) -> tuple[SimContract, SimContract]:
    """Long call of delta 0.50, short call 0.8 standard deviations of the rest of the day higher."""

    def delta(contract: SimContract) -> float:
        greeks = market.greeks(contract.con_id)
        assert greeks is not None
        return greeks.delta

    calls = today(market, symbol, "C")
    long = min(calls, key=lambda c: abs(delta(c) - 0.5))
    greeks = market.greeks(long.con_id)
    assert greeks is not None
    years = (market.close_at - market.now()).total_seconds() / (365 * 86_400)
    spot = market.spot(symbol)
    target = spot * (1 + 0.8 * greeks.implied_volatility * math.sqrt(years))
    return long, min(calls, key=lambda c: (abs(c.strike - target), c.strike))


def net_middle(market: SeededMarket, legs: tuple[SimContract, SimContract]) -> float:
    quotes = [market.quote(leg.con_id) for leg in legs]
    middles = [(q.bid + q.ask) / 2 for q in quotes if q is not None]
    return middles[0] - middles[1]


def run_to_ten(market: SeededMarket, views: dict[str, View]) -> None:
    """The first half hour, in windows of ten seconds."""
    market.advance(market.open_at)
    for _ in range(180):
        follow(market, views)


def follow(market: SeededMarket, views: dict[str, View]) -> None:
    updates = market.advance(market.now() + timedelta(seconds=10))
    for update in updates:
        symbol = (
            update.bar.symbol
            if isinstance(update, BarClosed)
            else update.contract.symbol
            if isinstance(update, OptionTraded)
            else getattr(update, "symbol", "")
        )
        if symbol in views:
            views[symbol].take(update)
    for view in views.values():
        view.close_window()


def breaks_out(market: SeededMarket, symbol: str) -> bool:
    bars = market.bars(symbol, market.session_date, 60)
    high, low = max(b.high for b in bars[:30]), min(b.low for b in bars[:30])
    return len(bars) > 30 and bars[-1].close > high + max(0.01, 0.05 * (high - low))


def test_trend_entry_passes_after_ten_and_reaches_its_target_before_ten_past_ten(
    make_market: MakeMarket,
) -> None:
    market = make_market()
    views = {symbol: View() for symbol in market.symbols}
    run_to_ten(market, views)
    early = probability(market, "SPY", views["SPY"], breaks_out(market, "SPY"))
    assert early < P_ENTRY or noise_position(market, "SPY") < 1
    entered = False
    while not entered and market.seconds_since_open < 36 * 60:
        follow(market, views)
        outside = noise_position(market, "SPY") > 1 or breaks_out(market, "SPY")
        chance = probability(market, "SPY", views["SPY"], breaks_out(market, "SPY"))
        entered = outside and chance >= P_ENTRY
    assert entered
    average = views["SPY"].notional / views["SPY"].shares
    assert market.spot("SPY") > average
    assert gamma_share(market, "SPY") < 0.02
    assert 0.9 < variance_premium(market, "SPY") <= VRP_MAX
    legs = vertical(market, "SPY")
    width, debit = legs[1].strike - legs[0].strike, net_middle(market, legs)
    assert 0.003 <= width / market.spot("SPY") <= 0.015
    assert debit <= 0.55 * width
    target = min(1.6 * debit, debit + 0.7 * (width - debit))
    while market.seconds_since_open < 40 * 60:
        follow(market, views)
        value = net_middle(market, legs)
        assert value > 0.5 * debit
        if value >= target:
            return
    pytest.fail("the vertical must reach its target by 10:10, did not")


def test_tide_rises_with_the_trend(make_market: MakeMarket) -> None:
    market = make_market()
    at_ten, later = market.tide(1_800), market.tide(2_400)
    assert later[0] - at_ten[0] > 0 > later[1] - at_ten[1]
    slope = (later[0] - later[1] - at_ten[0] + at_ten[1]) / 10
    past = []
    for session in market.plan.earlier[-5:]:
        rows = market.past_tide(session.session_date, 600)
        past += [abs((b[0] - b[1]) - (a[0] - a[1])) / 10 for a, b in pairwise(rows)]
    assert slope > float(np.median(past))


def test_a_quiet_day_stays_inside_under_positive_gamma(make_market: MakeMarket) -> None:
    market = make_market(scenario=QUIET_DAY)
    market.advance(market.open_at + timedelta(minutes=33), thin=True)
    assert gamma_share(market, "SPY") > 0.02
    assert variance_premium(market, "SPY") > 1.10
    inside = []
    for minute in range(60, 360, 30):
        market.advance(market.open_at + timedelta(minutes=minute), thin=True)
        inside.append(abs(noise_position(market, "SPY")) < 1)
    assert sum(inside) >= 8


def test_the_closing_imbalance_is_the_scenarios(make_market: MakeMarket) -> None:
    market = make_market()
    market.advance(market.close_at - timedelta(minutes=10, seconds=1), thin=True)
    ticks = {
        u.symbol: u
        for u in market.advance(market.close_at - timedelta(minutes=9, seconds=58), thin=True)
        if hasattr(u, "imbalance")
    }
    volume = {m: sum(d[5] for d in market.daily_bars(m, 20)) / 20 for m in market.basket}
    price = {m: market.last(m)[0] for m in market.basket}
    share = sum(ticks[m].imbalance * price[m] for m in market.basket) / sum(
        volume[m] * price[m] for m in market.basket
    )
    assert share == pytest.approx(TREND_DAY.closing_imbalance, rel=0.4)
