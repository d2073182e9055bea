"""What kind of day the market model plays: every knob, and the days with a name.

A scenario shapes the day; the seed fills in the rest. docs/market-model.md explains how the knobs
act on what the strategies see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BasketMember:
    """A large index member whose closing auction is simulated. `adv_shares` is a day's volume."""

    symbol: str
    con_id: int
    primary_exchange: str
    price: float
    adv_shares: int
    beta: float


BASKET = (
    BasketMember("AAPL", 265598, "NASDAQ", 268.0, 48_000_000, 1.05),
    BasketMember("AMZN", 3691937, "NASDAQ", 231.0, 42_000_000, 1.20),
    BasketMember("AVGO", 313130367, "NASDAQ", 352.0, 22_000_000, 1.45),
    BasketMember("GOOGL", 208813719, "NASDAQ", 262.0, 30_000_000, 1.10),
    BasketMember("JPM", 1520593, "NYSE", 311.0, 9_000_000, 0.95),
    BasketMember("LLY", 9160, "NYSE", 842.0, 3_500_000, 0.60),
    BasketMember("META", 107113386, "NASDAQ", 724.0, 12_000_000, 1.25),
    BasketMember("MSFT", 272093, "NASDAQ", 519.0, 20_000_000, 1.00),
    BasketMember("NVDA", 4815747, "NASDAQ", 187.0, 170_000_000, 1.60),
    BasketMember("XOM", 13977, "NYSE", 116.0, 15_000_000, 0.55),
)

Knots = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """The knobs of a day. Times are minutes after the open; a half day compresses none of them.

    drift_percent        knots (minute, log return of SPY since the open in percent); linear between
    pinned_minutes       minutes at which the noise is zero, so that the drift holds for any seed
    noise_scale          knots (minute, factor on the noise's standard deviation)
    jumps_per_day        mean number of jumps of 3 one-minute standard deviations; none from
                         `jump_free_minutes[0]` to `[1]`
    daily_volatility     standard deviation of SPY's open-to-close log return; also of history
    overnight_percent    gap from the previous close to the open
    variance_premium     implied over forecast volatility: the vrp the desk should find
    spot_vol_beta        implied volatility falls by this factor x the return since the open
    skew, curvature      smile: iv = atm (1 + skew z + curvature z^2), z in standard deviations
    gex_norm             dealers' gamma per 1 % move over a day's dollar volume, at the reference
                         minute `gex_reference_minute`: < -0.02 negative, > +0.02 positive regime
    flow_alignment       how far option buyers follow the drift, 0 none to 1 strong
    flow_bias            direction added to the flow from `flow_bias_minute` on, -1 to 1
    book_lead            how far the top of book leads the next two seconds, 0 to 1
    trades_per_second    mean option trades of SPY, QQQ, IWM
    closing_imbalance    basket imbalance at first publication as a share of its daily volume
    spot                 price at the open
    rate                 continuously compounded interest rate of the option prices
    contracts_max        listed options of a symbol, about
    news_per_minute      mean headlines in the session
    """

    name: str
    drift_percent: Knots
    pinned_minutes: tuple[float, ...]
    noise_scale: Knots
    jumps_per_day: float
    gex_norm: float
    flow_alignment: float
    flow_bias: float
    closing_imbalance: float
    jump_free_minutes: tuple[float, float] = (0.0, 60.0)
    daily_volatility: float = 0.0075
    overnight_percent: float = 0.04
    variance_premium: float = 1.08
    spot_vol_beta: float = 4.0
    skew: float = -0.05
    curvature: float = 0.015
    gex_reference_minute: float = 33.0
    flow_bias_minute: float = 8.0
    book_lead: float = 0.25
    trades_per_second: tuple[float, float, float] = (12.0, 7.0, 4.0)
    spot: Mapping[str, float] = field(
        default_factory=lambda: {"SPY": 768.0, "QQQ": 737.0, "IWM": 251.0}
    )
    rate: float = 0.0375
    contracts_max: int = 500
    news_per_minute: float = 0.3


TREND_DAY = Scenario(
    name="trend_day",
    drift_percent=(
        (0.0, 0.0),
        (30.0, 0.10),
        (32.0, 0.38),
        (35.5, 0.41),
        (39.0, 1.00),
        (42.0, 1.02),
        (46.0, 0.94),
        (100.0, 1.05),
        (240.0, 1.15),
        (375.0, 1.35),
        (390.0, 1.41),
    ),
    pinned_minutes=(30.0, 32.0, 35.5, 39.0, 42.0, 46.0),
    noise_scale=((0.0, 0.9), (29.0, 0.9), (30.0, 0.45), (44.0, 0.45), (50.0, 0.9), (390.0, 0.9)),
    jumps_per_day=1.0,
    gex_norm=-0.06,
    flow_alignment=0.9,
    flow_bias=0.6,
    closing_imbalance=0.015,
)
"""A steady rise from 10:00 that leaves the noise area, rests, goes on to target, and holds."""

QUIET_DAY = Scenario(
    name="quiet_day",
    drift_percent=((0.0, 0.0), (390.0, 0.05)),
    pinned_minutes=(60.0, 120.0, 180.0, 240.0, 300.0, 360.0),
    noise_scale=((0.0, 0.75), (390.0, 0.75)),
    jumps_per_day=0.0,
    gex_norm=0.06,
    flow_alignment=0.3,
    flow_bias=0.0,
    closing_imbalance=0.002,
    variance_premium=1.25,
)
"""A day that goes nowhere under positive dealer gamma, options dear."""

SCENARIOS: Mapping[str, Scenario] = {day.name: day for day in (TREND_DAY, QUIET_DAY)}
DEFAULT_SEED = 20261006
