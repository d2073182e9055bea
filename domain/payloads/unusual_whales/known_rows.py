"""Fields of the rows of REST bodies as the vendor sends them today; drift is told by them.

Of the endpoints that are asked all day. Where the vendor's document and recordings differ a field
is loose or optional.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.payloads.unusual_whales.known_fields import Known, crossed, fields, known

_STOCK = "/api/stock/{ticker}"
_BOARD = crossed("call_ put_", "gamma delta charm vanna", "_oi _vol _ask _bid")
_FOUR_SIDES = (
    "call_volume put_volume call_volume_ask_side call_volume_bid_side put_volume_ask_side"
    " put_volume_bid_side"
)

ROWS: Mapping[str, Known] = {
    "/api/darkpool/{ticker}": known(
        text="ticker executed_at trf_executed_at market_center trade_settlement trade_code"
        " sale_cond_codes ext_hour_sold_codes",
        decimal="price premium nbbo_bid nbbo_ask",
        whole="size volume nbbo_bid_quantity nbbo_ask_quantity tracking_id",
        flag="canceled",
    ),
    "/api/market/economic-calendar": known(text="type event time reported_period prev forecast"),
    "/api/market/market-tide": known(
        fields(text="date"),
        text="timestamp",
        decimal="net_call_premium net_put_premium",
        whole="net_volume",
    ),
    "/api/market/{ticker}/etf-tide": known(
        text="timestamp date",
        decimal="net_call_premium net_put_premium net_volume underlying_price",
    ),
    "/api/net-flow/expiry": known(fields(text="date expiration moneyness tide_type"), list="data"),
    "/api/news/headlines": known(
        text="headline source created_at sentiment",
        list="tickers tags",
        flag="is_major",
        object="meta",
    ),
    "/api/option-trades": known(
        fields(
            text="expiry option_type option_symbol trade_code exchange upstream_condition_detail"
            " flow_alert_id rule_id sector industry_type full_name next_earnings_date er_time",
            decimal="strike nbbo_bid nbbo_ask ewma_nbbo_bid ewma_nbbo_ask underlying_price"
            " implied_volatility delta gamma theta vega rho theo marketcap",
            whole="open_interest created_at ask_vol bid_vol mid_vol no_side_vol multi_vol"
            " stock_multi_vol",
            flag="canceled is_agg",
            list="tags report_flags trade_ids upstream_condition_details",
        ),
        text="id option_chain_id underlying_symbol executed_at",
        decimal="price premium",
        whole="size volume",
    ),
    "/api/option-trades/flow-alerts": known(
        text="id rule_id alert_rule ticker option_chain type expiry created_at sector issue_type"
        " next_earnings_date er_time",
        decimal="strike price bid ask underlying_price total_premium total_ask_side_prem"
        " total_bid_side_prem volume_oi_ratio iv_start iv_end marketcap",
        whole="total_size trade_count volume open_interest start_time end_time expiry_count",
        flag="has_sweep has_floor has_multileg has_singleleg all_opening_trades",
    ),
    f"{_STOCK}/expiry-breakdown": known(
        fields(text="expires expiry"), whole="chains open_interest volume"
    ),
    f"{_STOCK}/gex-levels": known(
        fields(text="date source"), loose="call_wall put_wall gamma_magnet gamma_flip"
    ),
    f"{_STOCK}/greek-flow": known(
        fields(decimal=crossed("otm_dir_ otm_total_", "delta vega", "_flow")),
        text="ticker timestamp",
        whole="transactions volume",
        decimal=crossed("dir_ total_", "delta vega", "_flow"),
    ),
    f"{_STOCK}/greeks": known(
        text="date expiry call_option_symbol put_option_symbol",
        decimal="strike "
        + crossed("call put", "_", "delta gamma theta vega rho charm vanna volatility"),
    ),
    f"{_STOCK}/interpolated-iv": known(
        text="date", whole="days", decimal="volatility implied_move_perc percentile"
    ),
    f"{_STOCK}/iv-rank": known(text="date updated_at", decimal="close volatility iv_rank_1y"),
    f"{_STOCK}/max-pain": known(
        text="expiry", decimal="max_pain close open next_upper_strike next_lower_strike"
    ),
    f"{_STOCK}/net-prem-ticks": known(
        text="date tape_time",
        whole=f"net_call_volume net_put_volume {_FOUR_SIDES}",
        decimal="net_call_premium net_put_premium net_delta",
    ),
    f"{_STOCK}/ohlc/{{candle_size}}": known(
        fields(text="start_time end_time date"),
        text="market_time",
        decimal="open high low close",
        whole="volume total_volume",
    ),
    f"{_STOCK}/oi-change": known(
        text="option_symbol underlying_symbol curr_date last_date",
        whole="curr_oi last_oi oi_diff_plain volume trades rnk days_of_oi_increases"
        " days_of_vol_greater_than_oi prev_ask_volume prev_bid_volume prev_mid_volume"
        " prev_neutral_volume prev_multi_leg_volume prev_stock_multi_leg_volume",
        decimal="oi_change percentage_of_total avg_price last_fill last_bid last_ask"
        " prev_total_premium",
    ),
    f"{_STOCK}/oi-per-expiry": known(text="date expiry", loose="call_oi put_oi"),
    f"{_STOCK}/oi-per-strike": known(text="date", decimal="strike", loose="call_oi put_oi"),
    f"{_STOCK}/option-contracts": known(
        fields(loose="delta gamma theta vega rho cross_volume", text="last_tape_time"),
        text="option_symbol",
        whole="volume open_interest prev_oi ask_volume bid_volume mid_volume no_side_volume"
        " sweep_volume floor_volume multi_leg_volume stock_multi_leg_volume",
        decimal="nbbo_bid nbbo_ask total_premium last_price avg_price high_price low_price"
        " implied_volatility",
    ),
    f"{_STOCK}/options-volume": known(
        text="date",
        whole=f"call_open_interest put_open_interest {_FOUR_SIDES}",
        loose="call_premium put_premium net_call_premium net_put_premium bullish_premium"
        f" bearish_premium {crossed('avg_', '3 7 30', '_day_call_volume _day_put_volume')}",
    ),
    f"{_STOCK}/spot-exposures": known(
        fields(loose="ticker_id", text="start_time"),
        text="ticker time",
        decimal="price "
        + crossed("", "gamma charm vanna", "_per_one_percent_move_oi _per_one_percent_move_vol")
        + " "
        + crossed("", "gamma charm vanna", "_per_one_percent_move_dir"),
    ),
    f"{_STOCK}/spot-exposures/strike": known(
        text="ticker date time", decimal=f"strike price {_BOARD}"
    ),
    f"{_STOCK}/spot-exposures/expiry-strike": known(
        text="ticker date time expiry", decimal=f"strike price {_BOARD}"
    ),
    f"{_STOCK}/stock-state": known(
        text="tape_time market_time",
        decimal="open high low close prev_close",
        whole="volume total_volume",
    ),
    f"{_STOCK}/volatility/stats": known(
        text="date ticker", decimal="iv iv_high iv_low rv rv_high rv_low iv_rank"
    ),
    f"{_STOCK}/volatility/term-structure": known(
        text="date ticker expiry",
        whole="dte",
        decimal="volatility implied_move implied_move_perc",
    ),
}

TEXTS = frozenset({f"{_STOCK}/option-chains"})
"""Endpoints whose rows are texts: names of contracts, as they are asked here."""
