"""Costs of pricing and analytics: a full chain, a chain refresh of the stage, one broker tick.

The chain is made from a known smile, so that it needs no recording; the refresh is that of one
symbol with 490 contracts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date

import numpy as np

from benchmarks.ground import Figure, flags, line
from domain.analytics.stage import AnalyticsStage
from domain.pricing.american import american_check, early_exercise_premium
from domain.pricing.black_scholes import greeks, implied_vol
from tests.domain.analytics.build import Tape, market, start

CONTRACTS = 10_506
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


def report(name: str, value: float, unit: str) -> None:
    found.append(Figure(name, value, unit))


def chain() -> None:
    """Implied volatilities and greeks of a made SPY-like chain, 0.3 to 850 days."""
    rng = np.random.default_rng(1)
    years = rng.choice(np.geomspace(0.3, 850, 34), CONTRACTS) / 365
    strikes = 600 * np.exp(rng.normal(0, 0.6, CONTRACTS) * 0.2 * np.sqrt(years))
    is_call = strikes >= 600
    sigma = np.full(CONTRACTS, 0.18)
    prices = greeks(600.0, strikes, years, 0.0375, sigma, is_call).price
    name = "pricing.implied_vol.10506"
    report(name, best(lambda: implied_vol(prices, 600.0, strikes, years, 0.0375, is_call)), "ms")
    name = "pricing.greeks.10506"
    report(name, best(lambda: greeks(600.0, strikes, years, 0.0375, sigma, is_call)), "ms")


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
    american()
    stage()
    print(line("pricing", given, found, time.monotonic() - began), flush=True)


if __name__ == "__main__":
    main()
