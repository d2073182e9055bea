"""Fields of each channel and REST row as the vendor sends them today; the tables drift is told by.

REQUIRED are expected in every payload, OPTIONAL come and go. From the vendor's documentation and
public recordings.
"""

from __future__ import annotations

from collections.abc import Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _crossed(prefixes: str, greeks: str, suffixes: str) -> frozenset[str]:
    return frozenset(
        f"{prefix}{greek}{suffix}"
        for prefix in prefixes.split() or [""]
        for greek in greeks.split()
        for suffix in suffixes.split()
    )


_MOVE = "_per_one_percent_move_"
_STRIKE_BOARD = (
    _words("ticker strike price timestamp")
    | _crossed("call_ put_", "gamma charm vanna", "_oi _vol _ask_vol _bid_vol")
)  # fmt: skip
_STRIKE_DELTAS = _crossed("call_ put_", "delta", "_oi _vol")
_SIDE_VOLUMES = "ask_vol bid_vol mid_vol no_side_vol multi_vol stock_multi_vol"

REQUIRED: Mapping[str, frozenset[str]] = {
    "option_trades": _words(
        "id underlying_symbol option_symbol expiry option_type strike executed_at created_at size"
        " price premium nbbo_bid nbbo_ask ewma_nbbo_bid ewma_nbbo_ask underlying_price"
        " implied_volatility delta gamma theta vega rho theo open_interest volume tags trade_code"
        f" exchange report_flags {_SIDE_VOLUMES}"
    ),
    "flow-alerts": _words(
        "id rule_id rule_name ticker option_chain underlying_price price total_premium"
        " total_ask_side_prem total_bid_side_prem volume_oi_ratio volume total_size open_interest"
        " trade_count expiry_count start_time end_time executed_at has_sweep has_floor"
        " has_multileg has_singleleg all_opening_trades trade_ids exchanges"
        f" upstream_condition_details bid ask url {_SIDE_VOLUMES}"
    ),
    "price": _words("close time vol"),
    "news": _words("headline timestamp source tickers is_trump_ts"),
    "gex": _words("ticker timestamp price")
    | _crossed("", "gamma delta charm vanna", f"{_MOVE}oi {_MOVE}vol")
    | _crossed("", "gamma charm vanna", f"{_MOVE}dir"),
    "gex_strike": _STRIKE_BOARD,
    "gex_strike_expiry": _STRIKE_BOARD | {"expiry"},
    "market_tide": _words(
        "timestamp net_volume net_call_premium net_put_premium otm_net_volume"
        " otm_net_call_premium otm_net_put_premium"
    ),
    "net_flow": _words("ticker net_call_prem net_call_vol net_put_prem net_put_vol time"),
    "trading_halts": _words("ticker state reason time"),
    "/api/stock/{ticker}/option-contracts": _words(
        "option_symbol volume open_interest prev_oi ask_volume bid_volume mid_volume"
        " no_side_volume sweep_volume floor_volume multi_leg_volume stock_multi_leg_volume"
        " nbbo_bid nbbo_ask total_premium last_price avg_price high_price low_price"
        " implied_volatility"
    ),
    "/api/market/market-tide": _words("timestamp net_call_premium net_put_premium net_volume"),
    "/api/stock/{ticker}/net-prem-ticks": _words(
        "date tape_time call_volume put_volume call_volume_ask_side call_volume_bid_side"
        " put_volume_ask_side put_volume_bid_side net_call_volume net_put_volume"
        " net_call_premium net_put_premium net_delta"
    ),
    "/api/stock/{ticker}/iv-rank": _words("date close volatility iv_rank_1y updated_at"),
    "/api/market/economic-calendar": _words("type event time reported_period prev forecast"),
}

OPTIONAL: Mapping[str, frozenset[str]] = {
    "price": _words("ticker"),
    "option_trades": _words("canceled"),
    "gex_strike": _STRIKE_DELTAS,
    "gex_strike_expiry": _STRIKE_DELTAS,
    "/api/stock/{ticker}/option-contracts": _words(
        "delta gamma theta vega rho cross_volume last_tape_time"
    ),
    "/api/market/market-tide": _words("date"),
}
