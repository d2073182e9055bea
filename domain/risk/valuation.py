"""The book revalued for its greeks and scenarios: each leg's volatility now, price and time now.

Called by the decision and by the watch over breaches. A position whose legs carry no volatility
makes the book's greeks unevaluable, which closes entries and names the position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from domain.events.signals import SignalValidated
from domain.instruments import Right, Strategy, Structure
from domain.pricing.black_scholes import greeks
from domain.pricing.rates import DEFAULT_RATE
from domain.risk.greeks import DollarGreeks, bounded_beta, unit_greeks
from domain.risk.held import Story
from domain.risk.market import Carry
from domain.risk.scenario import ScenarioLeg
from domain.risk.state import RiskState
from domain.session import YEAR_SECONDS


@dataclass(frozen=True, slots=True)
class BookValuation:
    """`missing` names what keeps the book from being valued; empty when nothing does."""

    greeks: DollarGreeks
    legs: tuple[ScenarioLeg, ...]
    missing: str = ""


@dataclass(frozen=True, slots=True)
class LegNow:
    """One leg's greeks a share."""

    delta: float
    gamma: float
    vega: float
    theta: float


def years_to(state: RiskState, expiry: date) -> float | None:
    """Calendar years to the close of the expiry day; None when the day is not planned."""
    closing = None if state.session is None else state.session.closing(expiry)
    if closing is None:
        return None
    return max(0.0, (closing - state.now).total_seconds()) / YEAR_SECONDS


def _carry(state: RiskState, structure: Structure, years: float) -> Carry:
    default = state.parameters.number(DEFAULT_RATE)
    return state.market.carry(structure.symbol, structure.expiry, years, default)


def _may_be_held_overnight(state: RiskState, strategy: Strategy, expiry: date) -> bool:
    if strategy is Strategy.FOURTEEN_DTE:
        return True
    return strategy is Strategy.ONE_DTE and expiry != state.session_date


def _legs(
    state: RiskState,
    structure: Structure,
    volatilities: Sequence[float],
    strategy: Strategy,
    units: int,
    spot: float,
    beta: float,
) -> tuple[ScenarioLeg, ...]:
    years = years_to(state, structure.expiry)
    session = state.session
    assert years is not None and session is not None, "callers look for the plan first"
    carry = _carry(state, structure, years)
    return tuple(
        ScenarioLeg(
            contracts=leg.ratio * units,
            strike=float(leg.contract.strike),
            right=leg.contract.right,
            years=years,
            days_to_expiry=session.days_to_expiry(structure.expiry),
            volatility=volatility,
            underlying=spot,
            beta=beta,
            overnight=_may_be_held_overnight(state, strategy, structure.expiry),
            rate=carry.rate,
            dividends=carry.dividends,
        )
        for leg, volatility in zip(structure.legs, volatilities, strict=True)
    )


def proposal_legs(state: RiskState, signal: SignalValidated, units: int) -> tuple[ScenarioLeg, ...]:
    """The proposed units; `missing_of` has made sure that they can be valued."""
    inputs, shape = signal.risk_inputs, signal.structure
    beta = bounded_beta(inputs.beta, state.parameters)
    volatilities = [quote.implied_volatility for quote in inputs.legs]
    spot = inputs.underlying_price
    return _legs(state, shape, volatilities, signal.strategy, units, spot, beta)


def missing_of(state: RiskState, signal: SignalValidated) -> str:
    """What keeps a proposal from being valued; empty when nothing does.

    A proposal that is left out of the scenarios would pass them.
    """
    if years_to(state, signal.structure.expiry) is None:
        return f"session plan up to {signal.structure.expiry}"
    if any(quote.implied_volatility <= 0 for quote in signal.risk_inputs.legs):
        return f"volatility of {signal.signal_id}"
    return ""


def _greeks_now(
    state: RiskState,
    structure: Structure,
    volatilities: Sequence[float],
    spot: float,
    years: float,
) -> tuple[LegNow, ...]:
    carry = _carry(state, structure, years)
    early = state.session_date is not None and structure.expiry > state.session_date
    found = greeks(
        max(1e-6, spot - carry.dividends),
        [float(leg.contract.strike) for leg in structure.legs],
        years,
        carry.rate,
        list(volatilities),
        [1.0 if leg.contract.right is Right.CALL else 0.0 for leg in structure.legs],
    )
    return tuple(
        LegNow(
            # On the day of expiry there is none, and a check of the day before is over.
            float(found.delta[i]) + (state.market.delta_gap(leg.contract.con_id) if early else 0.0),
            float(found.gamma[i]),
            float(found.vega[i]),
            float(found.theta[i]),
        )
        for i, leg in enumerate(structure.legs)
    )


def _volatilities(state: RiskState, story: Story) -> list[float]:
    """Of each leg: the newest that was seen, else that of the entry, else 0 for unknown."""
    at_entry: dict[int, float] = {}
    if story.inputs is not None:
        at_entry = {quote.con_id: quote.implied_volatility for quote in story.inputs.legs}
    legs = [leg.contract.con_id for leg in story.exposure.structure.legs]
    return [state.market.volatility.get(con_id) or at_entry.get(con_id, 0.0) for con_id in legs]


def value_book(state: RiskState) -> BookValuation:
    """Greeks and scenario legs of everything open or working."""
    return value(state, state.book.stories())


def value(state: RiskState, stories: Sequence[Story]) -> BookValuation:
    book = DollarGreeks()
    legs: list[ScenarioLeg] = []
    for story in stories:
        exposure, inputs = story.exposure, story.inputs
        spot = state.market.underlying.get(exposure.symbol)
        if spot is None and inputs is not None:
            spot = inputs.underlying_price
        volatilities = _volatilities(state, story)
        years = years_to(state, exposure.expiry)
        missing = ""
        if min(volatilities) <= 0:
            missing = f"volatility of {exposure.decision_id}"
        elif years is None:
            missing = f"session plan up to {exposure.expiry}"
        elif spot is None:
            missing = f"price of {exposure.symbol}"
        if missing or years is None or spot is None:
            return BookValuation(DollarGreeks(), (), missing)
        shape, units = exposure.structure, exposure.units
        beta = bounded_beta(exposure.beta, state.parameters)
        now = _greeks_now(state, shape, volatilities, spot, years)
        book = book.plus(unit_greeks(shape, now, spot, beta), units)
        legs += _legs(state, shape, volatilities, exposure.strategy, units, spot, beta)
    return BookValuation(book, tuple(legs))
