"""The simulated day's prices by the second, from seed and scenario.

SPY carries drift, noise with the intraday volatility shape, and jumps; QQQ and IWM follow by beta
with noise of their own. The grid runs from 15 minutes before the open to 20 minutes after the
close, because the closing strategy leaves after the auction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from adapters.market_model.randomness import stream
from adapters.market_model.scenario import Scenario
from adapters.market_model.seconds import SecondTable, table_from_closes
from adapters.market_model.session_plan import SimSession
from adapters.market_model.variance import SYMBOL_FACTOR, variance_density

Floats = NDArray[np.float64]

BEFORE_OPEN_SECONDS = 900
AFTER_CLOSE_SECONDS = 1200
EXTENDED_HOURS_FACTOR = 0.08
"""Variance and volume of a second outside the session relative to the session's mean second."""

BETA = {"SPY": 1.0, "QQQ": 1.12, "IWM": 1.10}
ADV_SHARES = {"SPY": 70_000_000, "QQQ": 45_000_000, "IWM": 30_000_000}


def pinned_noise(steps: Floats, pins: Floats) -> Floats:
    """Cumulative noise of `steps` forced to zero at the indexes `pins`: bridges between them.

    The local variance stays that of the steps, only the drift between pins goes. Element 0 is 0.
    """
    walk = np.concatenate(([0.0], np.cumsum(steps)))
    knots = np.unique(np.concatenate(([0], np.clip(pins, 0, len(steps)).astype(int))))
    free: Floats = walk - np.interp(np.arange(len(walk)), knots, walk[knots])
    return free


def _knots(knots: tuple[tuple[float, float], ...], seconds: int) -> Floats:
    at = np.array([minute * 60 for minute, _ in knots])
    values = np.array([value for _, value in knots])
    result: Floats = np.interp(np.arange(seconds + 1), at, values)
    return result


def spy_log_path(seed: int, scenario: Scenario, seconds: int) -> Floats:
    """Log return of SPY since the open at each whole second of the session."""
    chance = stream(seed, "path", "SPY")
    scale = _knots(scenario.noise_scale, seconds)[:-1]
    sd = np.sqrt(variance_density(seconds)) * scenario.daily_volatility * scale
    noise = pinned_noise(
        sd * chance.standard_normal(seconds), np.array(scenario.pinned_minutes) * 60
    )
    path = _knots(scenario.drift_percent, seconds) / 100 + noise
    jumps = stream(seed, "jumps")
    for _ in range(int(jumps.poisson(scenario.jumps_per_day))):
        at = int(jumps.integers(0, seconds))
        size = 3 * float(sd[at]) * 60**0.5 * (1 if jumps.random() < 0.5 else -1)
        if not scenario.jump_free_minutes[0] * 60 <= at < scenario.jump_free_minutes[1] * 60:
            path[at + 1 :] += size
    return path


def follower_log_path(
    seed: int, symbol: str, spy: Floats, scenario: Scenario, variance: float | None = None
) -> Floats:
    """Log return of QQQ or IWM: beta times SPY's plus noise that brings its variance up to its
    multiple of SPY's."""
    seconds = len(spy) - 1
    chance = stream(seed, "path", symbol)
    beta = BETA[symbol]
    own = max(0.0, SYMBOL_FACTOR[symbol] - beta**2)
    base = scenario.daily_volatility**2 if variance is None else variance
    scale = _knots(scenario.noise_scale, seconds)[:-1]
    sd = np.sqrt(variance_density(seconds) * base * own) * scale
    noise = pinned_noise(
        sd * chance.standard_normal(seconds), np.array(scenario.pinned_minutes) * 60
    )
    return beta * spy + noise


def volume_by_second(seed: int, name: str, day: str, log_path: Floats, total: float) -> Floats:
    """Shares in each second: U-shaped, more when the price moves, sum about `total`."""
    seconds = len(log_path) - 1
    chance = stream(seed, "volume", name, day)
    density = variance_density(seconds) ** 0.8
    moves = np.abs(np.diff(log_path))
    typical = np.sqrt(np.maximum(variance_density(seconds), 1e-12))
    typical *= max(float(moves.std()), 1e-9) / float(typical.mean())
    weight = density / density.sum() * chance.lognormal(-0.245, 0.7, seconds)
    shares: Floats = np.round(total * weight * (0.75 + 0.25 * moves / typical))
    return shares


def _edges(seed: int, symbol: str, sd: float, seconds: int, name: str) -> Floats:
    steps = stream(seed, name, symbol).standard_normal(seconds) * sd
    return np.concatenate(([0.0], np.cumsum(steps)))


def day_table(
    seed: int,
    symbol: str,
    session: SimSession,
    log_path: Floats,
    open_price: float,
    adv_shares: float,
    daily_volatility: float,
) -> SecondTable:
    """The whole grid of one underlying, with the quiet quarter hour before and after."""
    seconds = len(log_path) - 1
    sd = daily_volatility * (EXTENDED_HOURS_FACTOR / seconds) ** 0.5
    before = _edges(seed, symbol, sd, BEFORE_OPEN_SECONDS, "before")
    after = _edges(seed, symbol, sd, AFTER_CLOSE_SECONDS, "after")
    logs = np.concatenate((before[:-1] - before[-1], log_path, log_path[-1] + after[1:]))
    prices = open_price * np.exp(logs)
    chance = stream(seed, "extended volume", symbol)
    mean = adv_shares / seconds * EXTENDED_HOURS_FACTOR
    volume = np.concatenate(
        (
            chance.poisson(mean / 100, BEFORE_OPEN_SECONDS) * 100.0,
            volume_by_second(seed, symbol, "today", log_path, adv_shares),
            chance.poisson(mean / 100, AFTER_CLOSE_SECONDS) * 100.0,
        )
    )
    return table_from_closes(
        symbol,
        session.open_at - timedelta(seconds=BEFORE_OPEN_SECONDS),
        float(prices[0]),
        prices[1:],
        volume.astype(np.int64),
    )


def seeded_tables(
    seed: int, scenario: Scenario, session: SimSession, spot: Mapping[str, float]
) -> dict[str, SecondTable]:
    """Today's tables of SPY, QQQ, IWM and the closing basket."""
    spy = spy_log_path(seed, scenario, session.seconds)
    paths = {"SPY": spy}
    for symbol in ("QQQ", "IWM"):
        paths[symbol] = follower_log_path(seed, symbol, spy, scenario)
    return {
        symbol: day_table(
            seed,
            symbol,
            session,
            path,
            spot[symbol],
            ADV_SHARES[symbol],
            scenario.daily_volatility,
        )
        for symbol, path in paths.items()
    }


def pressure(closes: Floats) -> Floats:
    """Direction of the tape in [-1, 1] by the second: what order flow leans towards.

    tanh of the standardised return from 4 minutes ago to 30 seconds ahead. The half minute ahead
    is what makes flow informative: buyers are a little early.
    """
    logs = np.log(closes)
    seconds = len(logs)
    index = np.arange(seconds)
    ahead = np.minimum(index + 30, seconds - 1)
    behind = np.maximum(index - 240, 0)
    sd = float(np.diff(logs).std()) or 1e-9
    x = (logs[ahead] - logs[behind]) / (sd * np.sqrt(np.maximum(ahead - behind, 1)))
    lean: Floats = np.tanh(x / 1.5)
    return lean
