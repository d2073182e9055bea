"""Payloads of the further channels, as the vendor writes them; each from one moment's state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from adapters.market_model.contract import OptionTraded
from adapters.market_model.market import SimulatedMarket
from adapters.market_model.options import OptionMarket
from adapters.unusual_whales.sandbox.wire import (
    Row,
    decimal,
    identity,
    milliseconds,
    occ,
    short,
    zulu,
    zulu_micro,
)

Integers = NDArray[np.int64]
WINDOW_SECONDS = 300.0
CONTRACTS_A_TRADE = 8
"""The model's tape keeps no count of trades; REST bodies divide by the same."""
AVERAGE_VOLUME = {"SPY": 61_200_000.5, "QQQ": 48_300_000.5, "IWM": 28_100_000.0}
USER = identity("user")
TAPE_COLUMNS = ("at_ask", "at_bid", "between", "multi_leg", "sweep", "premium")


@dataclass(slots=True)
class Window:
    """Where a five-minute window of a symbol began: its tape and its price then."""

    start: datetime
    tape: dict[str, Integers]
    open: float
    volatility: float


def window_of(options: OptionMarket, start: datetime, price: float, volatility: float) -> Window:
    """A window that begins with what has traded until now."""
    tape = {name: getattr(options.tape, name).copy() for name in TAPE_COLUMNS}
    return Window(start, tape, price, volatility)


def window_row(
    market: SimulatedMarket, symbol: str, window: Window, kind: str, volatility: float
) -> Row:
    """The payload of channel interval_flow; `kind` is All or OtmOnly."""
    options = market.options[symbol]
    now = options.snapshot(market.seconds_since_open)
    chain, greeks, price = options.chain, now.priced, market.last(symbol)[0]
    calls = chain.call
    is_out = np.where(calls, chain.strike > now.spot, chain.strike < now.spot)
    counted = is_out if kind == "OtmOnly" else np.ones(len(calls), dtype=np.bool_)
    part = {
        name: np.where(counted, getattr(options.tape, name) - window.tape[name], 0)
        for name in TAPE_COLUMNS
    }
    volume = part["at_ask"] + part["at_bid"] + part["between"]
    directed = part["at_ask"] - part["at_bid"]
    premium = part["premium"]
    net = premium * directed / np.maximum(volume, 1)
    row: Row = {
        "ticker": symbol,
        "interval_type": kind,
        "start_time": zulu(window.start),
        "tape_time": zulu_micro(market.now()),
        "transactions": int(volume.sum()) // CONTRACTS_A_TRADE,
    }
    for right, side in (("call", calls), ("put", ~calls)):
        row |= {
            f"{right}_vol": int(volume[side].sum()),
            f"{right}_vol_ask_side": int(part["at_ask"][side].sum()),
            f"{right}_vol_bid_side": int(part["at_bid"][side].sum()),
            f"{right}_vol_neutral_side": int(part["between"][side].sum()),
            f"{right}_sweep_vol": int(part["sweep"][side].sum()),
            f"{right}_floor_vol": 0,
            f"{right}_cross_vol": 0,
            f"{right}_multi_vol": int(part["multi_leg"][side].sum()),
            f"cum_net_{right}_delta": int((directed * greeks.delta * 100)[side].sum()),
            f"net_{right}_prem": int(net[side].sum()),
        }
    total = int(volume.sum())
    days = np.array([(day - market.session_date).days for day in chain.expiries])
    away = np.abs(chain.strike / now.spot - 1) * is_out
    row |= {
        "avg_dte": _mean(days[chain.expiry_index], volume, 4),
        "avg_otm": _mean(away, volume, 6),
        "avg_size": decimal(CONTRACTS_A_TRADE, 0) if total else None,
        "avg_prem": decimal(float(premium.sum()) * CONTRACTS_A_TRADE / total) if total else None,
        "open": decimal(window.open),
        "close": decimal(price),
    }
    for when, level in (("open", window.volatility), ("close", volatility)):
        row[f"volatility_30d_{when}"] = round(level * 10_000)
        row[f"implied_move_perc_30d_{when}"] = round(level * (30 / 365) ** 0.5 * 10_000)
    for greek in ("delta", "gamma", "vega"):
        values = getattr(greeks, greek) * 100
        row[f"{greek}_flow"] = int((volume * values).sum())
        row[f"dir_{greek}_flow"] = int((directed * values).sum())
    return row


def _mean(values: NDArray[np.float64] | Integers, weights: Integers, places: int) -> str | None:
    total = int(weights.sum())
    return decimal(float((values * weights).sum()) / total, places) if total else None


def screened_row(market: SimulatedMarket, symbol: str, index: int) -> Row:
    """The payload of channel contract_screener."""
    options = market.options[symbol]
    tape, now = options.tape, options.snapshot(market.seconds_since_open)
    at_ask, at_bid, between = (int(s[index]) for s in (tape.at_ask, tape.at_bid, tape.between))
    volume, interest = at_ask + at_bid + between, int(options.open_interest[index])
    last, greeks = int(tape.last_ticks[index]) / 100, now.priced
    return {
        "option_symbol": occ(options.chain.contracts[index]),
        "tape_time": zulu(market.now()),
        "volume": volume,
        "open_interest": interest,
        "prev_oi": interest - interest // 40,
        "trades": volume // CONTRACTS_A_TRADE,
        "premium": decimal(int(tape.premium[index])),
        "ask_side_volume": at_ask,
        "bid_side_volume": at_bid,
        "neutral_volume": between,
        "mid_volume": between,
        "floor_volume": 0,
        "sweep_volume": int(tape.sweep[index]),
        "cross_volume": 0,
        "multileg_volume": int(tape.multi_leg[index]),
        "stock_multi_leg_volume": 0,
        "days_of_oi_increases": 0,
        "days_of_vol_greater_than_oi": int(volume > interest),
        "open": decimal(last),
        "high": decimal(int(tape.high_ticks[index]) / 100),
        "low": decimal(int(tape.low_ticks[index]) / 100),
        "close": decimal(last),
        "avg_price": decimal(int(tape.premium[index]) / max(volume, 1) / 100, 4),
        "chain_prev_close": decimal(last * 0.96),
        "bid": decimal(int(now.quotes.bid[index]) / 100),
        "ask": decimal(int(now.quotes.ask[index]) / 100),
        "iv": decimal(float(greeks.implied_volatility[index]), 7),
        "delta": decimal(float(greeks.delta[index]), 6),
        "gamma": decimal(float(greeks.gamma[index]), 6),
        "theta": decimal(float(greeks.theta[index]), 6),
        "vega": decimal(float(greeks.vega[index]), 6),
        "is_new": False,
        "ask_side_perc_7_day": "0.571429",
        "bid_side_perc_7_day": "0.428571",
    }


def share_row(market: SimulatedMarket, symbol: str, number: int, at: datetime, kind: str) -> Row:
    """The payload of channels lit_trades and off_lit_trades: print `number` of the session.

    Off-exchange prints are reported to the tape up to two seconds after the trade, now and then
    half an hour. The session's volume grows with every print, so no two are the same.
    """
    quote = market.quote(market.underlying(symbol).con_id)
    assert quote is not None
    last, volume = market.last(symbol)
    is_off = kind == "off_lit"
    late_seconds = 1_800 if number % 97 == 96 else 2 if number % 5 == 0 else 0
    traded_at = zulu_micro(at - timedelta(seconds=late_seconds)) if is_off else None
    price = (quote.bid + quote.ask) / 2 if is_off else last
    return {
        "symbol": symbol,
        "price": short(price),
        "type": kind,
        "size": 100 * (1 + number * 7 % 23),
        "volume": volume + number,
        "trade_settlement": "regular",
        "trade_code": "opening_print" if number == 0 and not is_off else None,
        "ext_hour_sold_codes": None,
        "sale_cond_codes": "prior_reference_price" if late_seconds > 2 and is_off else None,
        "executed_at": zulu_micro(at),
        "trf_executed_at": traded_at,
        "nbbo_bid": decimal(quote.bid),
        "nbbo_ask": decimal(quote.ask),
        "nbbo_bid_quantity": quote.bid_size,
        "nbbo_ask_quantity": quote.ask_size,
        "sector": None,
        "next_earnings_date": None,
        "avg30_volume": decimal(AVERAGE_VOLUME[symbol], 1),
        "issue_type": "ETF",
        "marketcap": None,
    }


def custom_row(name: str, kind: str, symbol: str | None, at: datetime, meta: Row) -> Row:
    """The payload of channel custom_alerts."""
    return {
        "name": name,
        "noti_type": kind,
        "user_noti_config_id": identity(f"alert configuration {name}"),
        "user_id": USER,
        "symbol": symbol,
        "symbol_type": None if symbol is None else "option_chain",
        "tape_time": zulu(at),
        "meta": meta,
    }


def contract_meta(trade: OptionTraded, interest: int) -> Row:
    """What an alert on the minute of a contract says."""
    volume, at_ask, at_bid, _, multi_leg = trade.volumes
    price = decimal(trade.price)
    return {
        "underlying_symbol": trade.contract.symbol,
        "volume": volume,
        "ask_volume": at_ask,
        "bid_volume": at_bid,
        "open_interest": interest,
        "minute": trade.at.minute,
        "rounded_tape_time": milliseconds(trade.at.replace(second=0, microsecond=0)),
        "close": price,
        "avg_fill": price,
        "diff": "0",
        "iv_change": "0",
        "vol_oi_ratio": decimal(volume / interest, 6) if interest else "0",
        "multi_leg_vol_ratio": decimal(multi_leg / volume, 6) if volume else "0",
        "total_premium": decimal(trade.price * trade.size * 100),
    }
