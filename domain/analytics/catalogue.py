"""Every metric that MetricComputed carries: unit, where it comes from, warm-up, staleness.

The report takes units from here and refuses other names; docs/metrics.md is generated from it
(`markdown`), and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.analytics.catalogue_minute import MINUTE_GROUPS, Group


@dataclass(frozen=True, slots=True)
class MetricSpec:
    name: str
    unit: str
    module: str
    warm_up: str
    stale_after: str
    meaning: str
    reported: str = "bar"
    """With each closed bar, or with the one that closes a minute."""


_GROUPS: tuple[Group, ...] = (
    (
        "microstructure",
        "first quote",
        "quote_age_max_underlying",
        (
            ("spot_mid", "$", "last good mid of the underlying"),
            ("spot_bid", "$", "best bid"),
            ("spot_ask", "$", "best ask"),
            ("quote_age_s", "s", "age of the underlying's last tick"),
            ("book_imbalance", "[-1, 1]", "(bid size - ask size) over their sum"),
        ),
    ),
    (
        "micro_price",
        "2,000 mid changes, 30 visits a state in 5 sessions (weighted mid before: WARMUP_MODEL)",
        "quote_age_max_underlying",
        (("micro_price", "$", "mid and what the state of the book has led to"),),
    ),
    (
        "depth_flow",
        "first packet of depth",
        "quote_age_max_underlying",
        (("depth_imb", "[-1, 1]", "bid less ask size over 5 levels, each half of the one above"),),
    ),
    (
        "microstructure",
        "10 s (z: 25 min)",
        "12 s",
        (
            (
                "ofi_norm",
                "depths",
                "order-flow imbalance of the last closed 10 s over mean depth, from the broker's"
                " snapshots of about 250 ms",
            ),
            ("ofi_5m_z", "z", "EW(5 min) of ofi_norm over its standard error"),
        ),
    ),
    (
        "realised",
        "first bar",
        "bar_age_max",
        (
            ("last_close", "$", "close of the last 5-second bar"),
            ("bar_age_s", "s", "market time since the last bar arrived"),
            ("minute_close", "$", "close of the last closed minute"),
        ),
    ),
    (
        "realised",
        "30 min",
        "bar_age_max",
        (
            ("rv_today", "variance", "realised variance since the open, subsampled 5 min"),
            ("bv_today", "variance", "bipower variation since the open"),
            ("jump_z", "z", "Huang-Tauchen jump score; a jump above 3.09"),
        ),
    ),
    (
        "realised",
        "30 min",
        "70 s",
        (
            ("sigma_1m", "return", "standard deviation of one-minute returns, EW(30 min)"),
            ("ewma_vol_1m", "vol", "the same, annualised over 252 x 390 minutes"),
            ("atr_1m", "$", "mean of the last 14 one-minute true ranges"),
        ),
    ),
    (
        "vwap",
        "5 min",
        "bar_age_max",
        (
            ("vwap", "$", "volume-weighted average price since the open"),
            ("vwap_sigma", "$", "volume-weighted standard deviation around it"),
            ("vwap_dev", "sd", "(last close - vwap) / vwap_sigma"),
        ),
    ),
    (
        "opening_range",
        "opening_range_minutes",
        "70 s",
        (
            ("or_high", "$", "high of the opening range"),
            ("or_low", "$", "low of the opening range"),
            ("or_break", "-1, 0, 1", "break out of the opening range by a minute close"),
        ),
    ),
    (
        "opening_range",
        "14 sessions (model before: WARMUP_MODEL)",
        "70 s",
        (
            ("noise_upper", "$", "upper bound of the noise area"),
            ("noise_lower", "$", "lower bound of the noise area"),
            ("noise_x", "half-widths", "position of the minute close; beyond +-1 is outside"),
            ("peers_x", "[-1, 1]", "mean of clip(noise_x / 1.5) of the other symbols"),
        ),
    ),
    (
        "flow",
        "15 min, or the vendor's net-premium ticks of so many, and 50 classified trades",
        "vendor_flow_age_max without a trade in SPY",
        (
            ("ncp", "$", "net call premium since the open"),
            ("npp", "$", "net put premium since the open"),
            ("fi", "[-1, 1]", "flow imbalance of the trailing 30 min"),
            ("fi_s", "[-1, 1]", "fi shrunk by min(1, fi_n / 200)"),
            ("fi_n", "trades", "classified trades of the trailing 30 min"),
            ("delta_flow", "$", "EW(30 min) of signed dollar delta a bar"),
            ("pcr_vol", "ratio", "put over call volume"),
            ("pcr_prem", "ratio", "put over call premium"),
            ("pcr_ask", "ratio", "ask-side put over ask-side call volume"),
        ),
    ),
    (
        "flow",
        "15 min",
        "vendor_flow_age_max without a trade in SPY",
        (("sweep_net", "weight", "decaying sum of sweeps and blocks, calls less puts"),),
    ),
    (
        "flow",
        "5 sessions (delta_flow: or imported, WARMUP_MODEL)",
        "vendor_flow_age_max without a trade in SPY",
        (
            ("delta_flow_z", "z", "delta_flow against EW(5 sessions)"),
            ("sweep_z", "z", "sweep_net against EW(5 sessions)"),
        ),
    ),
    (
        "tide",
        "10 points (z: 5 sessions, or imported: WARMUP_MODEL)",
        "150 s",
        (
            ("tide", "$", "net call less net put premium of the whole market"),
            ("tide_slope", "$/min", "least-squares slope of the last 15 minutes"),
            ("tide_slope_z", "z", "tide_slope against EW(5 sessions)"),
        ),
    ),
    (
        "tide",
        "25 sessions (imported: WARMUP_MODEL)",
        "4 sessions",
        (("tide_5d_z", "z", "sum of 5 closing tides against EW(20 sessions)"),),
    ),
    (
        "gex",
        "open interest and volatility of 80 % of the contracts within +-5 %",
        "60 s",
        (
            (
                "gex_total",
                "$/1 %",
                "assumed dealer gamma, all expiries within gex_dte_max; the vendor's, with flip,"
                " walls, norm, regime and side, while ours is missing (DEGRADED, SOURCE_VENDOR)",
            ),
            ("gex_0dte", "$/1 %", "the same, today's expiry alone"),
            ("gex_norm", "ADV share", "gex_total over ADV20 x spot"),
            ("gex_flip", "$", "zero-gamma spot nearest the spot"),
            ("call_wall", "$", "strike with most call gamma within +-10 %"),
            ("put_wall", "$", "strike with most put gamma within +-10 %"),
            ("gex_regime", "text", "POS, NEG or NEUTRAL, with hysteresis"),
            ("flip_side", "text", "ABOVE or BELOW the flip"),
            ("gex_vendor_ratio", "ratio", "the vendor's gamma over ours"),
            ("vanna_exposure", "$/vol point", "assumed dealer delta for one vol point"),
            ("charm_exposure", "$/day", "assumed dealer delta for one calendar day"),
        ),
    ),
    (
        "surface",
        "5 valid strikes in the expiry",
        "quote_age_max_option_metric_*",
        (
            ("atm_iv_0dte", "vol", "at-the-money volatility of today's expiry"),
            ("atm_iv_1dte", "vol", "of the next session's expiry"),
            ("atm_iv_14d", "vol", "of the expiry that is held for weeks"),
            ("atm_iv_9d", "vol", "constant maturity 9 days"),
            ("atm_iv_30d", "vol", "constant maturity 30 days"),
            ("atm_iv_60d", "vol", "constant maturity 60 days"),
            ("term_slope", "ratio", "IV(9)/IV(30) - 1; backwardation above 0"),
            ("rr25", "vol", "25-delta call less put volatility, first expiry of 7 days or more"),
            ("bf25", "vol", "25-delta butterfly, same expiry"),
            ("em_1sd_0dte", "$", "one standard deviation to today's close, from the straddle"),
            ("em_1sd_1dte", "$", "the same to the next session's expiry"),
            ("em_1sd_14d", "$", "the same to the expiry held for weeks"),
            ("forward_ok_0dte", "0, 1", "put-call parity agrees with our forward"),
            ("forward_ok_1dte", "0, 1", "the same for the next session's expiry"),
            ("forward_ok_14d", "0, 1", "the same for the expiry held for weeks"),
            ("surface_valid_strikes_0dte", "strikes", "valid own volatilities within 4 sd"),
            ("surface_valid_strikes_1dte", "strikes", "the same, next session's expiry"),
            ("surface_valid_strikes_14d", "strikes", "the same, expiry held for weeks"),
        ),
    ),
    (
        "surface",
        "5 sessions",
        "70 s",
        (("skew_chg_z", "z", "30-minute change of rr25 against EW(5 sessions)"),),
    ),
    (
        "history",
        "252 closings (rank: the vendor's before)",
        "4 sessions",
        (
            ("iv_rank", "0-100", "place of the last closing IV(30) between the year's extremes"),
            ("iv_pct", "0-100", "share of the year's closings below the last one"),
        ),
    ),
    (
        "daily",
        "20 sessions (beta: 60)",
        "4 sessions",
        (
            ("prev_close", "$", "close of the session before"),
            ("adv20", "shares", "mean volume of the last 20 sessions"),
            ("beta", "ratio", "to SPY, EW(60 sessions), within [0.8, 1.6]"),
            ("sma20", "$", "mean of the last 20 closes"),
            ("sd20", "fraction", "sample deviation of the last 20 closes over sma20"),
            ("sd5", "return", "sqrt 5 times the sample deviation of 20 daily log returns"),
            ("close_5d_ago", "$", "close five sessions ago"),
        ),
    ),
    (
        "variance",
        "22 sessions of variances",
        "4 sessions",
        (
            ("rv_hat_day", "variance", "log-HAR forecast of today's open-to-close variance"),
            ("rv_1d", "variance", "of the last session, of this one once it is over"),
            ("rv_5d", "variance", "mean of 5 sessions up to that one"),
            ("rv_22d", "variance", "mean of 22 sessions up to that one"),
        ),
    ),
    (
        "variance",
        "22 sessions of variances",
        "bar_age_max (implied: quote_age_max_option_metric_*)",
        (
            ("rho", "fraction", "share of the day's variance still to come"),
            ("v_rem", "variance", "forecast of the rest of the session"),
            ("v_to_expiry_0dte", "variance", "forecast to today's close"),
            ("v_to_expiry_1dte", "variance", "forecast to the next session's close"),
            ("v_to_expiry_14d", "variance", "forecast to the expiry held for weeks"),
            ("vr_0dte", "ratio", "implied over forecast variance to today's close"),
            ("vrp_0dte", "ratio", "its square root; above 1 options are dear"),
            ("vrp_1dte", "ratio", "the same to the next session's close"),
            ("vrp_14d", "ratio", "the same to the expiry held for weeks"),
            ("late_mom_x", "[-1, 1]", "sign(r) tanh(|r|/sqrt(rv_hat_day)); 0 before its time"),
        ),
    ),
    (
        "news",
        "none",
        "feed silent 15 min: DEGRADED",
        (
            ("news_state", "text", "NONE, NEWS_CAUTION or SHOCK"),
            ("calendar_state", "text", "CLEAR, BLACKOUT or CALENDAR_MISSING"),
            ("calendar_today", "text", "codes of today: FOMC, DATA_0830, DATA_1000, AUCTION_1300"),
            ("calendar_next", "text", "codes from tomorrow to the next session, both included"),
        ),
    ),
    (
        "auction",
        "2 ticks; z: 20 sessions (model before: WARMUP_MODEL)",
        "30 s",
        (
            (
                "auction_q",
                "ADV share",
                "signed closing imbalance; from T_close - 11 min only; none if first known after"
                " T_close - 9 min",
            ),
            (
                "auction_z",
                "z",
                "against EW(20 sessions) of the same 10 s",
            ),
            ("auction_imb_adv", "ADV share", "size of the underlying's own imbalance"),
            ("auction_imb_notional", "$", "the same, signed, in dollars"),
            ("auction_d_imb", "shares", "its change since the first publication"),
            ("auction_persist", "[-1, 1]", "EW(60 s) of its sign"),
            ("auction_sign_held_s", "s", "how long it has been on its side"),
            ("auction_paired_ratio", "ratio", "paired over paired plus imbalance"),
            ("auction_ind_dev_bps", "bps", "indicative price against mid"),
            ("auction_moved_bps", "bps", "move since the first publication"),
            (
                "auction_k_bps",
                "bps",
                "expected move to the close, scaled by the last 20 auctions",
            ),
        ),
    ),
)

METRICS: tuple[MetricSpec, ...] = tuple(
    MetricSpec(name, unit, module, warm_up, stale_after, meaning, reported)
    for reported, groups in (("bar", _GROUPS), ("minute", MINUTE_GROUPS))
    for module, warm_up, stale_after, members in groups
    for name, unit, meaning in members
)
UNITS: Mapping[str, str] = {spec.name: spec.unit for spec in METRICS}

_HEAD = """# Metrics

Generated from `domain/analytics/catalogue.py` (`python -m domain.analytics.catalogue`).

One `MetricComputed` event a symbol and closed 5-second bar carries them, on stream
`metrics/<symbol>`; in a thinned stretch one a minute. What no rule reads in between comes with the
bar that closes a minute alone. A null value always has a reason and is
never replaced by 0. Qualities: OK, WARMUP, WARMUP_MODEL (available, from the model until history
is there), STALE, DEGRADED, MISSING, EXPIRED. What a report was computed from is all inputs of its
worker up to its input position, under the parameters of its version: `verify-decisions` makes it
again. `ChainEvaluated`, on `chain-metrics/<symbol>`, has
the contracts of today's expiry within 3 % of the spot, or two standard deviations where those are
farther, at every bar.

| metric | unit | module | each | warm-up | stale after | meaning |
| --- | --- | --- | --- | --- | --- | --- |
"""


def markdown() -> str:
    """The page docs/metrics.md."""
    rows = [
        f"| `{m.name}` | {m.unit} | {m.module} | {m.reported} | {m.warm_up} | {m.stale_after}"
        f" | {m.meaning} |"
        for m in METRICS
    ]
    return _HEAD + "\n".join(rows).replace("(|r|/", "(abs(r)/") + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
