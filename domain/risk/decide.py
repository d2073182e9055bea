"""The decision on a valid signal: every check with limit and value, and the size vector.

Called by the risk stage once a signal is valid, and again when the broker's what-if answer is
there. Pure: it reads the state and returns one RiskDecided, approved or refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from domain.events.risk import Check, RiskDecided, ScenarioGrid, SizeVector
from domain.events.signals import Result, SignalValidated
from domain.numbers import cents
from domain.risk.check_row import check_row, missing_row
from domain.risk.codes import DenialCode
from domain.risk.desk_checks import (
    asked_by,
    broker_checks,
    half_size_factor,
    loss_checks,
    trading_checks,
    waiting_checks,
)
from domain.risk.greeks import GreekRow, bounded_beta, greek_rows, unit_greeks
from domain.risk.limits import Exposure, LimitRow, limit_rows
from domain.risk.margin import (
    Answer,
    cash_account_check,
    day_trade_check,
    local_estimate,
    margin_checks,
    needs_what_if,
)
from domain.risk.max_loss import Extremes, UnboundedLoss, execution_fees_usd, extremes
from domain.risk.scenario import revalue, scenario_checks
from domain.risk.size import Room, size
from domain.risk.state import RiskState
from domain.risk.valuation import BookValuation, missing_of, proposal_legs, value_book

LIMIT_CODES = (
    DenialCode.LIMIT_POSITION,
    DenialCode.LIMIT_BUCKET,
    DenialCode.LIMIT_SYMBOL,
    DenialCode.LIMIT_EXPIRY,
    DenialCode.LIMIT_DIRECTION,
    DenialCode.LIMIT_TOTAL,
    DenialCode.POSITIONS_TOTAL,
    DenialCode.POSITIONS_SYMBOL,
    DenialCode.POSITIONS_BUCKET,
    DenialCode.CONTRACTS_ORDER,
    DenialCode.CONTRACTS_LEG,
)
GREEK_CODES = (
    DenialCode.GREEK_DELTA,
    DenialCode.GREEK_GAMMA,
    DenialCode.GREEK_VEGA,
    DenialCode.GREEK_THETA,
)
SCENARIO_CODES = (DenialCode.SCENARIO_NEAR, DenialCode.SCENARIO_FULL)


@dataclass(frozen=True, slots=True)
class Amounts:
    """What the decision is about in money; None where something it needs is missing."""

    price: Decimal
    """Worst price at which the entry may fill: the mid with its slippage budget."""
    unit: Extremes | None
    refusal: str
    equity: Decimal | None
    limits: tuple[LimitRow, ...] = ()
    greeks: tuple[GreekRow, ...] = ()
    vector: SizeVector | None = None
    half_rules: tuple[str, ...] = ()

    @property
    def units(self) -> int:
        return 0 if self.vector is None else self.vector.units


def decision_id(signal: SignalValidated) -> str:
    return f"dec-{signal.signal_id}"


def fees_usd(legs: int, state: RiskState) -> Decimal:
    """Commission and fees of entry and exit, a unit."""
    return execution_fees_usd(2 * legs, state.parameters)


def _proposal(state: RiskState, signal: SignalValidated, max_loss: Decimal) -> Exposure:
    return Exposure(
        decision_id(signal),
        signal.strategy,
        signal.symbol,
        signal.direction,
        signal.structure,
        0,
        max_loss,
        bounded_beta(signal.risk_inputs.beta, state.parameters),
    )


def amounts(
    state: RiskState, signal: SignalValidated, book: BookValuation, rooms: Sequence[Room] = ()
) -> Amounts:
    """Maximum loss, limits and size of the proposal as far as they can be computed."""
    inputs = signal.risk_inputs
    price = inputs.net_mid + signal.mid_against_max
    equity = state.account.equity
    try:
        unit = extremes(signal.structure, price, fees_usd(len(signal.structure.legs), state))
    except UnboundedLoss as refusal:
        return Amounts(price, None, str(refusal), equity)
    if equity is None or equity <= 0 or state.session_date is None or unit.max_loss_usd <= 0:
        return Amounts(price, unit, "", equity)
    proposal = _proposal(state, signal, unit.max_loss_usd)
    exposures = state.book.exposures()
    limits = limit_rows(proposal, exposures, equity, state.session_date, state.parameters)
    greeks: tuple[GreekRow, ...] = ()
    if not book.missing:
        own = unit_greeks(signal.structure, inputs.legs, inputs.underlying_price, proposal.beta)
        greeks = greek_rows(book.greeks, own, equity, state.parameters)
    half, rules = half_size_factor(state)
    vector = size(
        inputs,
        signal.structure,
        signal.strategy,
        float(equity),
        float(unit.max_loss_usd),
        half * inputs.size_factor,
        [*(row.room() for row in limits), *(row.room() for row in greeks), *rooms],
        state.parameters,
    )
    return Amounts(price, unit, "", equity, limits, greeks, vector, rules)


def _amount_checks(found: Amounts) -> list[Check]:
    code = DenialCode
    if found.unit is None:
        bounded = check_row(code.MAX_LOSS_BOUNDED, False, "bounded", found.refusal, "structure")
    else:
        bounded = check_row(
            code.MAX_LOSS_BOUNDED,
            found.unit.max_loss_usd > 0,
            "> 0 USD",
            f"{found.unit.max_loss_usd} USD",
            f"price {found.price}",
        )
    missing = "equity" if found.equity is None else "max loss or session plan"
    units = max(1, found.units)
    if found.vector is None:
        sizing = missing_row(code.SIZE, missing)
        limits = [missing_row(each, missing) for each in LIMIT_CODES]
    else:
        rules = f", half size: {', '.join(found.half_rules)}" if found.half_rules else ""
        sizing = check_row(
            code.SIZE,
            found.units >= 1,
            "1 unit",
            found.units,
            f"binding {found.vector.binding}{rules}",
        )
        limits = [row.check(units) for row in found.limits]
    return [bounded, sizing, *limits]


def _book_checks(
    state: RiskState, signal: SignalValidated, found: Amounts, book: BookValuation
) -> tuple[list[Check], ScenarioGrid | None]:
    missing = book.missing or missing_of(state, signal)
    missing = missing or ("equity" if found.equity is None else "")
    if missing or not found.greeks or found.equity is None:
        codes = (*GREEK_CODES, *SCENARIO_CODES)
        return [missing_row(each, missing or "max loss or session plan") for each in codes], None
    units = max(1, found.units)
    grid = revalue((*book.legs, *proposal_legs(state, signal, units)))
    return [
        *(row.check(units) for row in found.greeks),
        *scenario_checks(grid, found.equity, state.parameters),
    ], grid


def wants_what_if(state: RiskState, signal: SignalValidated, decided: RiskDecided) -> bool:
    """True when nothing but the broker's margin answer is missing for an approval."""
    if not needs_what_if(signal.structure, state.parameters):
        return False
    return set(decided.denials) == {
        DenialCode.MARGIN.value,
        DenialCode.MARGIN_MISMATCH.value,
    }


def _estimate(signal: SignalValidated, found: Amounts, answer: Answer | None) -> Decimal | None:
    """Local margin of what was asked about, or of what is proposed."""
    if found.unit is None:
        return None
    if answer is not None:
        return local_estimate(signal.structure, answer.limit_price, answer.quantity)
    return local_estimate(signal.structure, found.price, max(1, found.units))


def send_before(state: RiskState, signal: SignalValidated, answer: Answer | None) -> datetime:
    """The end of the signal, or of the broker's margin answer at the clock's speed."""
    if answer is None:
        return signal.valid_until
    left = state.parameters.number("risk.margin.what_if_age_max_s") - answer.age_seconds
    return min(signal.valid_until, state.now + timedelta(seconds=left * state.time.speed))


def decide(state: RiskState, signal: SignalValidated, answer: Answer | None) -> RiskDecided:
    """Every check on the state as it is now. Approved only when all of them pass."""
    book = value_book(state)
    asked = () if answer is None else (Room(DenialCode.MARGIN.value, float(answer.quantity)),)
    found = amounts(state, signal, book, asked)
    book_checks, grid = _book_checks(state, signal, found, book)
    estimate = _estimate(signal, found, answer)
    checks = (
        *trading_checks(state, asked_by(state, signal)),
        *broker_checks(state),
        *loss_checks(state, signal.strategy),
        *waiting_checks(state, signal),
        *_amount_checks(found),
        *book_checks,
        day_trade_check(
            signal.strategy,
            state.account.values,
            found.equity,
            len(state.book.round_trips),
            state.parameters,
        ),
        cash_account_check(
            signal.structure,
            None if found.unit is None else found.unit.max_loss_usd * max(1, found.units),
            state.book.unfilled_usd(),
            state.account.values,
            state.parameters,
        ),
        *margin_checks(
            signal.structure,
            estimate,
            answer,
            state.account.values,
            found.equity,
            state.parameters,
            state.book.unfilled_usd(),
        ),
    )
    denials = tuple(check.code for check in checks if check.result is not Result.PASS)
    units = 0 if denials else found.units
    loss = Decimal(0) if found.unit is None else found.unit.max_loss_usd * units
    profit = None if found.unit is None else found.unit.max_profit_usd
    return RiskDecided(
        decision_id=decision_id(signal),
        signal_id=signal.signal_id,
        strategy=signal.strategy,
        symbol=signal.symbol,
        approved=not denials,
        units=units,
        denials=tuple(dict.fromkeys(denials)),
        checks=checks,
        size=found.vector,
        max_loss_usd=cents(loss),
        max_profit_usd=None if profit is None else cents(profit * units),
        equity_usd=found.equity,
        broker_ready_id=state.connection.ready_id,
        decided_at=state.now,
        scenario=grid,
        trading_state=state.trading[0],
        send_before=send_before(state, signal, answer),
    )
