"""Costs of pricing and analytics: a full chain, a chain refresh of the stage, one broker tick.

The chain is made from a known smile, so that it needs no recording. Volatilities, greeks and
exposure are those of more than 10,000 contracts, the refresh is that of one symbol with 490.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np

from benchmarks.ground import Figure, flags, line
from domain.analytics.chain import ChainTable, Source, layout_of
from domain.analytics.gex import exposure_of
from domain.analytics.stage import AnalyticsStage
from domain.analytics.surface import ChainClock, evaluate
from domain.instruments import Right
from domain.pricing.american import american_check, early_exercise_premium
from domain.pricing.black_scholes import greeks, implied_vol, prices
from domain.pricing.dividends import forward_of
from tests.domain.analytics.build import Tape
from tests.domain.analytics.day_build import market, start

CONTRACTS = 10_506
EXPIRIES, STRIKES = 34, 153
REPEATS = 5
MINUTES = 3


def best(work: Callable[[], object]) -> float:
    """Least milliseconds of several runs."""
    found = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        found.append((time.perf_counter() - began) * 1e3)
    return min(found)


found: list[Figure] = []


def report(name: str, value: float, unit: str, limit: str = "") -> None:
    found.append(Figure(name, value, unit, limit))


def chain() -> None:
    """Implied volatilities and greeks of a made SPY-like chain, 0.3 to 850 days."""
    rng = np.random.default_rng(1)
    years = rng.choice(np.geomspace(0.3, 850, 34), CONTRACTS) / 365
    strikes = 600 * np.exp(rng.normal(0, 0.6, CONTRACTS) * 0.2 * np.sqrt(years))
    is_call = strikes >= 600
    sigma = np.full(CONTRACTS, 0.18)
    quoted = prices(600.0, strikes, years, 0.0375, sigma, is_call)
    inverted = best(lambda: implied_vol(quoted, 600.0, strikes, years, 0.0375, is_call))
    derived = best(lambda: greeks(600.0, strikes, years, 0.0375, sigma, is_call))
    report("pricing.implied_vol.10506", inverted, "ms")
    report("pricing.greeks.10506", derived, "ms")
    report("pricing.chain.10506", inverted + derived, "ms", "<= 15")


def exposure() -> None:
    """Gamma profile, flip and walls of 34 expiries with 153 strikes, both rights: every contract
    has open interest and a volatility, which no real chain reaches."""
    now, spot, rate = datetime(2026, 10, 6, 15, tzinfo=UTC), 600.0, 0.0375
    table = ChainTable()
    for number in range(EXPIRIES):
        close = now + timedelta(days=number, hours=5)
        years = (close - now).total_seconds() / (365 * 86_400)
        strikes = spot + np.arange(-(STRIKES // 2), STRIKES // 2 + 1, dtype=float)
        for right in Right:
            sides = np.full(STRIKES, right is Right.CALL)
            vol = np.full(STRIKES, 0.25)
            quoted = prices(spot, strikes, np.full(STRIKES, years), rate, vol, sides)
            for strike, price in zip(strikes.tolist(), quoted.tolist(), strict=True):
                slot = table.add(close.date(), strike, right)
                table.quote(slot, price * 0.995, price * 1.005, now.timestamp(), Source.SNAPSHOT)
                table.open_interest[slot] = 1_000.0 + 10 * (strike % 7)
    layout = layout_of(table, now.date(), EXPIRIES)
    closings = [now + timedelta(days=number, hours=5) for number in range(EXPIRIES)]
    clock = ChainClock(
        now=now.timestamp(),
        session_date=now.date(),
        spot=spot,
        spot_fresh=True,
        forwards=[forward_of(spot, [], now, close, rate) for close in closings],
        age_limits=(15.0, 90.0, 180.0),
        quiet_max=10.0,
        exposure_iv_age_max=900.0,
        premiums_max=0,
        forward_tolerance_short=0.001,
        forward_tolerance_long=0.003,
    )
    surface = evaluate(table, layout, clock)
    made = exposure_of(table, surface, EXPIRIES)
    assert made.contracts > 0 and made.call_wall and made.put_wall
    name = f"pricing.exposure.{2 * EXPIRIES * STRIKES}"
    report(name, best(lambda: exposure_of(table, surface, EXPIRIES)), "ms", "<= 25")
    report("pricing.surface", best(lambda: evaluate(table, layout, clock)), "ms")


def american() -> None:
    today, expiry = date(2026, 10, 6), date(2026, 11, 5)
    report(
        "pricing.american_check",
        best(lambda: american_check(600.0, 600.0, 0.0375, 0.15, today, expiry, [], is_call=False)),
        "ms",
    )
    report(
        "pricing.early_exercise_premium",
        best(
            lambda: early_exercise_premium(600.0, 590.0, 0.0375, 0.15, today, expiry, is_call=False)
        ),
        "ms",
    )


def stage() -> None:
    """Mean cost of each input of the analytics stage, evolve and react together."""
    tape = Tape()
    start(tape)
    market(tape, MINUTES)
    costs: dict[str, list[float]] = {}
    analytics = AnalyticsStage()
    state = analytics.initial()
    for event in tape.events:
        began = time.process_time()
        state = analytics.evolve(state, event)
        analytics.react(state, event)
        costs.setdefault(event.type, []).append(time.process_time() - began)
    bars = costs["IbBarReceived"][3:]
    report("analytics.bar_with_refresh.mean", float(np.mean(bars)) * 1e3, "ms")
    report("analytics.bar_with_refresh.median", float(np.median(bars)) * 1e3, "ms")
    for name in ("IbTicksReceived", "UwOptionTradeReceived", "UwRestReceived"):
        report(f"analytics.{name}.median", float(np.median(costs[name])) * 1e6, "us")


def main() -> None:
    given = flags("pricing", __doc__, {}, {})
    began = time.monotonic()
    chain()
    exposure()
    american()
    stage()
    print(line("pricing", given, found, time.monotonic() - began), flush=True)


if __name__ == "__main__":
    main()
