"""Fields of each channel as the vendor sends them today; the table drift is told by.

Each field with the kinds of JSON value that it was seen with. From the vendor's documentation and
public recordings. A field that is `null` or an empty text is of every kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from domain.payloads.unusual_whales.reading import JsonValue, looks_numeric


class Known(NamedTuple):
    """Fields that are expected in every payload, and those that come and go, with their kinds."""

    required: Mapping[str, str]
    optional: Mapping[str, str]


def kind_of(value: JsonValue) -> str:
    """What a field holds: text, decimal (a number in a text), whole, number, flag, list, object;
    empty for null and an empty text."""
    if isinstance(value, str):
        return "decimal" if looks_numeric(value) else "text" if value else ""
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int):
        return "whole"
    if isinstance(value, list):
        return "list"
    if isinstance(value, dict):
        return "object"
    return "" if value is None else "number"


FITS: Mapping[str, frozenset[str]] = {
    "text": frozenset({"", "text", "decimal"}),
    "decimal": frozenset({"", "decimal"}),
    "whole": frozenset({"", "whole"}),
    "number": frozenset({"", "number", "whole"}),
    "loose": frozenset({"", "decimal", "number", "whole"}),
    "flag": frozenset({"", "flag"}),
    "list": frozenset({"", "list"}),
    "object": frozenset({"", "object"}),
}
"""Kinds of values that are no drift in a field of a kind. `loose` was seen in more than one way."""


def fields(**names_by_kind: str) -> dict[str, str]:
    return {name: kind for kind, names in names_by_kind.items() for name in names.split()}


def crossed(prefixes: str, greeks: str, suffixes: str) -> str:
    return " ".join(
        f"{prefix}{greek}{suffix}"
        for prefix in prefixes.split() or [""]
        for greek in greeks.split()
        for suffix in suffixes.split()
    )


def known(optional: Mapping[str, str] | None = None, **names_by_kind: str) -> Known:
    return Known(fields(**names_by_kind), optional or {})


_MOVE = "_per_one_percent_move_"
_SIDE_VOLUMES = "ask_vol bid_vol mid_vol no_side_vol multi_vol stock_multi_vol"
_BOARD = "strike price " + crossed("call_ put_", "gamma charm vanna", "_oi _vol _ask_vol _bid_vol")
_BOARD_DELTAS = fields(decimal=crossed("call_ put_", "delta", "_oi _vol"))
_SHARES = known(
    text="symbol type trade_settlement trade_code ext_hour_sold_codes sale_cond_codes executed_at"
    " trf_executed_at sector next_earnings_date issue_type",
    decimal="price nbbo_bid nbbo_ask avg30_volume marketcap",
    whole="size volume nbbo_bid_quantity nbbo_ask_quantity",
)
_FUTURES = known(text="contract executed_at side", decimal="price", whole="size")

CHANNELS: Mapping[str, Known] = {
    "option_trades": known(
        fields(flag="canceled"),
        text="id underlying_symbol option_symbol expiry option_type trade_code exchange",
        decimal="strike price premium nbbo_bid nbbo_ask ewma_nbbo_bid ewma_nbbo_ask"
        " underlying_price implied_volatility delta gamma theta vega rho theo",
        whole=f"executed_at created_at size open_interest volume {_SIDE_VOLUMES}",
        list="tags report_flags",
    ),
    "flow-alerts": known(
        text="id rule_id rule_name ticker option_chain url",
        decimal="bid ask",
        number="underlying_price price total_premium total_ask_side_prem total_bid_side_prem"
        " volume_oi_ratio",
        whole="volume total_size open_interest trade_count expiry_count start_time end_time"
        f" executed_at {_SIDE_VOLUMES}",
        flag="has_sweep has_floor has_multileg has_singleleg all_opening_trades",
        list="trade_ids exchanges upstream_condition_details",
    ),
    "price": known(fields(text="ticker"), decimal="close", whole="time vol"),
    "news": known(text="headline timestamp source", list="tickers", flag="is_trump_ts"),
    "gex": known(
        text="ticker",
        whole="timestamp",
        decimal=f"price {crossed('', 'gamma delta charm vanna', f'{_MOVE}oi {_MOVE}vol')}"
        f" {crossed('', 'gamma charm vanna', f'{_MOVE}dir')}",
    ),
    "gex_strike": known(_BOARD_DELTAS, text="ticker", whole="timestamp", decimal=_BOARD),
    "gex_strike_expiry": known(
        _BOARD_DELTAS, text="ticker expiry", whole="timestamp", decimal=_BOARD
    ),
    "market_tide": known(
        text="timestamp",
        whole="net_volume otm_net_volume",
        decimal="net_call_premium net_put_premium otm_net_call_premium otm_net_put_premium",
    ),
    "net_flow": known(
        text="ticker",
        decimal="net_call_prem net_put_prem",
        whole="net_call_vol net_put_vol time",
    ),
    "trading_halts": known(text="ticker state reason time"),
    "interval_flow": known(
        text="ticker interval_type start_time tape_time",
        whole="call_vol put_vol transactions cum_net_call_delta cum_net_put_delta net_call_prem"
        " net_put_prem delta_flow gamma_flow vega_flow dir_delta_flow dir_gamma_flow dir_vega_flow"
        " implied_move_perc_30d_open implied_move_perc_30d_close volatility_30d_open"
        " volatility_30d_close"
        f" {crossed('call_vol_ put_vol_', 'ask bid neutral', '_side')}"
        f" {crossed('call_ put_', 'sweep floor cross multi', '_vol')}",
        decimal="avg_dte avg_otm avg_size avg_prem open close",
    ),
    "contract_screener": known(
        text="option_symbol tape_time",
        whole="volume open_interest prev_oi trades ask_side_volume bid_side_volume neutral_volume"
        " mid_volume floor_volume sweep_volume cross_volume multileg_volume"
        " stock_multi_leg_volume days_of_oi_increases days_of_vol_greater_than_oi",
        decimal="premium open high low close avg_price bid ask iv delta gamma theta vega"
        " chain_prev_close ask_side_perc_7_day bid_side_perc_7_day",
        flag="is_new",
    ),
    "lit_trades": _SHARES,
    "off_lit_trades": _SHARES,
    "custom_alerts": known(
        text="name noti_type user_noti_config_id user_id symbol symbol_type tape_time",
        object="meta",
    ),
    "interpolated_iv": known(
        text="ticker date",
        whole="days",
        number="volatility implied_move implied_move_perc",
        flag="is_exact",
    ),
    "iv_term_structure": known(
        text="ticker date expiry", number="volatility implied_move implied_move_perc"
    ),
    "periscope": known(text="ticker", whole="timestamp total_rows", flag="has_more", list="rows"),
    "futures_trades": _FUTURES,
    "futures": _FUTURES,
}
