"""Socket payloads of option flow and of words: alerts, tide, windows, screens, headlines, halts."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from domain.instruments import Right
from domain.payloads.unusual_whales.frames_trades import contract
from domain.payloads.unusual_whales.shapes import Codec, symbol_of


class FlowAlert(msgspec.Struct, frozen=True, gc=False):
    """flow-alerts: trades of one contract that a vendor rule found worth a line.

    Volumes are the session totals of the contract, not the split of the alert.
    """

    symbol: str
    expiry: date
    right: Right
    strike: Decimal
    option_symbol: str
    id: str
    rule_id: str | None
    rule_name: str | None
    start_at: datetime | None
    end_at: datetime
    price: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    underlying_price: Decimal | None
    total_size: int
    total_premium: Decimal | None
    ask_side_premium: Decimal | None
    bid_side_premium: Decimal | None
    trade_count: int | None
    expiry_count: int | None
    open_interest: int | None
    volume: int | None
    ask_volume: int | None
    bid_volume: int | None
    mid_volume: int | None
    no_side_volume: int | None
    multi_volume: int | None
    stock_multi_volume: int | None
    has_sweep: bool
    has_floor: bool
    has_multi_leg: bool
    has_single_leg: bool | None
    all_opening_trades: bool | None
    trade_ids: tuple[str, ...]
    exchanges: tuple[str, ...]
    conditions: tuple[str, ...]


class MarketTide(msgspec.Struct, frozen=True, gc=False):
    """market_tide: increments of about two seconds (the REST series holds totals)."""

    at: datetime
    net_call_premium: Decimal
    net_put_premium: Decimal
    net_volume: int | None
    otm_net_call_premium: Decimal | None
    otm_net_put_premium: Decimal | None
    otm_net_volume: int | None


class NetFlow(msgspec.Struct, frozen=True, gc=False):
    """net_flow: increments of one symbol's option premium and volume, ask side less bid side."""

    symbol: str
    at: datetime
    net_call_premium: Decimal
    net_call_volume: int | None
    net_put_premium: Decimal
    net_put_volume: int | None


class IntervalFlow(msgspec.Struct, frozen=True, gc=False):
    """interval_flow: a window of five minutes of one symbol, repeated while it fills: of
    (symbol, interval_type, start_at) the newest `at` counts. Volatilities are basis points."""

    symbol: str
    interval_type: str
    start_at: datetime
    at: datetime
    transactions: int | None
    call_volume: int | None
    put_volume: int | None
    call_volume_ask_side: int | None
    call_volume_bid_side: int | None
    call_volume_neutral_side: int | None
    put_volume_ask_side: int | None
    put_volume_bid_side: int | None
    put_volume_neutral_side: int | None
    call_sweep_volume: int | None
    put_sweep_volume: int | None
    call_floor_volume: int | None
    put_floor_volume: int | None
    call_cross_volume: int | None
    put_cross_volume: int | None
    call_multi_volume: int | None
    put_multi_volume: int | None
    cumulative_net_call_delta: float | None
    cumulative_net_put_delta: float | None
    average_days_to_expiry: float | None
    average_out_of_the_money: float | None
    average_size: float | None
    average_premium: Decimal | None
    net_call_premium: Decimal | None
    net_put_premium: Decimal | None
    open: Decimal | None
    close: Decimal | None
    implied_move_30d_open_bps: float | None
    implied_move_30d_close_bps: float | None
    volatility_30d_open_bps: float | None
    volatility_30d_close_bps: float | None
    delta_flow: float | None
    gamma_flow: float | None
    vega_flow: float | None
    directional_delta_flow: float | None
    directional_gamma_flow: float | None
    directional_vega_flow: float | None


class ScreenedContract(msgspec.Struct, frozen=True, gc=False):
    """contract_screener: a snapshot of one active contract."""

    symbol: str
    expiry: date
    right: Right
    strike: Decimal
    option_symbol: str
    at: datetime
    volume: int
    open_interest: int | None
    previous_open_interest: int | None
    trades: int | None
    premium: Decimal | None
    ask_side_volume: int | None
    bid_side_volume: int | None
    neutral_volume: int | None
    mid_volume: int | None
    floor_volume: int | None
    sweep_volume: int | None
    cross_volume: int | None
    multi_leg_volume: int | None
    stock_multi_leg_volume: int | None
    days_of_oi_increases: int | None
    days_of_volume_above_oi: int | None
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    average_price: Decimal | None
    previous_close: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    implied_volatility: float | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    ask_side_share_7_days: float | None
    bid_side_share_7_days: float | None
    is_new: bool | None


class News(msgspec.Struct, frozen=True, gc=False):
    """news: a headline, as it came (HTML entities stay)."""

    at: datetime
    headline: str
    source: str | None
    tickers: tuple[str, ...]
    is_trump_ts: bool | None


class TradingHalt(msgspec.Struct, frozen=True, gc=False):
    """trading_halts: state is halted, paused, resumed, or another word of the exchange."""

    symbol: str
    at: datetime
    state: str
    reason: str | None


class CustomAlert(msgspec.Struct, frozen=True, gc=False):
    """custom_alerts: an alert that was set up on our account; what it says is in the payload's
    `meta`, whose shape depends on the type."""

    name: str | None
    alert_type: str
    configuration_id: str | None
    about: str | None
    about_type: str | None
    at: datetime


def _contract(wire: Any) -> tuple[Any, ...]:
    return contract(wire.option_symbol)


def _alert_contract(wire: Any) -> tuple[Any, ...]:
    root, expiry, right, strike = contract(wire.option_chain)
    return symbol_of(wire.ticker or root), expiry, right, strike


_SIDES = {
    f"{side}_volume": f"{side}_vol"
    for side in ("ask", "bid", "mid", "no_side", "multi", "stock_multi")
}
FLOW_ALERT = Codec(
    FlowAlert,
    lead=_alert_contract,
    lead_fields=4,
    also={"text": "ticker"},
    option_symbol="option_chain",
    start_at="start_time",
    end_at="end_time",
    ask_side_premium="total_ask_side_prem",
    bid_side_premium="total_bid_side_prem",
    has_multi_leg="has_multileg",
    has_single_leg="has_singleleg",
    conditions="upstream_condition_details",
    names_on_wire=_SIDES,
)
MARKET_TIDE = Codec(MarketTide, at="timestamp")
NET_FLOW = Codec(
    NetFlow,
    symbol="ticker",
    at="time",
    net_call_premium="net_call_prem",
    net_call_volume="net_call_vol",
    net_put_premium="net_put_prem",
    net_put_volume="net_put_vol",
)
INTERVAL_FLOW = Codec(
    IntervalFlow,
    symbol="ticker",
    start_at="start_time",
    at="tape_time",
    cumulative_net_call_delta="cum_net_call_delta",
    cumulative_net_put_delta="cum_net_put_delta",
    average_days_to_expiry="avg_dte",
    average_out_of_the_money="avg_otm",
    average_size="avg_size",
    average_premium="avg_prem",
    net_call_premium="net_call_prem",
    net_put_premium="net_put_prem",
    implied_move_30d_open_bps="implied_move_perc_30d_open",
    implied_move_30d_close_bps="implied_move_perc_30d_close",
    volatility_30d_open_bps="volatility_30d_open",
    volatility_30d_close_bps="volatility_30d_close",
    directional_delta_flow="dir_delta_flow",
    directional_gamma_flow="dir_gamma_flow",
    directional_vega_flow="dir_vega_flow",
    names_on_wire={
        name: name.replace("_volume", "_vol")
        for name in IntervalFlow.__struct_fields__
        if name.startswith(("call_", "put_"))
    },
)
SCREENED_CONTRACT = Codec(
    ScreenedContract,
    lead=_contract,
    lead_fields=4,
    at="tape_time",
    previous_open_interest="prev_oi",
    multi_leg_volume="multileg_volume",
    days_of_volume_above_oi="days_of_vol_greater_than_oi",
    average_price="avg_price",
    previous_close="chain_prev_close",
    implied_volatility="iv",
    ask_side_share_7_days="ask_side_perc_7_day",
    bid_side_share_7_days="bid_side_perc_7_day",
)
NEWS = Codec(News, at="timestamp")
TRADING_HALT = Codec(TradingHalt, symbol="ticker", at="time")
CUSTOM_ALERT = Codec(
    CustomAlert,
    alert_type="noti_type",
    configuration_id="user_noti_config_id",
    about="symbol",
    about_type="symbol_type",
    at="tape_time",
)
