"""Earlier sessions of the simulated market: 260 daily bars, and intraday bars where asked for.

A daily bar says where a session opened and closed; its seconds are a bridge between the two, made
from the seed when somebody asks. The last 30 seeded sessions take high and low from their seconds,
so that five-minute bars and daily bars agree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from adapters.market_model.paths import ADV_SHARES, BETA, pinned_noise, volume_by_second
from adapters.market_model.randomness import stream
from adapters.market_model.scenario import BasketMember
from adapters.market_model.seconds import SecondTable, table_from_closes
from adapters.market_model.session_plan import SimSession
from adapters.market_model.variance import (
    LONG_NIGHT_FACTOR,
    OVERNIGHT_SHARE,
    SYMBOL_FACTOR,
    realised_variance,
    variance_density,
)

Floats = NDArray[np.float64]

DETAILED_SESSIONS = 30
DRIFT_SESSIONS = 25
PERSISTENCE = 0.9
VARIANCE_SPREAD = 0.35


@dataclass(frozen=True, slots=True)
class HistoricDay:
    """One earlier session of a symbol. `variance` is open to close, what its seconds realise."""

    session: SimSession
    open: float
    high: float
    low: float
    close: float
    volume: int
    variance: float

    def as_row(self) -> tuple[date, float, float, float, float, int]:
        return (
            self.session.session_date,
            self.open,
            self.high,
            self.low,
            self.close,
            self.volume,
        )


def day_closes(seed: int, symbol: str, day: HistoricDay) -> Floats:
    """Prices of a session by the second, the opening price first, between its high and low."""
    seconds = day.session.seconds
    label = day.session.session_date.toordinal()
    density = np.sqrt(variance_density(seconds))
    beta = BETA.get(symbol, 1.0)
    factor = SYMBOL_FACTOR.get(symbol, beta**2)
    market = stream(seed, "history", "SPY", label).standard_normal(seconds)
    own = stream(seed, "history", symbol, label).standard_normal(seconds)
    share = min(1.0, beta / math.sqrt(factor))
    steps = density * (share * market + math.sqrt(1 - share**2) * own)
    noise = pinned_noise(steps * math.sqrt(day.variance), np.array([seconds]))
    line = np.linspace(math.log(day.open), math.log(day.close), seconds + 1)
    return np.clip(np.exp(line + noise), day.low, day.high)


def day_table(seed: int, symbol: str, day: HistoricDay) -> SecondTable:
    """The seconds of an earlier session."""
    closes = day_closes(seed, symbol, day)
    volume = volume_by_second(
        seed, symbol, day.session.session_date.isoformat(), np.log(closes), day.volume
    )
    return table_from_closes(
        symbol, day.session.open_at, float(closes[0]), closes[1:], volume.astype(np.int64)
    )


@dataclass(frozen=True, slots=True)
class _Night:
    variance: float
    day_return: float
    night_return: float


def _market_days(
    seed: int, sessions: Sequence[SimSession], daily_volatility: float, drift: float = 0.0
) -> list[_Night]:
    """SPY's variance and returns of each session, going backwards from today's level; `drift` is
    added to the log return of the last DRIFT_SESSIONS."""
    chance = stream(seed, "history", "daily")
    level, result = 0.0, []
    for index in range(len(sessions) - 1, -1, -1):
        innovation = VARIANCE_SPREAD * math.sqrt(1 - PERSISTENCE**2)
        level = PERSISTENCE * level + innovation * float(chance.standard_normal())
        variance = daily_volatility**2 * math.exp(level - VARIANCE_SPREAD**2 / 2)
        night = variance * OVERNIGHT_SHARE / (1 - OVERNIGHT_SHARE)
        gap = sessions[index].session_date - sessions[index - 1].session_date
        if index and gap.days > 1:
            night *= LONG_NIGHT_FACTOR
        result.append(
            _Night(
                variance,
                math.sqrt(variance) * float(chance.standard_normal())
                + 0.0002
                + (drift if index >= len(sessions) - DRIFT_SESSIONS else 0.0),
                math.sqrt(night) * float(chance.standard_normal()) + 0.0001,
            )
        )
    result.reverse()
    return result


def _symbol_days(
    seed: int,
    symbol: str,
    sessions: Sequence[SimSession],
    market: Sequence[_Night],
    last_close: float,
    beta: float,
    adv_shares: float,
) -> list[HistoricDay]:
    chance = stream(seed, "history", "daily", symbol)
    factor = SYMBOL_FACTOR.get(symbol, beta**2 + 0.5)
    own = math.sqrt(max(0.0, factor - beta**2))
    close, days = last_close, []
    for index in range(len(sessions) - 1, -1, -1):
        night = market[index]
        sd = math.sqrt(night.variance)
        day_return = beta * night.day_return + own * sd * float(chance.standard_normal())
        night_return = beta * night.night_return + 0.5 * own * sd * float(chance.standard_normal())
        opening = close * math.exp(-day_return)
        reach = math.sqrt(factor) * sd * 0.4
        up, down = np.abs(chance.standard_normal(2)) * reach
        busy = math.sqrt(night.variance / (sum(m.variance for m in market) / len(market)))
        volume = adv_shares * busy**0.8 * float(chance.lognormal(-0.02, 0.2))
        days.append(
            HistoricDay(
                sessions[index],
                round(opening, 2),
                round(max(opening, close) * math.exp(up), 2),
                round(min(opening, close) * math.exp(-down), 2),
                round(close, 2),
                int(volume),
                night.variance * factor,
            )
        )
        close = opening * math.exp(-night_return)
    days.reverse()
    return days


def _detailed(seed: int, symbol: str, day: HistoricDay) -> HistoricDay:
    """The day with high and low from its own seconds instead of a guess."""
    free = replace(day, high=math.inf, low=0.0)
    closes = np.round(day_closes(seed, symbol, free), 2)
    return replace(
        day,
        high=float(closes.max()),
        low=float(closes.min()),
    )


def seeded_history(
    seed: int,
    sessions: Sequence[SimSession],
    previous_close: Mapping[str, float],
    basket: Sequence[BasketMember],
    daily_volatility: float,
    drift: float = 0.0,
) -> dict[str, list[HistoricDay]]:
    """Daily bars of the three symbols and the basket, oldest first, ending at `previous_close`."""
    market = _market_days(seed, sessions, daily_volatility, drift)
    result: dict[str, list[HistoricDay]] = {}
    for symbol, adv in ADV_SHARES.items():
        days = _symbol_days(
            seed, symbol, sessions, market, previous_close[symbol], BETA[symbol], adv
        )
        detail = min(DETAILED_SESSIONS, len(days))
        result[symbol] = days[: len(days) - detail] + [
            _detailed(seed, symbol, day) for day in days[len(days) - detail :]
        ]
    for member in basket:
        result[member.symbol] = _symbol_days(
            seed,
            member.symbol,
            sessions,
            market,
            previous_close.get(member.symbol, member.price),
            member.beta,
            member.adv_shares,
        )
    return result


def realised_variances(seed: int, symbol: str, days: Sequence[HistoricDay]) -> list[float]:
    """Five-minute realised variance of each session, from its seconds."""
    return [realised_variance(day_closes(seed, symbol, day), 1) for day in days]
