"""The part of the catalogue that is reported with the bar that closes a minute."""

from __future__ import annotations

from typing import TypeAlias

Group: TypeAlias = tuple[str, str, str, tuple[tuple[str, str, str], ...]]
"""Module, warm-up, stale after, and (name, unit, meaning) of each metric."""

MINUTE_GROUPS: tuple[Group, ...] = (
    (
        "microstructure",
        "first quote",
        "quote_age_max_underlying",
        (("weighted_mid", "$", "bid and ask, each weighted with the size of the other side"),),
    ),
    (
        "microstructure",
        "10 s",
        "12 s",
        (
            ("ofi", "shares", "order-flow imbalance of the last closed 10 s, top of the book"),
            ("ofi_5m", "depths", "EW(5 min) of ofi_norm"),
        ),
    ),
    (
        "depth_flow",
        "10 s",
        "12 s",
        (("ofi_levels", "depths", "the same of 5 levels, each over its mean depth, averaged"),),
    ),
    (
        "vwap",
        "5 min",
        "bar_age_max",
        tuple(
            (f"vwap_{side}_{width}", "$", f"vwap {sign} {width} vwap_sigma")
            for width in (1, 2, 3)
            for side, sign in (("upper", "+"), ("lower", "-"))
        ),
    ),
    *(
        (
            "opening_range",
            f"{minutes} min",
            "70 s",
            (
                (f"or_high_{minutes}", "$", f"high of the first {minutes} minutes"),
                (f"or_low_{minutes}", "$", f"low of the first {minutes} minutes"),
                (f"or_break_{minutes}", "-1, 0, 1", "break out of that range by a minute close"),
            ),
        )
        for minutes in (5, 15, 30)
    ),
    (
        "realised",
        "30 min",
        "bar_age_max",
        (
            ("medrv_today", "variance", "median realised variance since the open"),
            ("jump_today", "variance", "rv_today less bv_today, not below 0"),
            ("jump_flag", "0, 1", "jump_z is above 3.09"),
        ),
    ),
    (
        "ranges",
        "21 sessions",
        "4 sessions",
        (
            ("var_parkinson_20d", "variance", "daily, from high and low of 20 sessions"),
            ("var_garman_klass_20d", "variance", "the same with open and close"),
            ("var_rogers_satchell_20d", "variance", "the same, whatever the drift"),
            ("var_yang_zhang_20d", "variance", "the same with the nights"),
            ("vol_yang_zhang_20d", "vol", "the latter over 252 sessions, as a volatility"),
        ),
    ),
    (
        "flow",
        "15 min, or the vendor's net-premium ticks of so many, and 50 classified trades",
        "vendor_flow_age_max without a trade in SPY",
        (
            ("ncp_5m", "$", "EW(5 min) of net call premium a bar"),
            ("ncp_30m", "$", "EW(30 min) of it"),
            ("npp_5m", "$", "EW(5 min) of net put premium a bar"),
            ("npp_30m", "$", "EW(30 min) of it"),
            ("delta_flow_5m", "$", "EW(5 min) of signed dollar delta a bar"),
        ),
    ),
    (
        "flow",
        "15 min",
        "vendor_flow_age_max without a trade in SPY",
        (
            ("sweep_calls", "weight", "decaying sum of sweeps and blocks in calls"),
            ("sweep_puts", "weight", "the same in puts"),
        ),
    ),
    (
        "premium_ticks",
        "10 points",
        "150 s",
        (
            ("vendor_ncp", "$", "net call premium since the open as the vendor's minutes have it"),
            ("vendor_npp", "$", "the same of puts"),
        ),
    ),
    (
        "flow_alerts",
        "first alert",
        "vendor_flow_age_max without a trade in SPY",
        (
            ("alerts_bullish", "alerts", "of 15 min: calls bought or puts sold, 60 % of premium"),
            ("alerts_bearish", "alerts", "of 15 min: calls sold or puts bought"),
        ),
    ),
    (
        "gex",
        "open interest and volatility of 80 % of the contracts within +-5 %",
        "60 s",
        (
            ("gex_vol", "$/1 %", "gex_total with the session's volume in place of open interest"),
            ("gex_dir", "$/1 %", "with what was sold at the bid less what was bought at the ask"),
            ("gex_flip_0dte", "$", "zero-gamma spot of today's expiry alone"),
            ("call_wall_0dte", "$", "strike with most call gamma in it"),
            ("put_wall_0dte", "$", "strike with most put gamma in it"),
            ("charm_to_close", "$", "assumed dealer delta to be gained until today's close"),
            ("pcr_oi", "ratio", "put over call open interest"),
        ),
    ),
    (
        "vendor_gex",
        "5 sessions",
        "vendor_gex_age_max",
        (
            ("vendor_vanna_z", "z", "the vendor's vanna exposure against EW(5 sessions) of it"),
            ("vendor_charm_z", "z", "the same of its charm exposure"),
        ),
    ),
    (
        "surface",
        "5 valid strikes in the expiry",
        "quote_age_max_option_metric_*",
        (
            ("em_mean_abs_0dte", "$", "straddle at the forward: mean move to today's close"),
            ("em_mean_abs_1dte", "$", "the same to the next session's expiry"),
            ("em_mean_abs_14d", "$", "the same to the expiry held for weeks"),
            ("atm_iv_1d", "vol", "constant maturity 1 day"),
            ("term_30_60", "vol", "IV(30) - IV(60)"),
            ("rr25_norm", "ratio", "rr25 over the at-the-money volatility of its expiry"),
            ("premiums_unchecked", "puts", "far puts without an early-exercise premium of 60 s"),
        ),
    ),
    (
        "news",
        "none",
        "never",
        (("news_keywords", "text", "version of the table that classifies headlines"),),
    ),
)
