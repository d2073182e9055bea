"""What kind of day the market model plays: every knob, and the days with a name.

A scenario shapes the day; the seed fills in the rest. docs/market-model.md explains how the knobs
act on what the strategies see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date


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
class Outage:
    """Minutes after the open in which nothing, or nothing of some symbols, is published.

    The market itself goes on: prices move and orders are filled. `vendor` is `uw`, `ib` or empty
    for both; no `symbols` means all of them.
    """

    from_minute: float
    until_minute: float
    vendor: str = ""
    symbols: tuple[str, ...] = ()


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
    session_date         the day that is played unless another is asked for
    calendar             economic calendar of news.py: `light`, or `fomc`: a rate decision at 14:00
    premium_path         knots (minute, factor on implied volatility): a spike without a forecast
    auction_path         knots (seconds before the close, factor on `closing_imbalance`)
    weeks_drift_percent  added to each daily return of the five weeks before
    wall_percent         distance of a wall of calls above and of puts below the price; 0 for none
    has_auction          whether auction information is published at all
    outages              what is not published when
    unquoted_puts        symbols whose puts nobody quotes
    burst_times          factor on option trades in the first and the last minute of the session
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
    session_date: date = date(2026, 10, 6)
    calendar: str = "light"
    premium_path: Knots = ((0.0, 1.0),)
    auction_path: Knots = ((0.0, 1.0),)
    weeks_drift_percent: float = 0.0
    wall_percent: float = 0.0
    has_auction: bool = True
    outages: tuple[Outage, ...] = ()
    unquoted_puts: tuple[str, ...] = ()
    burst_times: float = 1.0


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

THIN_PREMIUM_DAY = replace(QUIET_DAY, name="thin_premium_day", variance_premium=1.12)
"""The quiet day with options just dear enough to be looked at: commissions eat the edge."""

REVERSAL_DAY = replace(
    TREND_DAY,
    name="reversal_day",
    drift_percent=(
        *TREND_DAY.drift_percent[:4],
        (38.0, 0.30),
        (43.0, -0.15),
        (60.0, -0.30),
        (240.0, -0.45),
        (390.0, -0.40),
    ),
    pinned_minutes=(30.0, 32.0, 35.5, 38.0, 43.0, 60.0),
    closing_imbalance=0.001,
)
"""The trend day to 10:05:30; then the rise fails, and what was bought on it is stopped."""

PINNED_DAY = replace(
    QUIET_DAY,
    name="pinned_day",
    noise_scale=((0.0, 0.6), (390.0, 0.35)),
    drift_percent=((0.0, 0.0), (390.0, 0.0)),
    pinned_minutes=tuple(float(minute) for minute in range(30, 390, 15)),
    gex_norm=0.2,
    wall_percent=0.5,
    flow_alignment=0.1,
    variance_premium=2.1,
    closing_imbalance=0.0005,
)
"""Held between two walls all day by dealers long of gamma, options at twice the volatility that
comes: less than that does not pay a condor's commissions."""

VOLATILITY_SPIKE = replace(
    PINNED_DAY,
    name="volatility_spike",
    drift_percent=(
        (0.0, 0.0),
        (100.0, 0.05),
        (103.0, -0.80),
        (115.0, -1.30),
        (180.0, -1.0),
        (390.0, -1.1),
    ),
    pinned_minutes=(60.0, 100.0, 103.0, 115.0, 180.0),
    noise_scale=((0.0, 0.7), (99.0, 0.7), (101.0, 2.2), (150.0, 1.6), (390.0, 1.3)),
    premium_path=((0.0, 1.0), (100.0, 1.0), (103.0, 1.6), (150.0, 1.35), (390.0, 1.2)),
    closing_imbalance=-0.004,
)
"""Quiet to 11:10; then the price falls 0.85 % in three minutes and volatility jumps by half."""

HALF_DAY = replace(
    TREND_DAY,
    name="half_day",
    session_date=date(2026, 11, 27),
    drift_percent=(*TREND_DAY.drift_percent[:7], (100.0, 1.05), (195.0, 1.2), (210.0, 1.25)),
    closing_imbalance=0.012,
)
"""The trend day on the session after Thanksgiving, which ends at 13:00."""

FOMC_DAY = replace(
    QUIET_DAY,
    name="fomc_day",
    session_date=date(2026, 10, 28),
    calendar="fomc",
    drift_percent=((0.0, 0.0), (270.0, 0.02), (273.0, 0.45), (300.0, -0.25), (390.0, 0.60)),
    pinned_minutes=(60.0, 120.0, 180.0, 240.0, 270.0, 273.0, 300.0),
    noise_scale=((0.0, 0.5), (269.0, 0.4), (270.0, 2.5), (320.0, 1.5), (390.0, 1.2)),
    variance_premium=1.4,
    closing_imbalance=0.004,
)
"""A rate decision at 14:00: still before, wild after it."""

IMBALANCE_DAY = replace(
    QUIET_DAY,
    name="imbalance_day",
    closing_imbalance=0.03,
    gex_norm=0.01,
    variance_premium=1.05,
)
"""Goes nowhere until 3 % of a day's volume is to buy in the closing auction, and stays so."""

IMBALANCE_FLIP_DAY = replace(
    IMBALANCE_DAY,
    name="imbalance_flip_day",
    auction_path=((60.0, -1.0), (400.0, -1.0), (500.0, 0.4), (545.0, -0.8), (575.0, 1.0)),
)
"""The closing imbalance changes its side again and again."""

IMBALANCE_FADE_DAY = replace(
    IMBALANCE_DAY,
    name="imbalance_fade_day",
    drift_percent=((0.0, 0.0), (385.0, 0.05), (386.0, -0.20), (388.0, -0.45), (390.0, -0.5)),
    pinned_minutes=(*IMBALANCE_DAY.pinned_minutes, 380.0, 385.0, 386.0, 388.0),
)
"""The imbalance day to five minutes before the close; then the price falls against it, and what
was bought on it is stopped."""

IMBALANCE_SPENT_DAY = replace(
    IMBALANCE_DAY,
    name="imbalance_spent_day",
    drift_percent=((0.0, 0.0), (380.0, 0.05), (380.4, 0.25), (383.0, 0.30), (390.0, 0.30)),
    pinned_minutes=(*IMBALANCE_DAY.pinned_minutes, 380.0, 380.4, 383.0, 390.0),
)
"""The imbalance day, but the price has made its move before anybody could buy."""

DEAD_FEED_DAY = replace(
    TREND_DAY,
    name="dead_feed_day",
    outages=(Outage(90.0, 110.0), Outage(200.0, 230.0, vendor="uw")),
)
"""The trend day; from 11:00 both vendors are mute for 20 minutes, at 12:50 Unusual Whales again."""

MISSING_DATA_DAY = replace(
    TREND_DAY,
    name="missing_data_day",
    outages=(
        Outage(0.0, 390.0, vendor="ib", symbols=("IWM",)),
        Outage(0.0, 390.0, vendor="uw", symbols=("QQQ",)),
    ),
    unquoted_puts=("SPY",),
    has_auction=False,
)
"""The trend day with a hole for each symbol: no puts of SPY, no flow of QQQ, no bars of IWM; and no
auction information."""

RISING_WEEKS = replace(
    TREND_DAY,
    name="rising_weeks",
    weeks_drift_percent=0.35,
    flow_bias=0.9,
    variance_premium=1.0,
)
"""The trend day at the end of five weeks of rises, options cheap: what is held for weeks buys."""

GAP_DOWN_DAY = replace(
    QUIET_DAY,
    name="gap_down_day",
    overnight_percent=-1.4,
    drift_percent=((0.0, 0.0), (30.0, -0.3), (390.0, -0.2)),
    variance_premium=1.4,
    gex_norm=-0.03,
)
"""Opens 1.4 % below the close of the day before and falls on: what was sold over the night is
stopped."""

CRASH_DAY = replace(
    GAP_DOWN_DAY,
    name="crash_day",
    overnight_percent=-4.5,
    drift_percent=((0.0, 0.0), (5.0, -1.5), (390.0, -2.2)),
    pinned_minutes=(5.0, *QUIET_DAY.pinned_minutes, 390.0),
    noise_scale=((0.0, 1.5), (390.0, 1.5)),
    variance_premium=1.6,
    closing_imbalance=-0.001,
)
"""Opens 4.5 % below the close of the day before and falls on to -6.6 %, less than halts the market:
it closes below the puts that were sold for weeks."""

SCENARIOS: Mapping[str, Scenario] = {
    day.name: day
    for day in (
        TREND_DAY,
        REVERSAL_DAY,
        THIN_PREMIUM_DAY,
        QUIET_DAY,
        PINNED_DAY,
        VOLATILITY_SPIKE,
        HALF_DAY,
        FOMC_DAY,
        IMBALANCE_DAY,
        IMBALANCE_FLIP_DAY,
        IMBALANCE_FADE_DAY,
        IMBALANCE_SPENT_DAY,
        DEAD_FEED_DAY,
        MISSING_DATA_DAY,
        RISING_WEEKS,
        GAP_DOWN_DAY,
        CRASH_DAY,
    )
}
DEFAULT_SEED = 20261006
