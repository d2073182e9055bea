"""Typed values of Unusual Whales socket payloads (element 1 of a frame), one class a channel.

Prices, quotes and strikes are Decimal because sides are decided on them exactly; greeks, premiums
and exposures are float. A field the vendor left out is None. Each `read_*` raises PayloadError.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from domain.instruments import Right, parse_occ_symbol
from domain.payloads.unusual_whales.reading import Fields, PayloadError, read_object
from domain.payloads.unusual_whales.shapes import Shape, exact, flag, instant


class OptionTrade(msgspec.Struct, frozen=True, gc=False):
    """option_trades: one print. Volumes are the contract's session totals after it."""

    id: str
    symbol: str
    option_symbol: str
    expiry: date
    right: Right
    strike: Decimal
    executed_at: datetime
    created_at: datetime | None
    price: Decimal
    size: int
    premium: float
    bid: Decimal | None
    ask: Decimal | None
    underlying_price: float | None
    implied_volatility: float | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    open_interest: int | None
    volume: int | None
    ask_volume: int | None
    bid_volume: int | None
    mid_volume: int | None
    no_side_volume: int | None
    multi_volume: int | None
    stock_multi_volume: int | None
    tags: tuple[str, ...]
    report_flags: tuple[str, ...]
    trade_codes: tuple[str, ...]
    exchange: str | None
    is_canceled: bool

    @property
    def tagged_side(self) -> int | None:
        """+1 ask side, -1 bid side, 0 mid or no side, None without a tag."""
        for tag, side in (("ask_side", 1), ("bid_side", -1), ("mid_side", 0), ("no_side", 0)):
            if tag in self.tags:
                return side
        return None


class FlowAlert(msgspec.Struct, frozen=True):
    """flow-alerts: trades of one contract that a vendor rule found worth a line."""

    id: str
    rule_name: str | None
    symbol: str
    option_symbol: str
    expiry: date
    right: Right
    strike: Decimal
    start_at: datetime | None
    end_at: datetime
    price: Decimal | None
    underlying_price: float | None
    total_size: int
    total_premium: float
    ask_side_premium: float
    bid_side_premium: float
    volume: int | None
    open_interest: int | None
    trade_count: int | None
    has_sweep: bool
    has_floor: bool
    has_multi_leg: bool
    trade_ids: tuple[str, ...]


class Price(msgspec.Struct, frozen=True, gc=False):
    """price: last price of an underlying and its session volume."""

    symbol: str
    at: datetime
    close: Decimal
    session_volume: int | None


class News(msgspec.Struct, frozen=True):
    """news: a headline, as it came (HTML entities stay)."""

    at: datetime
    headline: str
    source: str | None
    tickers: tuple[str, ...]


class Exposure(msgspec.Struct, frozen=True):
    """gex: dealer exposures of a symbol, dollars for a 1 % move; by open interest, by volume, and
    by directed volume."""

    symbol: str
    at: datetime
    price: Decimal | None
    gamma_oi: float | None
    delta_oi: float | None
    charm_oi: float | None
    vanna_oi: float | None
    gamma_volume: float | None
    delta_volume: float | None
    charm_volume: float | None
    vanna_volume: float | None
    gamma_directed: float | None
    charm_directed: float | None
    vanna_directed: float | None


class StrikeExposure(msgspec.Struct, frozen=True, gc=False):
    """gex_strike and gex_strike_expiry: exposures of one strike. Put gamma is negative."""

    symbol: str
    at: datetime
    expiry: date | None
    strike: Decimal
    price: Decimal | None
    call_gamma_oi: float | None
    put_gamma_oi: float | None
    call_gamma_volume: float | None
    put_gamma_volume: float | None
    call_gamma_ask_volume: float | None
    call_gamma_bid_volume: float | None
    put_gamma_ask_volume: float | None
    put_gamma_bid_volume: float | None


class MarketTide(msgspec.Struct, frozen=True):
    """market_tide: increments of about two seconds (the REST series holds totals)."""

    at: datetime
    net_call_premium: float
    net_put_premium: float
    net_volume: int


class NetFlow(msgspec.Struct, frozen=True):
    """net_flow: increments of one symbol's option premium and volume, ask side less bid side."""

    symbol: str
    at: datetime
    net_call_premium: float
    net_call_volume: int
    net_put_premium: float
    net_put_volume: int


class TradingHalt(msgspec.Struct, frozen=True):
    """trading_halts: state is halted, paused, resumed, or another word of the exchange."""

    symbol: str
    at: datetime
    state: str
    reason: str | None


def _contract(option_symbol: str) -> tuple[str, date, Right, Decimal]:
    try:
        return parse_occ_symbol(option_symbol)
    except ValueError as error:
        raise PayloadError(str(error)) from None


def _required_number(fields: Fields, name: str) -> float:
    return float(fields.required_exact(name))


_OPTION_TRADE = Shape(
    required="price id executed_at",
    text="option_symbol option_chain_id id underlying_symbol trade_code exchange",
    exact="price strike nbbo_bid nbbo_ask",
    number="premium underlying_price implied_volatility delta gamma theta vega",
    whole="size open_interest volume ask_vol bid_vol mid_vol no_side_vol multi_vol stock_multi_vol",
    instant="executed_at created_at",
    day="expiry",
    texts="tags report_flags",
    flag="canceled",
)
_PRICE = Shape(required="time close", text="ticker", exact="close", whole="vol", instant="time")
_STRIKE_EXPOSURE = Shape(
    required="strike",
    text="ticker",
    exact="strike price",
    number="call_gamma_oi put_gamma_oi call_gamma_vol put_gamma_vol"
    " call_gamma_ask_vol call_gamma_bid_vol put_gamma_ask_vol put_gamma_bid_vol"
    " call_gamma_ask call_gamma_bid put_gamma_ask put_gamma_bid",
    instant="timestamp time",
    day="expiry",
)


def read_option_trade(payload: bytes) -> OptionTrade:
    """Reads channel option_trades. REST rows name the contract option_chain_id: accepted too."""
    return _OPTION_TRADE.read(payload, _option_trade)


def _option_trade(wire: Any) -> OptionTrade:
    option_symbol = wire.option_symbol or wire.option_chain_id
    if option_symbol is None:
        raise PayloadError("option_chain_id must be text, was None")
    root, expiry, right, strike = _contract(option_symbol)
    price = exact(wire.price)
    size = wire.size or 0
    premium = wire.premium
    return OptionTrade(
        id=wire.id,
        symbol=wire.underlying_symbol or root,
        option_symbol=option_symbol,
        expiry=wire.expiry or expiry,
        right=right,
        strike=exact(wire.strike) or strike,
        executed_at=instant(wire.executed_at),
        created_at=instant(wire.created_at),
        price=price,
        size=size,
        premium=float(price * size * 100) if premium is None else premium,
        bid=exact(wire.nbbo_bid),
        ask=exact(wire.nbbo_ask),
        underlying_price=wire.underlying_price,
        implied_volatility=wire.implied_volatility,
        delta=wire.delta,
        gamma=wire.gamma,
        theta=wire.theta,
        vega=wire.vega,
        open_interest=wire.open_interest,
        volume=wire.volume,
        ask_volume=wire.ask_vol,
        bid_volume=wire.bid_vol,
        mid_volume=wire.mid_vol,
        no_side_volume=wire.no_side_vol,
        multi_volume=wire.multi_vol,
        stock_multi_volume=wire.stock_multi_vol,
        tags=wire.tags,
        report_flags=wire.report_flags,
        trade_codes=tuple([code for code in (wire.trade_code or "").split(",") if code]),
        exchange=wire.exchange,
        is_canceled=flag(wire.canceled),
    )


def read_flow_alert(payload: bytes) -> FlowAlert:
    """Reads channel flow-alerts and rows of /api/option-trades/flow-alerts."""
    fields = read_object(payload)
    option_symbol = fields.required_text("option_chain")
    root, expiry, right, strike = _contract(option_symbol)
    return FlowAlert(
        id=fields.required_text("id"),
        rule_name=fields.text("rule_name") or fields.text("alert_rule"),
        symbol=fields.text("ticker") or root,
        option_symbol=option_symbol,
        expiry=expiry,
        right=right,
        strike=strike,
        start_at=fields.instant("start_time"),
        end_at=fields.required_instant("end_time"),
        price=fields.exact("price"),
        underlying_price=fields.number("underlying_price"),
        total_size=fields.count("total_size"),
        total_premium=fields.number("total_premium") or 0.0,
        ask_side_premium=fields.number("total_ask_side_prem") or 0.0,
        bid_side_premium=fields.number("total_bid_side_prem") or 0.0,
        volume=fields.whole("volume"),
        open_interest=fields.whole("open_interest"),
        trade_count=fields.whole("trade_count"),
        has_sweep=fields.flag("has_sweep") or False,
        has_floor=fields.flag("has_floor") or False,
        has_multi_leg=fields.flag("has_multileg") or False,
        trade_ids=fields.texts("trade_ids"),
    )


def read_price(payload: bytes, symbol: str) -> Price:
    """Reads channel price. `symbol` is the channel's, for payloads that lack the ticker."""
    price = _PRICE.read(payload, _price)
    return price if price.symbol else msgspec.structs.replace(price, symbol=symbol)


def _price(wire: Any) -> Price:
    return Price(
        symbol=wire.ticker or "",
        at=instant(wire.time),
        close=exact(wire.close),
        session_volume=wire.vol,
    )


def read_news(payload: bytes) -> News:
    """Reads channel news and rows of /api/news/headlines."""
    fields = read_object(payload)
    at = fields.instant("timestamp") or fields.required_instant("created_at")
    return News(
        at=at,
        headline=fields.required_text("headline"),
        source=fields.text("source"),
        tickers=fields.texts("tickers"),
    )


def read_exposure(payload: bytes, symbol: str) -> Exposure:
    """Reads channel gex."""
    fields = read_object(payload)

    def per_percent(greek: str, kind: str) -> float | None:
        return fields.number(f"{greek}_per_one_percent_move_{kind}")

    return Exposure(
        symbol=fields.text("ticker") or symbol,
        at=fields.required_instant("timestamp"),
        price=fields.exact("price"),
        gamma_oi=per_percent("gamma", "oi"),
        delta_oi=per_percent("delta", "oi"),
        charm_oi=per_percent("charm", "oi"),
        vanna_oi=per_percent("vanna", "oi"),
        gamma_volume=per_percent("gamma", "vol"),
        delta_volume=per_percent("delta", "vol"),
        charm_volume=per_percent("charm", "vol"),
        vanna_volume=per_percent("vanna", "vol"),
        gamma_directed=per_percent("gamma", "dir"),
        charm_directed=per_percent("charm", "dir"),
        vanna_directed=per_percent("vanna", "dir"),
    )


def read_strike_exposure(payload: bytes, symbol: str) -> StrikeExposure:
    """Reads channels gex_strike and gex_strike_expiry, and REST strike boards, whose split fields
    are named without _vol and whose time is `time`."""
    exposure = _STRIKE_EXPOSURE.read(payload, _strike_exposure)
    return exposure if exposure.symbol else msgspec.structs.replace(exposure, symbol=symbol)


def _strike_exposure(wire: Any) -> StrikeExposure:
    at = instant(wire.timestamp) or instant(wire.time)
    if at is None:
        raise PayloadError("time must be a time with zone, was None")
    return StrikeExposure(
        symbol=wire.ticker or "",
        at=at,
        expiry=wire.expiry,
        strike=exact(wire.strike),
        price=exact(wire.price),
        call_gamma_oi=wire.call_gamma_oi,
        put_gamma_oi=wire.put_gamma_oi,
        call_gamma_volume=wire.call_gamma_vol,
        put_gamma_volume=wire.put_gamma_vol,
        call_gamma_ask_volume=_split(wire, "call_gamma_ask_vol", "call_gamma_ask"),
        call_gamma_bid_volume=_split(wire, "call_gamma_bid_vol", "call_gamma_bid"),
        put_gamma_ask_volume=_split(wire, "put_gamma_ask_vol", "put_gamma_ask"),
        put_gamma_bid_volume=_split(wire, "put_gamma_bid_vol", "put_gamma_bid"),
    )


def _split(wire: Any, name: str, other_name: str) -> float | None:
    value: float | None = getattr(wire, name)
    return getattr(wire, other_name) if value is None else value


def read_market_tide(payload: bytes) -> MarketTide:
    """Reads channel market_tide and rows of /api/market/market-tide."""
    fields = read_object(payload)
    return MarketTide(
        at=fields.required_instant("timestamp"),
        net_call_premium=_required_number(fields, "net_call_premium"),
        net_put_premium=_required_number(fields, "net_put_premium"),
        net_volume=fields.count("net_volume"),
    )


def read_net_flow(payload: bytes, symbol: str) -> NetFlow:
    """Reads channel net_flow."""
    fields = read_object(payload)
    return NetFlow(
        symbol=fields.text("ticker") or symbol,
        at=fields.required_instant("time"),
        net_call_premium=_required_number(fields, "net_call_prem"),
        net_call_volume=fields.count("net_call_vol"),
        net_put_premium=_required_number(fields, "net_put_prem"),
        net_put_volume=fields.count("net_put_vol"),
    )


def read_trading_halt(payload: bytes) -> TradingHalt:
    """Reads channel trading_halts."""
    fields = read_object(payload)
    return TradingHalt(
        symbol=fields.required_text("ticker"),
        at=fields.required_instant("time"),
        state=fields.required_text("state"),
        reason=fields.text("reason"),
    )
