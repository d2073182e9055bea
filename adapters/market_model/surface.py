"""Implied variance over the simulated day, and dividends: what the option prices rest on.

Total variance to an expiry is the model's own forecast of what is still to come, times the square
of the scenario's premium: the simulated dealers price by the forecast, so the desk finds the
implied over forecast ratio that the scenario asks for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from adapters.market_model.chain import Chain, is_monthly
from adapters.market_model.pricing import YEAR_SECONDS
from adapters.market_model.scenario import Scenario
from adapters.market_model.variance import remaining_today, variance_after_today

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

DIVIDEND_YIELD = {"SPY": 0.0026, "QQQ": 0.0012, "IWM": 0.0030}
"""Quarterly dividend as a share of the price."""
VARIANCE_FLOOR = 1e-9


@dataclass(frozen=True, slots=True)
class Dividend:
    ex_date: date
    amount: float


def dividends(symbol: str, spot: float, sessions: Sequence[date]) -> list[Dividend]:
    """Quarterly dividends among `sessions`: third Friday of March, June, September, December for
    SPY, the session after it for QQQ and IWM."""
    result = []
    for index, day in enumerate(sessions):
        if is_monthly(day) and day.month % 3 == 0:
            at = day if symbol == "SPY" or index + 1 == len(sessions) else sessions[index + 1]
            result.append(Dividend(at, round(spot * DIVIDEND_YIELD[symbol], 2)))
    return result


class Surface:
    """Implied total variance at the money of each expiry of a chain, at any second of the day."""

    def __init__(
        self,
        chain: Chain,
        scenario: Scenario,
        sessions: Sequence[date],
        closings: Sequence[datetime],
        session_closes: Floats,
        forecast: float,
        mean_variance: float,
        paid: Sequence[Dividend],
    ) -> None:
        """`sessions` and `closings` start with today; `session_closes` are today's prices by the
        second from the open, which the surface reads only up to the time it is asked for."""
        self._scenario = scenario
        self._premium_minutes = np.array([minute for minute, _ in scenario.premium_path])
        self._premium_factors = np.array([factor for _, factor in scenario.premium_path])
        self._remaining = remaining_today(session_closes, forecast)
        self._logs = np.log(session_closes / session_closes[0])
        self._close_at = closings[0]
        self._open_at = closings[0] - timedelta(seconds=len(session_closes) - 1)
        after = variance_after_today(forecast, mean_variance, sessions)
        order = {day: index for index, day in enumerate(sessions)}
        places = [order[expiry] for expiry in chain.expiries]
        self._after = np.array([after[place] for place in places])
        self._closings = [closings[place] for place in places]
        self._seconds_after_close = np.array(
            [(closing - self._close_at).total_seconds() for closing in self._closings]
        )
        opens = self._open_at.timetz()
        self._paid = [
            (datetime.combine(item.ex_date, opens), item.amount, item.ex_date)
            for item in paid
            if item.ex_date > sessions[0]
        ]
        self._expiries = chain.expiries

    def years(self, seconds_since_open: float) -> Floats:
        """ACT/365 time to each expiry; negative after it."""
        index = np.arange(len(self._after))
        return self.years_at(np.full(len(index), seconds_since_open), index)

    def variance_at(self, seconds: Floats, expiry_index: Integers) -> Floats:
        """Implied total variance at the money, for pairs of a time since the open and an expiry.

        The premium over the forecast falls when the market rises (`spot_vol_beta`) and follows the
        scenario's `premium_path`.
        """
        last = len(self._logs) - 1
        today = np.interp(seconds / 60, np.arange(len(self._remaining)), self._remaining)
        moves = self._logs[np.clip(seconds, 0, last).astype(np.int64)]
        premium = self._scenario.variance_premium * np.exp(-self._scenario.spot_vol_beta * moves)
        premium *= np.interp(seconds / 60, self._premium_minutes, self._premium_factors)
        total: Floats = np.maximum((self._after[expiry_index] + today) * premium**2, VARIANCE_FLOOR)
        return total

    def variance(self, seconds_since_open: float) -> Floats:
        """Implied total variance at the money to each expiry."""
        index = np.arange(len(self._after))
        return self.variance_at(np.full(len(index), seconds_since_open), index)

    def years_at(self, seconds: Floats, expiry_index: Integers) -> Floats:
        """ACT/365 time left, for pairs of a time since the open and an expiry."""
        left = self._seconds_after_close[expiry_index] + (len(self._logs) - 1) - seconds
        years: Floats = left / YEAR_SECONDS
        return years

    def dividends_before_expiry(self, seconds_since_open: float) -> Floats:
        """Present value of the dividends that fall before each expiry."""
        now = self._open_at + timedelta(seconds=seconds_since_open)
        result = np.zeros(len(self._expiries))
        for at, amount, ex_date in self._paid:
            years = (at - now).total_seconds() / YEAR_SECONDS
            value = amount * math.exp(-self._scenario.rate * years)
            result += np.array([value if ex_date <= day else 0.0 for day in self._expiries])
        return result
