"""Unusual Whales payloads: socket frames and REST bodies, as recorded, to typed values.

Feeds use `frame_type`, `natural_key` and `drift`; stages use the `read_*` functions, each of which
raises PayloadError when the bytes are not what the channel carries.
"""

from domain.payloads.unusual_whales.channels import (
    drift,
    family,
    frame_type,
    natural_key,
    rest_drift,
    ticker,
)
from domain.payloads.unusual_whales.reading import PayloadError
from domain.payloads.unusual_whales.rest_rows import (
    CalendarLine,
    ContractRow,
    NetPremiumTick,
    VolatilityRank,
    read_economic_calendar,
    read_iv_rank,
    read_market_tide_rows,
    read_net_premium_ticks,
    read_option_contracts,
)
from domain.payloads.unusual_whales.socket_frames import (
    Exposure,
    FlowAlert,
    MarketTide,
    NetFlow,
    News,
    OptionTrade,
    Price,
    StrikeExposure,
    TradingHalt,
    read_exposure,
    read_flow_alert,
    read_market_tide,
    read_net_flow,
    read_news,
    read_option_trade,
    read_price,
    read_strike_exposure,
    read_trading_halt,
)

__all__ = [
    "CalendarLine",
    "ContractRow",
    "Exposure",
    "FlowAlert",
    "MarketTide",
    "NetFlow",
    "NetPremiumTick",
    "News",
    "OptionTrade",
    "PayloadError",
    "Price",
    "StrikeExposure",
    "TradingHalt",
    "VolatilityRank",
    "drift",
    "family",
    "frame_type",
    "natural_key",
    "read_economic_calendar",
    "read_exposure",
    "read_flow_alert",
    "read_iv_rank",
    "read_market_tide",
    "read_market_tide_rows",
    "read_net_flow",
    "read_net_premium_ticks",
    "read_news",
    "read_option_contracts",
    "read_option_trade",
    "read_price",
    "read_strike_exposure",
    "read_trading_halt",
    "rest_drift",
    "ticker",
]
