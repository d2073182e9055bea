"""Option flow: signed premium, delta flow, sweeps and blocks, put/call ratios.

Called by the stage with each option trade of the flow vendor and once for each closed 5-second
bar. All flow features are shrunk: the side of a trade is right in about 83 % of cases [SW03].
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from domain.analytics.ewma import EwMoments, five_sessions_moments, minutes_moments

WARM_BARS = 180
_BAR_SECONDS = 5.0
_MINUTE_BARS = 12
WINDOW_MINUTES = 30
WINDOW_BARS = WINDOW_MINUTES * _MINUTE_BARS
"""A trailing window of 5-second bars."""
CLASSIFIED_MIN = 50
SHRINK_TRADES = 200
RATIO_CONTRACTS_MIN = 100
SWEEP_HALF_LIFE_SECONDS = 180.0
SWEEP_MINUTES = 15
"""Five half-lives: 3 % of a sweep are left."""
SWEEP_WINDOW_MS = 100
SWEEP_PRINTS = 3
SWEEP_EXCHANGES = 2
BLOCK_CONTRACTS = 500
BLOCK_PREMIUM = 250_000.0
DTE_MAX = 60
PRICE_MIN = 0.03
_TAKE_ASK = Decimal("0.60")
_TAKE_BID = Decimal("0.40")
_SIDES = {"ask_side": 1, "bid_side": -1, "mid_side": 0, "no_side": 0}
MULTI_LEG_CODES = frozenset(
    {"mlet", "mlat", "mlct", "mlft", "mesl", "masl", "mfsl", "cbmo", "mctp"}
    | {"tlat", "tlet", "tlct", "tlft", "tesl", "tasl", "tfsl"}
)
SWEEP_CODES = frozenset({"isoi", "slai", "scli"})
VOID_CODES = frozenset({"canc", "cncl", "cnco", "cnol", "late", "oseq"})
_EXCLUDED_CODES = MULTI_LEG_CODES | VOID_CODES
VOID_FLAGS = ("cancel", "late", "out_of_sequence")


def quote_side(price: Decimal, bid: Decimal, ask: Decimal) -> int:
    """Side by the quote rule, in exact decimals: +1 bought, -1 sold, 0 between, locked or crossed.

    A bid of 0 is an ordinary quote of an option that hardly anybody wants.
    """
    if ask <= bid:
        return 0
    place = (price - bid) / (ask - bid)
    if price >= ask or place >= _TAKE_ASK:
        return 1
    if price <= bid or place <= _TAKE_BID:
        return -1
    return 0


def tagged_side(tags: Sequence[str]) -> int | None:
    """Side by the vendor's tag; None without one."""
    for tag in tags:
        if tag in _SIDES:
            return _SIDES[tag]
    return None


@dataclass(slots=True)
class Trade:
    """One option trade as flow needs it. `premium` dollars, `spot` at the trade.

    Not frozen: they are made by the hundred thousand, and freezing doubles their cost.
    """

    contract: str
    is_call: bool
    side: int
    price: float
    size: int
    premium: float
    delta: float | None
    spot: float | None
    exchange: str
    executed_ms: int
    is_sweep: bool
    directional: bool


def is_directional(
    codes: tuple[str, ...], flags: Sequence[str], days_to_expiry: int, price: float
) -> bool:
    """False for cancelled, late, multi-leg, stock-tied, far or worthless trades."""
    if days_to_expiry > DTE_MAX or price < PRICE_MIN:
        return False
    if not _EXCLUDED_CODES.isdisjoint(codes):
        return False
    return not flags or not any("multi" in flag or flag.startswith(VOID_FLAGS) for flag in flags)


@dataclass(slots=True)
class _Print:
    executed_ms: int
    side: int
    exchange: str
    signed: float
    counted: bool


@dataclass(slots=True)
class SweepIntensity:
    """Decaying sums of signed weights of sweeps and blocks: calls +, puts -, half-life 3 min."""

    calls: float = 0.0
    puts: float = 0.0
    at: float = 0.0
    recent: dict[str, deque[_Print]] = field(default_factory=dict)

    def decay(self, now: float) -> None:
        if now > self.at:
            factor = 2.0 ** (-(now - self.at) / SWEEP_HALF_LIFE_SECONDS)
            self.calls *= factor
            self.puts *= factor
            self.at = now

    @property
    def net(self) -> float:
        """Calls count +, puts -."""
        return self.calls - self.puts

    def add(self, trade: Trade, now: float) -> None:
        self.decay(now)
        weight = math.log1p(trade.premium / 25_000.0)
        signed = trade.side * weight
        block = trade.size >= BLOCK_CONTRACTS or trade.premium >= BLOCK_PREMIUM
        counted = trade.is_sweep or block
        prints = self.recent.get(trade.contract)
        if prints is None:
            prints = self.recent[trade.contract] = deque(maxlen=64)
        while prints and trade.executed_ms - prints[0].executed_ms > SWEEP_WINDOW_MS:
            prints.popleft()
        prints.append(_Print(trade.executed_ms, trade.side, trade.exchange, signed, counted))
        amount = signed if counted else 0.0
        same = []
        if len(prints) >= SWEEP_PRINTS:
            # A report that comes late may be older than the ones before it.
            near = trade.executed_ms + SWEEP_WINDOW_MS
            same = [p for p in prints if p.side == trade.side and p.executed_ms <= near]
        if len(same) >= SWEEP_PRINTS and len({p.exchange for p in same}) >= SWEEP_EXCHANGES:
            for found in same:
                if not found.counted:
                    found.counted = True
                    amount += found.signed
        if trade.is_call:
            self.calls += amount
        else:
            self.puts += amount


@dataclass(slots=True)
class _Bucket:
    calls: float = 0.0
    puts: float = 0.0
    absolute: float = 0.0
    delta: float = 0.0
    classified: int = 0


@dataclass(slots=True)
class MinuteSums:
    """What a minute of trades adds to the sums of the session; premium and delta in dollars."""

    calls: float = 0.0
    puts: float = 0.0
    delta: float = 0.0
    call_volume: int = 0
    put_volume: int = 0
    call_ask_volume: int = 0
    put_ask_volume: int = 0


_KEPT_OVER_NIGHT = (
    *("delta_slow", "delta_fast", "delta_scores", "sweep_scores"),
    *("calls_fast", "calls_slow", "puts_fast", "puts_slow"),
)


@dataclass(slots=True)
class Flow:
    """Flow of one symbol in one session; z-scores outlive the session."""

    ncp: float = 0.0
    npp: float = 0.0
    classified: int = 0
    last_trade_at: float | None = None
    open: _Bucket = field(default_factory=_Bucket)
    window: deque[_Bucket] = field(default_factory=lambda: deque(maxlen=WINDOW_BARS))
    delta_fast: EwMoments = field(default_factory=lambda: minutes_moments(5))
    delta_slow: EwMoments = field(default_factory=lambda: minutes_moments(30))
    calls_fast: EwMoments = field(default_factory=lambda: minutes_moments(5))
    calls_slow: EwMoments = field(default_factory=lambda: minutes_moments(30))
    puts_fast: EwMoments = field(default_factory=lambda: minutes_moments(5))
    puts_slow: EwMoments = field(default_factory=lambda: minutes_moments(30))
    delta_scores: EwMoments = field(default_factory=five_sessions_moments)
    delta_z: float | None = None
    sweeps: SweepIntensity = field(default_factory=SweepIntensity)
    sweep_scores: EwMoments = field(default_factory=five_sessions_moments)
    sweep_z: float | None = None
    call_volume: int = 0
    put_volume: int = 0
    call_premium: float = 0.0
    put_premium: float = 0.0
    call_ask_volume: int = 0
    put_ask_volume: int = 0
    bars: int = 0
    minutes: dict[int, MinuteSums] = field(default_factory=dict)
    """Our own by minutes since the open, until the vendor's row of the minute was compared."""
    ticks_until: int = 0
    """Minutes since the open whose rows were compared."""
    heard: set[int] = field(default_factory=set)
    """Minutes since the open of which there was a trade."""
    repaired: set[int] = field(default_factory=set)
    """Minutes that are the vendor's: a trade of one that comes after all is in them already."""
    vendor_calls: float = 0.0
    vendor_puts: float = 0.0
    """Sums of the vendor's rows since the open."""
    ticks_at: float | None = None

    def begin_session(self) -> None:
        """Sums start anew; EW means and scores carry over the night."""
        fresh = Flow()
        for name in _KEPT_OVER_NIGHT:
            setattr(fresh, name, getattr(self, name))
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))

    def add(self, trade: Trade, now: float, minute: int = 0) -> None:
        """`minute` counts from the open to when it was executed."""
        self.last_trade_at = now
        self.heard.add(minute)
        if minute in self.repaired:
            return
        own = self.minutes.get(minute)
        if own is None:
            own = self.minutes[minute] = MinuteSums()
        size = trade.size
        at_ask = size if trade.side > 0 else 0
        if trade.is_call:
            self.call_volume += size
            self.call_premium += trade.premium
            self.call_ask_volume += at_ask
            own.call_volume += size
            own.call_ask_volume += at_ask
        else:
            self.put_volume += size
            self.put_premium += trade.premium
            self.put_ask_volume += at_ask
            own.put_volume += size
            own.put_ask_volume += at_ask
        if not trade.directional or trade.side == 0:
            return
        amount = trade.side * trade.premium
        bucket = self.open
        if trade.is_call:
            self.ncp += amount
            bucket.calls += amount
            own.calls += amount
        else:
            self.npp += amount
            bucket.puts += amount
            own.puts += amount
        bucket.absolute += trade.premium
        bucket.classified += 1
        self.classified += 1
        if trade.delta is not None and trade.spot is not None:
            delta = trade.side * trade.delta * size * 100 * trade.spot
            bucket.delta += delta
            own.delta += delta
        self.sweeps.add(trade, now)

    def repair(self, minute: int, told: MinuteSums, own: MinuteSums, last_bar: int | None) -> None:
        """Put the vendor's sums of a closed minute in the place of ours: in the sums of the session
        and, where its bars were absorbed, in the EW means, as if it had come evenly in them."""
        self.repaired.add(minute)
        calls, puts, delta = told.calls - own.calls, told.puts - own.puts, told.delta - own.delta
        self.ncp += calls
        self.npp += puts
        self.call_volume += told.call_volume - own.call_volume
        self.put_volume += told.put_volume - own.put_volume
        self.call_ask_volume += told.call_ask_volume - own.call_ask_volume
        self.put_ask_volume += told.put_ask_volume - own.put_ask_volume
        bars_ago = -1 if last_bar is None else last_bar - (minute + 1) * _MINUTE_BARS + 1
        if bars_ago < 0:
            return
        for change, means in (
            (calls, (self.calls_fast, self.calls_slow)),
            (puts, (self.puts_fast, self.puts_slow)),
            (delta, (self.delta_fast, self.delta_slow)),
        ):
            for moments in means:
                moments.amend(change / _MINUTE_BARS, _BAR_SECONDS, bars_ago, _MINUTE_BARS)

    def has_hole(self, market: Flow, first: int, last: int) -> bool:
        """Whether trades of the minutes from `first` to before `last` are known to be missing: the
        vendor counted more than twice as many, or the whole `market` was not heard."""
        return any(
            minute in self.repaired or minute not in market.heard for minute in range(first, last)
        )

    @property
    def is_warm(self) -> bool:
        """15 minutes of session, as we heard them or as the vendor's rows have told them."""
        return self.bars >= WARM_BARS or self.ticks_until >= WARM_BARS // _MINUTE_BARS

    def close_bar(self, now: float, dt: float, missing: int = 0) -> None:
        """One observation of each series: the sums of the bar, 0 without trades. What was heard
        while `missing` bars before it did not come counts as if it had come evenly in them all."""
        bucket, self.open = self.open, _Bucket()
        self.window.extend(_Bucket() for _ in range(min(missing, WINDOW_BARS)))
        self.window.append(bucket)
        bars = missing + 1
        self.bars += bars
        span = dt * bars
        self.calls_fast.update(bucket.calls / bars, span)
        self.calls_slow.update(bucket.calls / bars, span)
        self.puts_fast.update(bucket.puts / bars, span)
        self.puts_slow.update(bucket.puts / bars, span)
        self.delta_fast.update(bucket.delta / bars, span)
        self.delta_slow.update(bucket.delta / bars, span)
        level = self.delta_slow.mean
        self.delta_z = self.delta_scores.score(level) if self.delta_scores.is_warm else None
        self.delta_scores.update(level, span)
        self.sweeps.decay(now)
        net = self.sweeps.net
        self.sweep_z = self.sweep_scores.score(net) if self.sweep_scores.is_warm else None
        self.sweep_scores.update(net, span)

    def imbalances(self) -> tuple[int, float | None, float | None]:
        """Of the trailing 30 minutes: the classified trades n, FI in [-1, 1], and
        FI_s = FI min(1, n/200); None under 50 of them."""
        calls = puts = absolute = 0.0
        count = 0
        for bucket in (*self.window, self.open):
            if bucket.classified:
                calls += bucket.calls
                puts += bucket.puts
                absolute += bucket.absolute
                count += bucket.classified
        if count < CLASSIFIED_MIN or absolute <= 0:
            return count, None, None
        raw = (calls - puts) / absolute
        return count, raw, raw * min(1.0, count / SHRINK_TRADES)


def ratio(puts: float, calls: float, contracts: float) -> float | None:
    """A put/call ratio; None when the denominator has fewer than 100 contracts."""
    return puts / calls if contracts >= RATIO_CONTRACTS_MIN and calls > 0 else None


def seed_delta_flow(flow: Flow, sessions: list[list[float]], session_seconds: float) -> None:
    """Warm delta flow from past sessions of net dollar delta a minute, spread over 12 bars."""
    for minutes in sessions:
        for minute in minutes:
            for _ in range(12):
                flow.delta_fast.update(minute / 12, 5.0)
                flow.delta_slow.update(minute / 12, 5.0)
                flow.delta_scores.update(flow.delta_slow.mean, 5.0)
    if sessions:
        flow.delta_scores.import_ends(len(sessions) * session_seconds)
