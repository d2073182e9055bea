"""Unusual Whales payloads: socket frames and REST bodies, as recorded, to typed values.

Feeds use `frame_type`, `natural_key` and drift.py; stages and tables use the `read_*` functions,
each of which raises PayloadError when the bytes are not what the channel carries.
"""

from collections.abc import Callable, Mapping
from typing import Any

from domain.events.feeds import (
    UwContractScreenerReceived,
    UwCustomAlertReceived,
    UwFlowAlertReceived,
    UwFrame,
    UwFuturesTradeReceived,
    UwGexReceived,
    UwGexStrikeExpiryReceived,
    UwGexStrikeReceived,
    UwInterpolatedIvReceived,
    UwIntervalFlowReceived,
    UwIvTermStructureReceived,
    UwLitTradeReceived,
    UwMarketTideReceived,
    UwNetFlowReceived,
    UwNewsReceived,
    UwOffLitTradeReceived,
    UwOptionTradeReceived,
    UwPeriscopeReceived,
    UwPriceReceived,
    UwTradingHaltReceived,
)
from domain.payloads.unusual_whales.channels import family, frame_type, natural_key, ticker
from domain.payloads.unusual_whales.drift import Difference, drift, rest_drift
from domain.payloads.unusual_whales.frames_exposure import (
    EXPOSURE,
    STRIKE_EXPOSURE,
    STRIKE_EXPOSURE_ROW,
    Board,
    BoardRow,
    Exposure,
    StrikeExposure,
    read_board,
)
from domain.payloads.unusual_whales.frames_flow import (
    CUSTOM_ALERT,
    FLOW_ALERT,
    INTERVAL_FLOW,
    MARKET_TIDE,
    NET_FLOW,
    NEWS,
    SCREENED_CONTRACT,
    TRADING_HALT,
    CustomAlert,
    FlowAlert,
    IntervalFlow,
    MarketTide,
    NetFlow,
    News,
    ScreenedContract,
    TradingHalt,
)
from domain.payloads.unusual_whales.frames_trades import (
    FUTURES_TRADE,
    OPTION_TRADE,
    PRICE,
    SHARE_TRADE,
    FuturesTrade,
    OptionTrade,
    Price,
    ShareTrade,
)
from domain.payloads.unusual_whales.frames_volatility import (
    EXPIRY_IV,
    INTERPOLATED_IV,
    ExpiryIv,
    InterpolatedIv,
)
from domain.payloads.unusual_whales.reading import PayloadError
from domain.payloads.unusual_whales.rest_rows import (
    CalendarLine,
    ContractRow,
    NetPremiumTick,
    PaidDividend,
    TideRow,
    VolatilityRank,
    read_dividends,
    read_economic_calendar,
    read_iv_rank,
    read_market_tide_rows,
    read_net_premium_ticks,
    read_option_contracts,
)

read_option_trade = OPTION_TRADE.read
read_price = PRICE.read
read_share_trade = SHARE_TRADE.read
read_futures_trade = FUTURES_TRADE.read
read_flow_alert = FLOW_ALERT.read
read_market_tide = MARKET_TIDE.read
read_net_flow = NET_FLOW.read
read_interval_flow = INTERVAL_FLOW.read
read_screened_contract = SCREENED_CONTRACT.read
read_news = NEWS.read
read_trading_halt = TRADING_HALT.read
read_custom_alert = CUSTOM_ALERT.read
read_exposure = EXPOSURE.read
read_strike_exposure = STRIKE_EXPOSURE.read
read_strike_exposure_row = STRIKE_EXPOSURE_ROW.read
read_interpolated_iv = INTERPOLATED_IV.read
read_expiry_iv = EXPIRY_IV.read

READERS: Mapping[type[UwFrame], Callable[[bytes, str], Any]] = {
    UwOptionTradeReceived: read_option_trade,
    UwFlowAlertReceived: read_flow_alert,
    UwPriceReceived: read_price,
    UwNewsReceived: read_news,
    UwGexReceived: read_exposure,
    UwGexStrikeReceived: read_strike_exposure,
    UwGexStrikeExpiryReceived: read_strike_exposure,
    UwMarketTideReceived: read_market_tide,
    UwNetFlowReceived: read_net_flow,
    UwTradingHaltReceived: read_trading_halt,
    UwIntervalFlowReceived: read_interval_flow,
    UwContractScreenerReceived: read_screened_contract,
    UwLitTradeReceived: read_share_trade,
    UwOffLitTradeReceived: read_share_trade,
    UwCustomAlertReceived: read_custom_alert,
    UwInterpolatedIvReceived: read_interpolated_iv,
    UwIvTermStructureReceived: read_expiry_iv,
    UwPeriscopeReceived: read_board,
    UwFuturesTradeReceived: read_futures_trade,
}
"""How the payload of a frame becomes a typed value, given the ticker of its channel."""

__all__ = [
    "READERS",
    "Board",
    "BoardRow",
    "CalendarLine",
    "ContractRow",
    "CustomAlert",
    "Difference",
    "ExpiryIv",
    "Exposure",
    "FlowAlert",
    "FuturesTrade",
    "InterpolatedIv",
    "IntervalFlow",
    "MarketTide",
    "NetFlow",
    "NetPremiumTick",
    "News",
    "OptionTrade",
    "PaidDividend",
    "PayloadError",
    "Price",
    "ScreenedContract",
    "ShareTrade",
    "StrikeExposure",
    "TideRow",
    "TradingHalt",
    "VolatilityRank",
    "drift",
    "family",
    "frame_type",
    "natural_key",
    "read_board",
    "read_custom_alert",
    "read_dividends",
    "read_economic_calendar",
    "read_expiry_iv",
    "read_exposure",
    "read_flow_alert",
    "read_futures_trade",
    "read_interpolated_iv",
    "read_interval_flow",
    "read_iv_rank",
    "read_market_tide",
    "read_market_tide_rows",
    "read_net_flow",
    "read_net_premium_ticks",
    "read_news",
    "read_option_contracts",
    "read_option_trade",
    "read_price",
    "read_screened_contract",
    "read_share_trade",
    "read_strike_exposure",
    "read_strike_exposure_row",
    "read_trading_halt",
    "rest_drift",
    "ticker",
]
