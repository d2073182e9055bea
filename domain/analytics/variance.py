"""Variance still to come: log-HAR forecast, intraday profile, nights, variance to an expiry.

Called by the stage for metrics, and by the signal stage for its predictions P3, P4 and P5. All
variances are total, dimensionless, not annualised. Sources: [COR09]; start values measured on
SPY's realised variance 2014-2019 and hourly bars 2014-2021.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from domain.analytics.ewma import clip
from domain.session import Session

HAR_INTERCEPT = -1.1883
HAR_DAY = 0.5379
HAR_WEEK = 0.2274
HAR_MONTH = 0.1287
HAR_RESIDUAL_SD = 0.5993
HAR_SESSIONS = 22
MEAN_REVERSION_A_DAY = 0.94
PROFILE = (
    (30.0, 0.154),
    (60.0, 0.185),
    (60.0, 0.136),
    (60.0, 0.105),
    (60.0, 0.093),
    (60.0, 0.127),
    (60.0, 0.200),
)
"""(minutes, share of the day's variance) from the open of a full session."""
_PROFILE_MINUTES = 390.0
REALISED_SHARE_MIN = 0.10


@dataclass(frozen=True, slots=True)
class VarianceForecast:
    """Open-to-close variance of one session, and the 22-day mean it reverts to."""

    rv_hat: float
    mean_month: float


def har_means(realised: Sequence[float]) -> tuple[float, float, float] | None:
    """Variance of the last session, mean of the last 5 and of the last 22, oldest first.

    None under 22 sessions or when one of them has no variance.
    """
    if len(realised) < HAR_SESSIONS:
        return None
    month = list(realised[-HAR_SESSIONS:])
    if min(month) <= 0.0:
        return None
    return month[-1], math.fsum(month[-5:]) / 5, math.fsum(month) / HAR_SESSIONS


def har_forecast(
    realised: Sequence[float],
    variance_ratio: float,
    coefficients: Sequence[float] | None = None,
) -> VarianceForecast | None:
    """Next session's variance from daily realised variances, oldest first.

    `variance_ratio` is the symbol's daily variance over SPY's (1 for SPY): it shifts the
    intercept. `coefficients` (intercept, day, week, month) are the symbol's own once it was
    refitted. None under 22 sessions or when one of them has no variance.
    """
    means = har_means(realised)
    if means is None:
        return None
    day, mean_week, mean_month = means
    if coefficients is None:
        shift = (1 - HAR_DAY - HAR_WEEK - HAR_MONTH) * math.log(variance_ratio)
        coefficients = (HAR_INTERCEPT + shift, HAR_DAY, HAR_WEEK, HAR_MONTH)
    log_variance = (
        coefficients[0]
        + coefficients[1] * math.log(day)
        + coefficients[2] * math.log(mean_week)
        + coefficients[3] * math.log(mean_month)
    )
    return VarianceForecast(math.exp(log_variance + HAR_RESIDUAL_SD**2 / 2), mean_month)


def rho(minutes_since_open: float, session_minutes: float) -> float:
    """Share of the session's variance still to come; a half day has the profile compressed."""
    passed = clip(minutes_since_open, 0.0, session_minutes) / session_minutes * _PROFILE_MINUTES
    done = 0.0
    for minutes, share in PROFILE:
        if passed <= 0.0:
            break
        done += share * min(passed / minutes, 1.0)
        passed -= minutes
    return clip(1.0 - done, 0.0, 1.0)


def share_to_come(session: Session, minutes_since_open: float) -> float:
    """rho at a moment of this session."""
    length = (session.close_at - session.open_at).total_seconds() / 60
    return rho(minutes_since_open, length)


def remaining_variance(
    rv_hat: float,
    share_to_come: float,
    realised_so_far: float | None,
    exponent: float,
    share_then: float | None = None,
) -> float:
    """V_rem: the forecast of the rest of the session, adjusted by what was realised so far.

    `share_then` was still to come when `realised_so_far` was measured; None: it is of now.
    """
    adjustment = 1.0
    done = 1.0 - (share_to_come if share_then is None else share_then)
    if done >= REALISED_SHARE_MIN and realised_so_far is not None:
        adjustment = clip(realised_so_far / (rv_hat * done), 0.25, 4.0)
    return rv_hat * share_to_come * math.pow(adjustment, exponent)


def overnight_variance(rv_hat: float, night_share: float, calendar_days: int) -> float:
    """Variance of the night before a session whose open-to-close variance is `rv_hat`."""
    longer = 1.2 if calendar_days > 1 else 1.0
    return rv_hat * night_share / (1.0 - night_share) * longer


def variance_to_expiry(
    forecast: VarianceForecast,
    remaining_today: float | None,
    nights: Sequence[int],
    night_share: float,
) -> float:
    """V(T): the rest of today, then each night and session up to the expiry day.

    `nights` has, for each later session up to and with the expiry day, the calendar days between
    it and the session before. `remaining_today` None: today's session is over, so that the first
    of `nights` leads to day 1 itself.
    """
    total = 0.0 if remaining_today is None else remaining_today
    first = 1 if remaining_today is None else 2
    for day, calendar_days in enumerate(nights, start=first):
        rv_day = forecast.mean_month + (
            forecast.rv_hat - forecast.mean_month
        ) * MEAN_REVERSION_A_DAY ** (day - 1)
        total += overnight_variance(rv_day, night_share, calendar_days) + rv_day
    return total


def variance_ratio(atm_volatility: float, years: float, variance: float) -> float | None:
    """vr: implied over forecast total variance; vrp is its square root, above 1 = options dear."""
    if variance <= 0.0:
        return None
    return atm_volatility * atm_volatility * years / variance
