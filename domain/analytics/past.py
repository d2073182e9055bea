"""What the past says at the start of a session: daily measures, forecast, noise moves, rank.

Built by the stage from the imported history when a session begins or history arrives; refuses
answers of the session itself or later. Nothing in it changes during the day otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from domain.analytics.daily import (
    BETA_SESSIONS,
    DailyBar,
    Trend,
    average_daily_volume,
    beta_to,
    trend_of,
)
from domain.analytics.history import History, MinuteSession
from domain.analytics.opening_range import mean_absolute_moves
from domain.analytics.ranges import RangeVariances, range_variances
from domain.analytics.realised import COVERAGE_MIN, parkinson
from domain.analytics.variance import HAR_SESSIONS, VarianceForecast, har_forecast
from domain.pricing.dividends import Dividend
from domain.session import SESSION_MINUTES, Session

STALE_SESSIONS = 4


@dataclass(frozen=True, slots=True)
class Past:
    """Of one symbol before one session; null where history is missing."""

    previous_close: float | None
    close_before: float | None
    """Of the session right before, less what goes ex on the session date."""
    is_old: bool
    """The newest daily bar is more than 4 sessions back."""
    adv20: float | None
    beta: float
    beta_sessions: int
    trend: Trend | None
    ranges: RangeVariances | None
    forecast: VarianceForecast | None
    variances: tuple[float, ...]
    """Of the last sessions, oldest first."""
    forecast_from_ranges: bool
    """Some session's variance is its Parkinson value."""
    moves: list[float | None] | None
    iv_rank: float | None
    iv_rank_is_old: bool
    """The vendor's rank is of more than 4 sessions back."""
    dividends: tuple[Dividend, ...]
    ex_dividend: float
    """Dollars a share that go ex on the session date."""

    @property
    def beta_is_warm(self) -> bool:
        return self.beta_sessions >= BETA_SESSIONS


def past_of(
    history: History,
    session: Session,
    symbol: str,
    variance_ratio: float,
    beta_default: float,
    coefficients: Sequence[float] | None = None,
) -> Past:
    """Read the history of sessions before `session`."""
    today = session.session_date
    daily = _before(history.daily.get(symbol, {}), today)
    bars = [daily[day] for day in sorted(daily)]
    variances, from_ranges = _variances(history, session, symbol, daily)
    beta, beta_sessions = 1.0, BETA_SESSIONS
    if symbol != "SPY":
        market = _before(history.daily.get("SPY", {}), today)
        beta, beta_sessions = beta_to(_closes(daily), _closes(market), beta_default)
    table = history.dividends.get(symbol)
    dividends = table.ahead(symbol, session, before=today) if table is not None else ()
    recent = [day.session_date for day in session.plan.earlier[-STALE_SESSIONS:]]
    ex_dividend = sum(d.amount for d in dividends if d.ex_date == today)
    is_before = bool(bars) and (not recent or bars[-1].session_date >= recent[-1])
    ranked = max((day for day in history.iv_rank.get(symbol, {}) if day < today), default=None)
    half_days = {day.session_date for day in session.plan.earlier if day.is_half_day}
    return Past(
        previous_close=bars[-1].close if bars else None,
        close_before=bars[-1].close - ex_dividend if is_before else None,
        is_old=bool(bars) and bool(recent) and bars[-1].session_date < recent[0],
        adv20=average_daily_volume([bar for bar in bars if bar.session_date not in half_days]),
        beta=beta,
        beta_sessions=beta_sessions,
        trend=trend_of(bars),
        ranges=range_variances(bars),
        forecast=har_forecast(variances, variance_ratio, coefficients),
        variances=tuple(variances),
        forecast_from_ranges=from_ranges,
        moves=_moves(history.minutes.get(symbol, {}), today),
        iv_rank=None if ranked is None else history.iv_rank[symbol][ranked],
        iv_rank_is_old=ranked is not None and bool(recent) and ranked < recent[0],
        dividends=dividends,
        ex_dividend=ex_dividend,
    )


def _before(series: Mapping[date, DailyBar], day: date) -> dict[date, DailyBar]:
    return {d: bar for d, bar in series.items() if d < day}


def _closes(bars: Mapping[date, DailyBar]) -> dict[date, float]:
    return {day: bar.close for day, bar in bars.items() if bar.close > 0}


def _variances(
    history: History, session: Session, symbol: str, daily: Mapping[date, DailyBar]
) -> tuple[list[float], bool]:
    """Daily variances ending with the last completed session, unbroken, oldest first. One whose
    bars cover less than 80 % of its session is none."""
    realised = history.variances.get(symbol, {})
    covered = history.variance_minutes.get(symbol, {})
    found: list[float] = []
    from_ranges = False
    for planned in reversed(session.plan.earlier[-HAR_SESSIONS:]):
        day = planned.session_date
        value = realised.get(day)
        minutes = (planned.close_at - planned.open_at).total_seconds() / 60
        if covered.get(day, minutes) < COVERAGE_MIN * minutes:
            value = None
        if value is None and day in daily:
            value = parkinson(daily[day].high, daily[day].low)
            from_ranges = from_ranges or value is not None
        if value is None or value <= 0:
            break
        found.append(value)
    found.reverse()
    return found, from_ranges


def _moves(sessions: Mapping[date, MinuteSession], today: date) -> list[float | None] | None:
    days = sorted(day for day in sessions if day < today)
    return mean_absolute_moves(
        [(sessions[day].open, sessions[day].closes) for day in days], SESSION_MINUTES
    )
