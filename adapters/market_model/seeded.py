"""A market made from a seed and a scenario: what the demo and most tests run on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from adapters.market_model.history import HistoricDay, seeded_history
from adapters.market_model.market import SimulatedMarket
from adapters.market_model.paths import BETA, day_table, seeded_tables, spy_log_path
from adapters.market_model.randomness import stream
from adapters.market_model.scenario import BASKET, TREND_DAY, BasketMember, Scenario
from adapters.market_model.seconds import SecondTable
from adapters.market_model.session_plan import SessionPlan, SimSession
from adapters.market_model.variance import variance_density


def basket_tables(
    seed: int,
    session: SimSession,
    spy: Sequence[float],
    basket: Sequence[BasketMember],
    daily_volatility: float,
) -> dict[str, SecondTable]:
    """Seconds of the basket members: beta times SPY's log path plus noise of their own."""
    market = np.asarray(spy)
    seconds = len(market) - 1
    sd = np.sqrt(variance_density(seconds) * 0.5) * daily_volatility
    result = {}
    for member in basket:
        noise = stream(seed, "path", member.symbol).standard_normal(seconds) * sd
        path = member.beta * market + np.concatenate(([0.0], np.cumsum(noise)))
        result[member.symbol] = day_table(
            seed,
            member.symbol,
            session,
            path,
            member.price,
            member.adv_shares,
            daily_volatility,
        )
    return result


class SeededMarket(SimulatedMarket):
    """A simulated day. The same seed, plan and scenario give the same updates."""

    def __init__(
        self,
        seed: int,
        session_date: date,
        plan: SessionPlan,
        scenario: Scenario = TREND_DAY,
        basket: Sequence[BasketMember] = BASKET,
        before: SimulatedMarket | None = None,
    ) -> None:
        """`before` is the session before where it was played too, and over: the day opens a gap
        away from its close, wherever `scenario` and `basket` have their prices.

        Raises:
            ValueError: `plan` is not that of `session_date`.
        """
        if plan.day.session_date != session_date:
            raise ValueError(f"plan must be of {session_date}, was of {plan.day.session_date}")
        if before is None:
            history = _history(seed, plan, scenario, basket)
        else:
            history = before.as_history()
            scenario, basket = _opening(history, scenario, basket)
        tables = seeded_tables(seed, scenario, plan.day, scenario.spot)
        spy = spy_log_path(seed, scenario, plan.day.seconds)
        tables |= basket_tables(seed, plan.day, list(spy), basket, scenario.daily_volatility)
        super().__init__(seed, plan, scenario, tables, history, basket, before=before)


def _history(
    seed: int, plan: SessionPlan, scenario: Scenario, basket: Sequence[BasketMember]
) -> dict[str, list[HistoricDay]]:
    """Earlier sessions that end a night's gap away from the day's opening prices."""
    gap = scenario.overnight_percent / 100
    previous = {
        symbol: round(price / math.exp(gap * BETA[symbol]), 2)
        for symbol, price in scenario.spot.items()
    }
    previous |= {m.symbol: round(m.price / math.exp(gap * m.beta), 2) for m in basket}
    return seeded_history(
        seed,
        plan.earlier,
        previous,
        basket,
        scenario.daily_volatility,
        scenario.weeks_drift_percent / 100,
    )


def _opening(
    history: Mapping[str, Sequence[HistoricDay]],
    scenario: Scenario,
    basket: Sequence[BasketMember],
) -> tuple[Scenario, list[BasketMember]]:
    """The day's opening prices, a night's gap away from the last closes."""
    gap = scenario.overnight_percent / 100

    def opening(symbol: str, beta: float) -> float:
        return round(history[symbol][-1].close * math.exp(gap * beta), 2)

    spot = {symbol: opening(symbol, BETA[symbol]) for symbol in scenario.spot}
    members = [replace(m, price=opening(m.symbol, m.beta)) for m in basket]
    return replace(scenario, spot=spot), members
