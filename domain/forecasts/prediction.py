"""Predictions of the strategies: the outcome of P2 and the tracking of P5 to its exit (rules, 3).

P2 says whether the mid is higher at its horizon (schedule.py); P5 whether a structure reaches its
target before its stop. Both are made traded or not. Folded and decided by the stage of the bucket.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from domain.events.analytics import PredictionMade
from domain.instruments import MULTIPLIER, TICK, Direction, Strategy
from domain.parameter import ParameterState
from domain.session import SESSION_MINUTES, Session, new_york
from domain.signals.bucket import Bucket
from domain.signals.plan import (
    DAILY_CLOSE_RULE,
    LAST_DAY_RANGE_RULE,
    NEAR_RULES,
    TREND_RULE,
    Odds,
)
from domain.signals.reading import Chain, ChainRow, Reading
from domain.signals.score import clip, rounded
from domain.signals.structure import Choice

P2, P5 = "P2", "P5"
MODEL_VERSION = "1"
RESOLVE_LATE_MAX = timedelta(seconds=60)
MARK_AGE_MAX = timedelta(minutes=3)
"""An exit by time or by the underlying is worth the last mark only while that is no older."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A prediction that is not resolved. `made_session` is in session seconds."""

    body: PredictionMade
    made_session: float

    def horizon_session(self, time: SessionTime, now: datetime) -> float:
        """Session seconds that it looked ahead; a structure only as far as it was followed."""
        made = self.body
        if made.model == P5:
            return max(0.0, time.at(now) - self.made_session)
        whole = made.horizon_end - made.made_at
        if whole <= timedelta(minutes=SESSION_MINUTES):
            return whole.total_seconds()
        return max(0.0, time.at(made.horizon_end) - self.made_session)


def direction_outcome(made: PredictionMade, reading: Reading, close_at: datetime) -> float | None:
    """1 higher, 0 lower, 0.5 equal; None when the price at the end is missing or late.

    The price is the mid; of the closing strategy, and at a close without a mid, that of the last
    bar of the session.
    """
    price = reading.number("spot_mid")
    if made.horizon_end == close_at and (price is None or made.bucket == Strategy.CLOSING.value):
        price = reading.number("last_close")
    if price is None or reading.at - made.horizon_end > RESOLVE_LATE_MAX:
        return None
    start = made.values["mid"]
    return 0.5 if price == start else float(price > start)


@dataclass(frozen=True, slots=True)
class Followed:
    """The rule on the underlying that ends a followed structure, if there is one."""

    quote_ages_max: tuple[float, float, float]
    """Seconds beyond which a quote marks nothing: on the last day, the day before, earlier."""
    near_strike_sd: float | None = None
    """So near to a short strike, in standard deviations of the remaining day."""
    by_noise_area: bool = False
    """Back inside the noise area and across VWAP."""
    by_daily_close: bool = False
    """A session closed beyond a short strike."""
    near_from: timedelta | None = None
    """So long before forced flat the nearness begins to count; None: from the start."""
    quiet: timedelta = timedelta(0)
    """After an open that was waited for the stop looks at no quote."""
    tighten_after: timedelta | None = None
    """After such an open the stop of sold premium stands at `tighten_to` times the credit."""
    tighten_to: float = 0.0


@dataclass(slots=True)
class Tracked:
    """A structure followed on its marks until its target, stop or another exit."""

    prediction_id: str
    symbol: str
    direction: Direction
    legs: tuple[tuple[int, int], ...]
    """con_id and ratio."""
    mid: float
    target: float
    stop: float
    target_usd: float
    stop_usd: float
    time_stop_at: datetime
    flat_at: datetime
    shorts: tuple[tuple[float, bool], ...]
    """Short strikes of sold premium, and whether each is a call. Empty for other structures."""
    rule: Followed
    opened_at: datetime | None = None
    """The open of a later session that it was held into."""
    breaches: int = 0
    closes_against: int = 0
    last_minute: datetime | None = None
    last_mark: float | None = None
    marked_at: datetime | None = None
    is_lost: bool = False
    """What it was worth at its exit is not known."""
    result: float | None = None

    def _at_exit(self, mark: float) -> float:
        """Outcome of an exit that is neither target nor stop."""
        pnl = (mark - self.mid) * MULTIPLIER
        return clip((pnl + self.stop_usd) / (self.target_usd + self.stop_usd), 0.0, 1.0)

    def marked(self, chain: Chain) -> None:
        """A chain refresh: the target, and the stop on two refreshes in a row."""
        if self.result is not None:
            return
        days = (chain.expiry - new_york(chain.at).date()).days
        age_max = self.rule.quote_ages_max[min(max(days, 0), 2)]
        found = self._mark([(chain.row(con_id), ratio) for con_id, ratio in self.legs], age_max)
        if found is None:
            return
        mark, shows_gain = found
        self.last_mark, self.marked_at = mark, chain.at
        self.breaches = self.breaches + 1 if self._breached(mark, chain.at) else 0
        if self.breaches >= 2:
            self.result = 0.0
        elif shows_gain and mark >= self.target:
            self.result = 1.0

    def _mark(
        self, legs: Sequence[tuple[ChainRow | None, int]], age_max: float
    ) -> tuple[float, bool] | None:
        """As the desk marks what it holds (6.5), and whether a target may be reached by it: a leg
        that nobody bids for is worth nothing, one without an ask, old or crossed tells nothing."""
        bid = ask = Decimal(0)
        sound, worthless = True, False
        for row, ratio in legs:
            if row is None or row.ask is None or row.age_seconds is None:
                return None
            if row.age_seconds > age_max:
                return None
            leg_bid = row.bid if row.bid is not None and row.bid >= TICK else Decimal(0)
            if leg_bid and not row.is_two_sided:
                return None
            sound = sound and leg_bid > 0
            worthless = worthless or (ratio > 0 and not leg_bid)
            bid += leg_bid if ratio > 0 else -row.ask
            ask += row.ask if ratio > 0 else -leg_bid
        is_credit = self.mid < 0
        if not is_credit and (worthless or bid <= 0):
            return 0.0, sound
        return float(mark_of(bid, ask)), sound or is_credit

    def _breached(self, mark: float, at: datetime) -> bool:
        stop, rule = self.stop, self.rule
        if self.opened_at is not None:
            if at < self.opened_at + rule.quiet:
                return False
            if rule.tighten_after is not None and at >= self.opened_at + rule.tighten_after:
                stop = max(stop, rule.tighten_to * self.mid)
        return mark <= stop

    def evaluated(self, reading: Reading, close_at: datetime) -> None:
        """An evaluation point: invalidation on the underlying, time stop, forced flat."""
        if self.result is not None or self.last_mark is None or self.marked_at is None:
            return
        late = reading.at >= min(self.time_stop_at, self.flat_at)
        ended = reading.at >= close_at and self._closed_beyond(reading)
        if not (late or ended or self._invalidated(reading)):
            return
        if reading.at - self.marked_at > MARK_AGE_MAX:
            self.is_lost = True
        else:
            self.result = self._at_exit(self.last_mark)

    def _closed_beyond(self, reading: Reading) -> bool:
        price = reading.number("last_close")
        if not self.rule.by_daily_close or price is None:
            return False
        return any(price > k if is_call else price < k for k, is_call in self.shorts)

    def _invalidated(self, reading: Reading) -> bool:
        starts = self.rule.near_from
        if starts is not None and reading.at < self.flat_at - starts:
            return False
        if self.rule.near_strike_sd is not None and self.shorts:
            spot, rest = reading.number("spot_mid"), reading.number("v_rem")
            if spot is None or rest is None:
                return False
            near = self.rule.near_strike_sd * spot * math.sqrt(rest)
            puts = [k for k, is_call in self.shorts if not is_call]
            calls = [k for k, is_call in self.shorts if is_call]
            return any(spot <= k + near for k in puts) or any(spot >= k - near for k in calls)
        return self.rule.by_noise_area and self._back_inside(reading)

    def _back_inside(self, reading: Reading) -> bool:
        """Two one-minute closes back inside the noise area and across VWAP."""
        metric = reading.metric("minute_close")
        close, vwap = reading.number("minute_close"), reading.number("vwap")
        upper, lower = reading.number("noise_upper"), reading.number("noise_lower")
        if metric is None or close is None or vwap is None or upper is None or lower is None:
            return False
        if self.last_minute is not None and metric.as_of <= self.last_minute:
            return False
        self.last_minute = metric.as_of
        bullish = self.direction is Direction.BULLISH
        # On the edge is inside: outside is beyond it.
        inside = close <= upper if bullish else close >= lower
        across = close < vwap if bullish else close > vwap
        self.closes_against = self.closes_against + 1 if inside and across else 0
        return self.closes_against >= 2


def mark_of(bid: Decimal, ask: Decimal) -> Decimal:
    """Mid of a tight net quote, else a quarter of the spread from the bid (rules, 6.5)."""
    mid, spread = (bid + ask) / 2, ask - bid
    if spread <= max(Decimal("0.05"), abs(mid) / 10):
        return mid
    return bid + spread / 4


def structure_values(
    choice: Choice,
    odds: Odds,
    direction: Direction,
    p_win: float,
    score: float,
    offset: float,
    target: Decimal,
    stop: Decimal,
    time_stop_at: datetime,
    flat_at: datetime,
    *,
    sells_premium: bool,
) -> dict[str, float]:
    """What a P5 prediction records: enough to follow the structure to its exit."""
    values = {
        "p": p_win,
        "s": score,
        "offset": rounded(offset),
        "neutral": float(sells_premium),
        "bullish": float(direction is Direction.BULLISH),
        "mid": float(choice.net_mid),
        "target": float(target),
        "stop": float(stop),
        "target_usd": odds.target_usd,
        "stop_usd": odds.stop_usd,
        "time_stop_at": time_stop_at.timestamp(),
        "flat_at": flat_at.timestamp(),
        "legs": float(len(choice.rows)),
    }
    for index, (row, leg) in enumerate(zip(choice.rows, choice.structure.legs, strict=True)):
        values[f"con_id_{index}"] = float(row.con_id)
        values[f"ratio_{index}"] = float(leg.ratio)
        values[f"strike_{index}"] = float(row.strike)
    return values


def followed_by(bucket: Bucket, parameters: ParameterState, body: PredictionMade) -> Followed:
    """The rules of the bucket by which a predicted structure is left."""
    number, sold = parameters.number, body.values["neutral"] == 1.0
    names = {rule for v, rule in bucket.invalidations.items() if (v in bucket.premium) is sold}
    near_from: timedelta | None = None
    if LAST_DAY_RANGE_RULE in names:
        lasts = number("stop.last_day_before_close_min")
        near_from = timedelta(minutes=lasts - number(f"{bucket.prefix}.forced_flat_min"))
    tightened = timedelta(minutes=number("stop.next_day_tighten_min"))
    ages = (number(f"quote_age_max_option_metric_{days}") for days in ("0dte", "1dte", "later"))
    last_day, day_before, earlier = ages
    return Followed(
        quote_ages_max=(last_day, day_before, earlier),
        near_strike_sd=number("stop.near_strike_sd") if names & NEAR_RULES else None,
        by_noise_area=TREND_RULE in names,
        by_daily_close=DAILY_CLOSE_RULE in names,
        near_from=near_from,
        quiet=timedelta(seconds=number("stop.next_day_quiet_s")),
        tighten_after=tightened if sold and bucket.strategy is Strategy.ONE_DTE else None,
        tighten_to=number("stop.next_day_tighten_multiple"),
    )


def tracked(body: PredictionMade, rule: Followed) -> Tracked:
    """A P5 prediction at the start of its way."""
    values, zone = body.values, body.made_at.tzinfo
    count = int(values["legs"])
    legs = tuple((int(values[f"con_id_{i}"]), int(values[f"ratio_{i}"])) for i in range(count))
    neutral = values["neutral"] == 1.0
    bullish = Direction.BULLISH if values["bullish"] == 1.0 else Direction.BEARISH
    return Tracked(
        prediction_id=body.prediction_id,
        symbol=body.symbol,
        direction=Direction.NEUTRAL if neutral else bullish,
        legs=legs,
        mid=values["mid"],
        target=values["target"],
        stop=values["stop"],
        target_usd=values["target_usd"],
        stop_usd=values["stop_usd"],
        time_stop_at=datetime.fromtimestamp(values["time_stop_at"], zone),
        flat_at=datetime.fromtimestamp(values["flat_at"], zone),
        shorts=_shorts(values, count) if neutral else (),
        rule=rule,
        last_mark=values["mid"],
        marked_at=body.made_at,
    )


def _shorts(values: Mapping[str, float], count: int) -> tuple[tuple[float, bool], ...]:
    """Of two shorts the lower is the put; a single one is a call when its wing lies above."""
    short = sorted(values[f"strike_{i}"] for i in range(count) if values[f"ratio_{i}"] < 0)
    if len(short) == 2:
        return (short[0], False), (short[1], True)
    wings = [values[f"strike_{i}"] for i in range(count) if values[f"ratio_{i}"] > 0]
    return tuple((strike, wing > strike) for strike, wing in zip(short, wings, strict=True))


@dataclass(slots=True)
class SessionTime:
    """Session seconds since the first session: nights do not count."""

    sessions: int = 0
    open_at: datetime | None = field(default=None)

    def started(self, session: Session) -> None:
        self.sessions += 1
        self.open_at = session.open_at

    def at(self, moment: datetime) -> float:
        inside = 0.0 if self.open_at is None else (moment - self.open_at).total_seconds()
        return max(0, self.sessions - 1) * SESSION_MINUTES * 60.0 + max(0.0, inside)
