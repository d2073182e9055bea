"""Turns market updates into the vendor's data frames, at the vendor's cadence in market time.

A thinned stretch sends one row a minute of every series; increments then cover the minute, so
that sums stay whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adapters.market_model.contract import (
    MarketUpdate,
    NewsPublished,
    OptionTraded,
    UnderlyingQuoted,
)
from adapters.market_model.market import SimulatedMarket
from adapters.unusual_whales.sandbox.exposures import exposures, move_fields, strike_fields
from adapters.unusual_whales.sandbox.habits import TOTALS
from adapters.unusual_whales.sandbox.wire import (
    Row,
    decimal,
    identity,
    milliseconds,
    occ,
    short,
    zulu,
)

PRICE_SECONDS = 1.75
SERIES_SECONDS = 2.0
STRIKE_SECONDS = 60.0
THINNED_SERIES_SECONDS = 60.0
THINNED_STRIKE_SECONDS = 300.0
ALERT_DELAY = timedelta(seconds=8)
ALERT_PREMIUM_MIN = 40_000.0
ALERTS_KEPT_MAX = 500
HEADLINES_KEPT_MAX = 200
TRADES_KEPT_MAX = 2_000

Frames = list[tuple[str, Row]]


@dataclass(slots=True)
class _Alert:
    due: datetime
    trades: list[OptionTraded] = field(default_factory=list)


class FeedWriter:
    """Keeps what has been sent of each series, and the alerts and headlines REST repeats."""

    def __init__(self, market: SimulatedMarket, habits: Collection[str] = ()) -> None:
        self._market = market
        self._habits = habits
        self._last: dict[str, float] = {}
        self._tide: tuple[int, ...] = (0,) * 6
        self._flow: dict[str, tuple[int, ...]] = dict.fromkeys(market.symbols, (0,) * 8)
        self._pending: dict[str, _Alert] = {}
        self.alerts: deque[Row] = deque(maxlen=ALERTS_KEPT_MAX)
        self.trades: deque[Row] = deque(maxlen=TRADES_KEPT_MAX)
        self.headlines: deque[NewsPublished] = deque(maxlen=HEADLINES_KEPT_MAX)

    def frames(self, updates: Iterable[MarketUpdate], thinned: bool) -> Frames:
        """Frames of what happened since the last call, as (channel, payload); channels that the
        vendor has by ticker carry it."""
        result: Frames = []
        for update in updates:
            if isinstance(update, OptionTraded):
                row = option_trade_row(self._market, update)
                self.trades.appendleft(row)
                result.append((f"option_trades:{update.contract.symbol}", row))
                self._consider_alert(update)
            elif isinstance(update, UnderlyingQuoted):
                result.extend(self._price(update))
            elif isinstance(update, NewsPublished):
                self.headlines.appendleft(update)
                result.append(("news", _news_row(update)))
        result.extend(self._due_alerts())
        result.extend(self._series(thinned))
        return result

    def _passed(self, name: str, seconds: float) -> bool:
        """Whether a multiple of `seconds` was passed since this series was last sent."""
        now = self._market.seconds_since_open
        before = self._last.get(name)
        if before is not None and int(now // seconds) <= int(before // seconds):
            return False
        self._last[name] = now
        return before is not None

    def _price(self, update: UnderlyingQuoted) -> Frames:
        if update.symbol not in self._market.symbols:
            return []
        at = update.at.timestamp()
        if at - self._last.get(f"price:{update.symbol}", 0.0) < PRICE_SECONDS:
            return []
        self._last[f"price:{update.symbol}"] = at
        payload: Row = {
            "ticker": update.symbol,
            "close": decimal(update.last),
            "time": milliseconds(update.at),
            "vol": update.session_volume,
        }
        return [(f"price:{update.symbol}", payload)]

    # -- alerts --------------------------------------------------------------------------------

    def _consider_alert(self, trade: OptionTraded) -> None:
        premium = trade.price * trade.size * 100
        if trade.is_sweep:
            alert = self._pending.setdefault(trade.sweep_id, _Alert(trade.at + ALERT_DELAY))
            alert.trades.append(trade)
        elif premium >= 4 * ALERT_PREMIUM_MIN:
            self._pending[trade.trade_id] = _Alert(trade.at + ALERT_DELAY, [trade])

    def _due_alerts(self) -> Frames:
        now = self._market.now()
        due = [name for name, alert in self._pending.items() if alert.due <= now]
        result: Frames = []
        for name in due:
            trades = self._pending.pop(name).trades
            if sum(t.price * t.size for t in trades) * 100 < ALERT_PREMIUM_MIN:
                continue
            row = _alert_row(self._market, name, trades)
            self.alerts.appendleft(row)
            result.append(("flow-alerts", row))
        return result

    # -- series --------------------------------------------------------------------------------

    def _series(self, thinned: bool) -> Frames:
        market = self._market
        seconds = THINNED_SERIES_SECONDS if thinned else SERIES_SECONDS
        result: Frames = []
        if market.seconds_since_open < 0:
            return result
        if self._passed("market_tide", seconds):
            result.append(("market_tide", self._tide_row()))
        for symbol in market.symbols:
            if self._passed(f"net_flow:{symbol}", seconds):
                result.append((f"net_flow:{symbol}", self._flow_row(symbol)))
            if not market.options[symbol].is_trading(market.seconds_since_open):
                continue
            if self._passed(f"gex:{symbol}", seconds):
                result.append((f"gex:{symbol}", self._exposure_row(symbol)))
            strikes = THINNED_STRIKE_SECONDS if thinned else STRIKE_SECONDS
            if self._passed(f"gex_strike:{symbol}", strikes):
                result.extend((f"gex_strike:{symbol}", row) for row in self._strike_rows(symbol))
        return result

    def _before(self, sent: tuple[int, ...]) -> tuple[int, ...]:
        """What a series counts from: what was sent of it, or nothing where it tells totals."""
        return (0,) * len(sent) if TOTALS in self._habits else sent

    def _tide_row(self) -> Row:
        tide = self._market.tide()
        calls, puts, volume, otm_calls, otm_puts, otm_volume = (
            now - before for now, before in zip(tide, self._before(self._tide), strict=True)
        )
        self._tide = tide
        return {
            "timestamp": zulu(self._market.now()),
            "net_volume": volume,
            "net_call_premium": decimal(calls, 1),
            "net_put_premium": decimal(puts, 1),
            "otm_net_volume": otm_volume,
            "otm_net_call_premium": decimal(otm_calls, 1),
            "otm_net_put_premium": decimal(otm_puts, 1),
        }

    def _flow_row(self, symbol: str) -> Row:
        totals = self._market.options[symbol].tape.session_totals()
        sent = self._before(self._flow[symbol])
        change = [now - before for now, before in zip(totals, sent, strict=True)]
        self._flow[symbol] = totals
        _, _, call_ask, call_bid, put_ask, put_bid, calls, puts = change
        return {
            "ticker": symbol,
            "net_call_prem": decimal(calls),
            "net_call_vol": call_ask - call_bid,
            "net_put_prem": decimal(puts),
            "net_put_vol": put_ask - put_bid,
            "time": milliseconds(self._market.now()),
        }

    def _exposure_row(self, symbol: str) -> Row:
        market = self._market
        found = exposures(market.options[symbol], market.seconds_since_open)
        at = market.now().replace(microsecond=0)
        head: Row = {
            "ticker": symbol,
            "timestamp": milliseconds(at),
            "price": decimal(found.spot),
        }
        return head | move_fields(found)

    def _strike_rows(self, symbol: str) -> list[Row]:
        market = self._market
        found = exposures(market.options[symbol], market.seconds_since_open)
        head: Row = {
            "ticker": symbol,
            "timestamp": milliseconds(market.now().replace(microsecond=0)),
        }
        return [head | row for row in strike_fields(found, "_vol", with_split_delta=False)]


def tags_of(trade: OptionTraded) -> list[str]:
    """Side, then lean, then the kind of underlying."""
    side = {1: "ask_side", -1: "bid_side", 0: "mid_side"}[trade.aggressor]
    toward = trade.aggressor * (1 if trade.contract.right == "C" else -1)
    return [side, {1: "bullish", -1: "bearish", 0: "neutral"}[toward], "etf"]


def option_trade_row(market: SimulatedMarket, trade: OptionTraded) -> Row:
    """The payload of channel option_trades."""
    contract, greeks, quote = trade.contract, trade.greeks, trade.quote
    assert contract.expiry is not None
    volume, at_ask, at_bid, between, multi_leg = trade.volumes
    bid, ask = decimal(quote.bid), decimal(quote.ask)
    at = milliseconds(trade.at)
    return {
        "id": identity(trade.trade_id),
        "underlying_symbol": contract.symbol,
        "executed_at": at,
        "nbbo_bid": bid,
        "nbbo_ask": ask,
        "size": trade.size,
        "price": decimal(trade.price),
        "option_symbol": occ(contract),
        "created_at": at + 36 + at % 37,
        "report_flags": [],
        "tags": tags_of(trade),
        "expiry": contract.expiry.isoformat(),
        "option_type": "call" if contract.right == "C" else "put",
        "open_interest": market.open_interest(contract.con_id),
        "strike": short(contract.strike),
        "premium": decimal(trade.price * trade.size * 100),
        "volume": volume,
        "underlying_price": decimal(trade.underlying_price),
        "ewma_nbbo_ask": ask,
        "ewma_nbbo_bid": bid,
        "implied_volatility": decimal(greeks.implied_volatility, 10),
        "delta": decimal(greeks.delta, 6),
        "theta": decimal(greeks.theta, 6),
        "gamma": decimal(greeks.gamma, 6),
        "vega": decimal(greeks.vega, 6),
        "rho": decimal(greeks.rho, 6),
        "theo": decimal(greeks.price, 4),
        "trade_code": trade.trade_code,
        "exchange": trade.exchange,
        "ask_vol": at_ask,
        "bid_vol": at_bid,
        "no_side_vol": 0,
        "mid_vol": between,
        "multi_vol": multi_leg,
        "stock_multi_vol": 0,
    }


def _news_row(news: NewsPublished) -> Row:
    return {
        "headline": news.headline,
        "timestamp": zulu(news.at),
        "source": news.source,
        "tickers": list(news.tickers),
        "is_trump_ts": False,
    }


def _alert_row(market: SimulatedMarket, name: str, trades: list[OptionTraded]) -> Row:
    first, last = trades[0], trades[-1]
    contract = last.contract
    volume, at_ask, at_bid, between, multi_leg = last.volumes
    premium = [t.price * t.size * 100 for t in trades]
    interest = market.open_interest(contract.con_id)
    end = milliseconds(last.at)
    return {
        "rule_id": identity("rule RepeatedHits"),
        "rule_name": "RepeatedHits",
        "ticker": contract.symbol,
        "option_chain": occ(contract),
        "underlying_price": last.underlying_price,
        "volume": volume,
        "total_size": sum(t.size for t in trades),
        "total_premium": round(sum(premium), 2),
        "total_ask_side_prem": round(
            sum(p for p, t in zip(premium, trades, strict=True) if t.aggressor == 1), 2
        ),
        "total_bid_side_prem": round(
            sum(p for p, t in zip(premium, trades, strict=True) if t.aggressor == -1), 2
        ),
        "start_time": milliseconds(first.at),
        "end_time": end,
        "url": "",
        "price": last.price,
        "has_multileg": any(t.is_multi_leg for t in trades),
        "has_sweep": any(t.is_sweep for t in trades),
        "has_floor": False,
        "open_interest": interest,
        "all_opening_trades": False,
        "id": identity(f"alert {name}"),
        "has_singleleg": any(not t.is_multi_leg for t in trades),
        "volume_oi_ratio": volume / interest if interest else 0,
        "trade_ids": [identity(t.trade_id) for t in trades],
        "trade_count": len(trades),
        "expiry_count": 1,
        "executed_at": end,
        "ask_vol": at_ask,
        "bid_vol": at_bid,
        "no_side_vol": 0,
        "mid_vol": between,
        "multi_vol": multi_leg,
        "stock_multi_vol": 0,
        "upstream_condition_details": sorted({t.trade_code for t in trades}),
        "exchanges": sorted({t.exchange for t in trades}),
        "bid": decimal(last.quote.bid),
        "ask": decimal(last.quote.ask),
    }
