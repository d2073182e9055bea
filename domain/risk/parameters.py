"""Parameters of risk: limits, sizing, loss rules and order checks, with bounds and sources.

Joined with the others by domain/parameters.py; rules read them from the log alone.
"""

from __future__ import annotations

from domain.instruments import Strategy
from domain.parameter import Parameter

PRIOR = "prior"
REMEMBERED_MAX = 200
"""Troubles of one kind that risk remembers: no limit may ask for more."""
BUCKETS: tuple[Strategy, ...] = tuple(Strategy)


def _number(
    name: str, default: float, unit: str, low: float, high: float, source: str = PRIOR
) -> Parameter:
    return Parameter(f"risk.{name}", default, unit, source, low, high)


def _per_bucket(
    name: str, defaults: tuple[float, float, float, float], unit: str, low: float, high: float
) -> tuple[Parameter, ...]:
    return tuple(
        _number(f"{name}.{bucket.value}", default, unit, low, high)
        for bucket, default in zip(BUCKETS, defaults, strict=True)
    )


SIZE = (
    *_per_bucket("size.bucket_share", (0.005, 0.0075, 0.01, 0.004), "share of E", 0, 0.02),
    _number("size.kappa", 0.25, "fraction", 0, 0.5, "MTZ10, THO06"),
    _number("size.kelly_cap", 0.02, "share of E", 0, 0.05, "KEL56, MTZ10"),
    _number("size.vol_target", 0.004, "share of E a day", 0.0005, 0.02),
    _number("size.iv_day", 0.01, "volatility a day", 0.001, 0.1),
    _number("size.p_haircut", 0.03, "probability", 0, 0.2),
    _number("size.n_eff_min", 50, "outcomes", 10, 1000),
    _number("size.wilson_z", 0.8416212335729143, "standard normal, one-sided 80 %", 0, 3),
    _number("size.displayed_share", 0.5, "share of displayed size", 0.05, 1),
    _number("size.volume_share", 0.02, "share of volume or open interest", 0.001, 0.2),
)

LIMITS = (
    _number("limit.position", 0.015, "share of E", 0, 0.05),
    *_per_bucket("limit.bucket", (0.02, 0.03, 0.06, 0.01), "share of E", 0, 0.20),
    _number("limit.symbol", 0.05, "share of E", 0, 0.20),
    _number("limit.expiry", 0.04, "share of E", 0, 0.15),
    _number("limit.expiry_today", 0.02, "share of E", 0, 0.15),
    _number("limit.direction", 0.05, "share of E, beta-weighted", 0, 0.20),
    _number("limit.total", 0.10, "share of E", 0, 0.40),
    _number("limit.positions_total", 10, "positions", 1, 50),
    _number("limit.positions_symbol", 4, "positions", 1, 50),
    _number("limit.positions_bucket", 4, "positions", 1, 50),
    _number("limit.contracts_order", 20, "contracts", 1, 500),
    _number("limit.contracts_leg", 60, "contracts", 1, 500),
)

GREEKS = (
    _number("greek.delta", 0.75, "share of E", 0, 3),
    _number("greek.gamma_long", 0.30, "share of E per 1 %", 0, 2),
    _number("greek.gamma_short", 0.15, "share of E per 1 %", 0, 2),
    _number("greek.vega", 0.005, "share of E per point", 0, 0.03),
    _number("greek.theta", 0.004, "share of E per day", 0, 0.03),
    _number("greek.beta_low", 0.8, "beta to SPY", 0, 1),
    _number("greek.beta_high", 1.6, "beta to SPY", 1, 3),
    _number("scenario.near", 0.06, "share of E", 0.01, 0.20),
    _number("scenario.full", 0.10, "share of E", 0.01, 0.20),
)

LOSSES = (
    _number("loss.soft_day", 0.02, "share of the day's reference", 0.0025, 0.10),
    _number("loss.hard_day", 0.03, "share of the day's reference", 0.005, 0.15),
    _number("loss.week", 0.05, "share of the first reference", 0.01, 0.25),
    _number("loss.drawdown", 0.08, "share of the high-water mark", 0.02, 0.40),
    _number("loss.bucket_day", 0.01, "share of the day's reference", 0.0025, 0.10),
    _number("loss.streak", 3, "stopped-out losses", 1, 10),
    _number("loss.streak_pause_min", 60, "minutes", 1, 390),
    _number("loss.cooldown_stop_min", 15, "minutes", 0, 240),
    _number("loss.cooldown_target_min", 5, "minutes", 0, 240),
    _number("loss.week_half_sessions", 5, "sessions after this one", 0, 20),
)

HALTS = (
    _number("halt.disconnected_s", 60, "real seconds", 5, 600),
    _number("halt.mismatch_s", 30, "real seconds", 5, 600),
    _number("halt.rejects", 3, "rejects", 1, 20),
    _number("halt.rejects_s", 60, "real seconds", 5, 600),
    _number("halt.errors", 20, "errors of the broker", 3, REMEMBERED_MAX),
    _number("halt.errors_s", 60, "real seconds", 5, 600),
    _number("halt.rate_refusals", 5, "entries over the order rate", 1, REMEMBERED_MAX),
    _number("halt.rate_refusals_s", 60, "real seconds", 5, 600),
    _number("halt.unknown_s", 60, "real seconds that an order may be unknown", 10, 600),
    _number("halt.clock_skew_s", 2, "real seconds", 0.5, 30),
    _number("reduce_hold_s", 30, "real seconds without a breach", 1, 600),
)

CONFIRMATION = (
    _number("confirm.readings", 3, "readings in a row", 2, 10, "phantom halts of other desks"),
    _number("confirm.gap_s", 1, "real seconds between readings that count", 0.1, 10),
    _number("confirm.jump_share", 0.005, "share of E", 0.001, 0.05),
)

ACCOUNT = (
    _number("fees.commission_usd", 0.65, "dollars a contract and leg", 0, 5, "broker schedule"),
    _number("fees.exchange_usd", 0.05, "dollars a contract and leg", 0, 5, "fee schedules"),
    _number("equity_age_max_s", 240, "real seconds", 200, 600, "the feed sends every 3 minutes"),
    _number("equity_stream_age_max_s", 30, "real seconds", 5, 120),
    _number("margin.excess_share", 0.30, "share of E", 0.10, 0.80),
    _number("margin.mismatch_share", 0.20, "share of the estimate", 0.05, 1),
    _number("margin.mismatch_usd", 50, "dollars", 0, 1000),
    _number("margin.what_if_wait_s", 5, "real seconds", 1, 10),
    _number("margin.what_if_age_max_s", 10, "real seconds from the question to the order", 1, 10),
    Parameter(
        "risk.margin.what_if_for",
        "short_leg",
        "entries that wait for the broker's what-if: those with a short leg, or every one",
        PRIOR,
        choices=("short_leg", "every"),
    ),
    Parameter(
        "risk.account_kind",
        "broker_field",
        "margin or cash; broker_field: as the account's buying power tells",
        PRIOR,
        choices=("broker_field", "margin", "cash"),
    ),
    Parameter(
        "risk.pdt_mode",
        "broker_field",
        "",
        "FINRA26",
        choices=("broker_field", "strict", "off"),
    ),
)

BLACKOUTS = (
    Parameter(
        "risk.blackout.expiration_dates",
        "",
        "ISO dates of further expiry or rebalance days, comma separated",
        "exchange notices",
    ),
)

ORDERS = (
    _number("order.collar_ticks", 2, "ticks", 0, 50),
    _number("order.collar_spread_share", 0.10, "share of the spread", 0, 1),
    _number("order.collar_urgent_ticks", 3, "ticks", 0, 50),
    _number("order.no_quote_ticks", 3, "ticks", 0, 50),
    _number("order.fair_value_min_usd", 0.10, "dollars a share", 0.01, 5),
    _number("order.fair_value_share", 0.15, "share of the net mid", 0.01, 1),
    _number("order.premium_share", 0.05, "share of E", 0, 0.5),
    _number("order.leg_age_s", 2, "seconds", 0.5, 10),
    _number("order.underlying_age_s", 2, "seconds", 0.5, 10),
    _number("order.duplicate_s", 5, "seconds", 1, 60),
    _number("order.new_bucket_minute", 10, "orders a minute", 1, 60),
    _number("order.new_minute", 30, "orders a minute", 1, 120),
    _number("order.replaces_order", 5, "replacements", 1, 20),
    _number("order.replaces_minute", 60, "replacements a minute", 1, 200),
    _number("order.exit_replaces_minute", 30, "replacements a minute", 1, 200),
)

AUTO, ASK = "auto", "ask"
APPROVAL_EXPIRY = "risk.approval.expiry_s"


def approval_mode(strategy: Strategy) -> str:
    """The parameter that says whether a strategy's entries are asked for."""
    return f"risk.approval.{strategy.value}"


APPROVAL = (
    *(
        Parameter(approval_mode(bucket), AUTO, "mode", PRIOR, choices=(AUTO, ASK))
        for bucket in BUCKETS
    ),
    Parameter(APPROVAL_EXPIRY, 120, "seconds", PRIOR, 10, 3600),
)

_ALL = (
    *SIZE,
    *LIMITS,
    *GREEKS,
    *LOSSES,
    *HALTS,
    *CONFIRMATION,
    *ACCOUNT,
    *BLACKOUTS,
    *ORDERS,
    *APPROVAL,
)
PARAMETERS: dict[str, Parameter] = {parameter.name: parameter for parameter in _ALL}
