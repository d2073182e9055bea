"""The fields that the vendor's rows are documented to have, by call and by channel."""

from __future__ import annotations

import re
from itertools import product


def _names(text: str) -> frozenset[str]:
    """Words, where {a,b}_c stands for a_c and b_c."""
    found: set[str] = set()
    for word in text.split():
        parts = re.split(r"\{(.+?)\}", word)
        choices = [part.split(",") if odd % 2 else [part] for odd, part in enumerate(parts)]
        found.update("".join(form) for form in product(*choices))
    return frozenset(found)


_BOARD = "date time strike price {call,put}_{gamma,delta,charm,vanna}_{oi,vol,ask,bid}"
ANSWERS: dict[str, frozenset[str]] = {
    name: _names(text)
    for name, text in {
        "darkpool": "ticker executed_at trf_executed_at price size premium volume nbbo_bid "
        "nbbo_ask nbbo_bid_quantity nbbo_ask_quantity market_center tracking_id canceled "
        "trade_settlement trade_code sale_cond_codes ext_hour_sold_codes",
        "economic-calendar": "type event time reported_period prev forecast",
        "market-tide": "timestamp date net_call_premium net_put_premium net_volume",
        "etf-tide": "timestamp date net_call_premium net_put_premium net_volume underlying_price",
        "news": "headline source created_at tickers tags is_major sentiment meta",
        "flow-alerts": "id rule_id alert_rule ticker option_chain type strike expiry price bid ask "
        "underlying_price total_premium total_ask_side_prem total_bid_side_prem total_size "
        "trade_count volume open_interest volume_oi_ratio iv_start iv_end start_time end_time "
        "created_at has_sweep has_floor has_multileg has_singleleg all_opening_trades "
        "expiry_count sector issue_type marketcap next_earnings_date er_time",
        "gex-levels": "call_wall put_wall gamma_magnet gamma_flip",
        "greek-exposure": "date {call,put}_{gamma,delta,charm,vanna}",
        "greek-exposure-strike": "date strike {call,put}_{gex,delta,charm,vanna}",
        "greek-flow": "ticker timestamp transactions volume {dir,total}_{delta,vega}_flow "
        "otm_{dir,total}_{delta,vega}_flow",
        "greeks": "date expiry strike call_option_symbol put_option_symbol "
        "{call,put}_{delta,gamma,theta,vega,rho,charm,vanna,volatility}",
        "interpolated-iv": "date days volatility implied_move_perc percentile",
        "iv-rank": "date close volatility iv_rank_1y updated_at",
        "max-pain": "expiry max_pain close open next_upper_strike next_lower_strike",
        "net-prem-ticks": "date tape_time call_volume put_volume {call,put}_volume_{ask,bid}_side "
        "net_{call,put}_{volume,premium} net_delta",
        "ohlc-1m": "open high low close volume total_volume market_time start_time end_time",
        "ohlc-1d": "open high low close volume total_volume market_time date",
        "oi-change": "option_symbol underlying_symbol curr_date last_date curr_oi last_oi "
        "oi_diff_plain volume trades rnk oi_change percentage_of_total avg_price last_fill "
        "last_bid last_ask days_of_oi_increases days_of_vol_greater_than_oi "
        "prev_{ask,bid,mid,neutral,multi_leg,stock_multi_leg}_volume prev_total_premium",
        "option-contracts": "option_symbol volume open_interest prev_oi ask_volume bid_volume "
        "mid_volume no_side_volume sweep_volume floor_volume multi_leg_volume "
        "stock_multi_leg_volume nbbo_bid nbbo_ask total_premium last_price avg_price high_price "
        "low_price implied_volatility",
        "options-volume": "date {call,put}_volume {call,put}_volume_{ask,bid}_side "
        "{call,put}_open_interest {call,put}_premium net_{call,put}_premium bullish_premium "
        "bearish_premium avg_{3,7,30}_day_{call,put}_volume",
        "spot-exposures": "ticker ticker_id time start_time price "
        "{gamma,charm,vanna}_per_one_percent_move_{oi,vol,dir}",
        "stock-state": "open high low close prev_close volume total_volume tape_time market_time",
        "strike-board": f"ticker {_BOARD}",
        "expiry-strike-board": f"ticker expiry {_BOARD}",
        "term-structure": "date ticker expiry dte volatility implied_move implied_move_perc",
        "volatility-stats": "date ticker iv iv_high iv_low rv rv_high rv_low iv_rank",
    }.items()
}

_GREEK_STRIKE = "ticker strike price timestamp {call,put}_{gamma,charm,vanna}_{oi,vol} "
_GREEK_STRIKE += "{call,put}_{gamma,charm,vanna}_{ask_vol,bid_vol}"
_PRINT = "symbol price type size volume trade_settlement trade_code ext_hour_sold_codes "
_PRINT += "sale_cond_codes executed_at trf_executed_at nbbo_bid nbbo_ask nbbo_bid_quantity "
_PRINT += "nbbo_ask_quantity"
FRAMES: dict[str, tuple[str, frozenset[str]]] = {
    family: (section, _names(text))
    for family, (section, text) in {
        "option_trades": (
            "3.1",
            "id underlying_symbol executed_at nbbo_bid nbbo_ask size price option_symbol "
            "created_at report_flags tags expiry option_type open_interest strike premium volume "
            "underlying_price ewma_nbbo_ask ewma_nbbo_bid implied_volatility delta theta gamma "
            "vega rho theo trade_code exchange ask_vol bid_vol no_side_vol mid_vol multi_vol "
            "stock_multi_vol",
        ),
        "flow-alerts": (
            "3.2",
            "rule_id rule_name ticker option_chain underlying_price volume total_size "
            "total_premium total_ask_side_prem total_bid_side_prem start_time end_time url price "
            "has_multileg has_sweep has_floor open_interest all_opening_trades id has_singleleg "
            "volume_oi_ratio trade_ids trade_count expiry_count executed_at ask_vol bid_vol "
            "no_side_vol mid_vol multi_vol stock_multi_vol upstream_condition_details exchanges "
            "bid ask",
        ),
        "price": ("3.3", "ticker close time vol"),
        "news": ("3.4", "headline timestamp source tickers is_trump_ts"),
        "gex": (
            "3.5",
            "ticker timestamp price {gamma,delta,charm,vanna}_per_one_percent_move_{oi,vol} "
            "{gamma,charm,vanna}_per_one_percent_move_dir",
        ),
        "gex_strike": ("3.6", _GREEK_STRIKE),
        "gex_strike_expiry": ("3.7", f"expiry {_GREEK_STRIKE}"),
        "market_tide": (
            "3.9",
            "timestamp net_volume net_call_premium net_put_premium otm_net_volume "
            "otm_net_call_premium otm_net_put_premium",
        ),
        "net_flow": (
            "3.10",
            "ticker net_call_prem net_call_vol net_put_prem net_put_vol time",
        ),
        "interval_flow": (
            "3.11",
            "ticker interval_type start_time tape_time call_vol put_vol transactions "
            "net_call_prem net_put_prem delta_flow gamma_flow vega_flow",
        ),
        "contract_screener": (
            "3.12",
            "option_symbol tape_time volume open_interest prev_oi premium bid ask",
        ),
        "off_lit_trades": ("3.13", _PRINT),
        "trading_halts": ("3.14", "ticker state reason time"),
        "custom_alerts": (
            "3.15",
            "name noti_type user_noti_config_id symbol symbol_type tape_time meta",
        ),
        "interpolated_iv": (
            "3.16",
            "ticker date days volatility implied_move implied_move_perc is_exact",
        ),
        "iv_term_structure": (
            "3.17",
            "ticker date expiry volatility implied_move implied_move_perc",
        ),
    }.items()
}
