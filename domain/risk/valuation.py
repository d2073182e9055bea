"""The book revalued for its greeks and scenarios: entry volatility, present price and time.

Called by the decision. A position whose legs carry no volatility (one adopted from the broker)
makes the book's greeks unevaluable, which closes entries and names the position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from domain.events.signals import LegQuote, SignalValidated
from domain.instruments import Right, Strategy, Structure
from domain.pricing.black_scholes import greeks
from domain.risk.book import Story
from domain.risk.greeks import DollarGreeks, bounded_beta, unit_greeks
from domain.risk.scenario import ScenarioLeg
from domain.risk.state import RiskState
from domain.session import YEAR_SECONDS


@dataclass(frozen=True, slots=True)
class BookValuation:
    """`missing` names what keeps the book from being valued; empty when nothing does."""

    greeks: DollarGreeks
    legs: tuple[ScenarioLeg, ...]
    missing: str = ""


def years_to(state: RiskState, expiry: date) -> float | None:
    """Calendar years to the close of the expiry day; None when the day is not planned."""
    closing = None if state.session is None else state.session.closing(expiry)
    if closing is None:
        return None
    return max(0.0, (closing - state.now).total_seconds()) / YEAR_SECONDS


def _may_be_held_overnight(state: RiskState, strategy: Strategy, expiry: date) -> bool:
    if strategy is Strategy.FOURTEEN_DTE:
        return True
    return strategy is Strategy.ONE_DTE and expiry != state.session_date


def _legs(
    state: RiskState,
    structure: Structure,
    quotes: Sequence[LegQuote],
    strategy: Strategy,
    units: int,
    spot: float,
    beta: float,
) -> tuple[ScenarioLeg, ...]:
    years = years_to(state, structure.expiry)
    session = state.session
    assert years is not None and session is not None, "callers look for the plan first"
    return tuple(
        ScenarioLeg(
            contracts=leg.ratio * units,
            strike=float(leg.contract.strike),
            right=leg.contract.right,
            years=years,
            days_to_expiry=session.days_to_expiry(structure.expiry),
            volatility=quote.implied_volatility,
            underlying=spot,
            beta=beta,
            overnight=_may_be_held_overnight(state, strategy, structure.expiry),
        )
        for leg, quote in zip(structure.legs, quotes, strict=True)
    )


def proposal_legs(state: RiskState, signal: SignalValidated, units: int) -> tuple[ScenarioLeg, ...]:
    """The proposed units; `missing_of` has made sure that they can be valued."""
    inputs = signal.risk_inputs
    beta = bounded_beta(inputs.beta, state.parameters)
    return _legs(
        state, signal.structure, inputs.legs, signal.strategy, units, inputs.underlying_price, beta
    )


def missing_of(state: RiskState, signal: SignalValidated) -> str:
    """What keeps a proposal from being valued; empty when nothing does.

    A proposal that is left out of the scenarios would pass them.
    """
    if years_to(state, signal.structure.expiry) is None:
        return f"session plan up to {signal.structure.expiry}"
    if any(quote.implied_volatility <= 0 for quote in signal.risk_inputs.legs):
        return f"volatility of {signal.signal_id}"
    return ""


def _now_quotes(
    structure: Structure, quotes: Sequence[LegQuote], spot: float, years: float
) -> tuple[LegQuote, ...]:
    """The legs' greeks at the present price and time with their volatility at entry."""
    found = greeks(
        spot,
        [float(leg.contract.strike) for leg in structure.legs],
        years,
        0.0,
        [quote.implied_volatility for quote in quotes],
        [1.0 if leg.contract.right is Right.CALL else 0.0 for leg in structure.legs],
    )
    return tuple(
        quote.model_copy(
            update={
                "delta": float(found.delta[i]),
                "gamma": float(found.gamma[i]),
                "vega": float(found.vega[i]),
                "theta": float(found.theta[i]),
            }
        )
        for i, quote in enumerate(quotes)
    )


def _what_is_missing(state: RiskState, story: Story) -> str:
    if story.inputs is None:
        return f"volatility of {story.exposure.decision_id}"
    if any(quote.implied_volatility <= 0 for quote in story.inputs.legs):
        return f"volatility of {story.exposure.decision_id}"
    if years_to(state, story.exposure.expiry) is None:
        return f"session plan up to {story.exposure.expiry}"
    return ""


def value_book(state: RiskState) -> BookValuation:
    """Greeks and scenario legs of everything open or working."""
    book = DollarGreeks()
    legs: list[ScenarioLeg] = []
    for story in state.book.stories():
        exposure, inputs = story.exposure, story.inputs
        missing = _what_is_missing(state, story)
        years = years_to(state, exposure.expiry)
        if missing or inputs is None or years is None:
            return BookValuation(DollarGreeks(), (), missing)
        spot = state.book.underlying.get(exposure.symbol, inputs.underlying_price)
        beta = bounded_beta(exposure.beta, state.parameters)
        now = _now_quotes(exposure.structure, inputs.legs, spot, years)
        book = book.plus(unit_greeks(exposure.structure, now, spot, beta), exposure.units)
        legs += _legs(state, exposure.structure, now, exposure.strategy, exposure.units, spot, beta)
    return BookValuation(book, tuple(legs))
