"""The decision on the proposal of a roll: every check with limit and value. No risk is added.

Called by the risk stage when a roll is proposed, and again when the broker's what-if answer is
there. It fails closed like an entry, and decides at the worst price at which the order may fill.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from domain.events.risk import Check, ScenarioGrid
from domain.events.rolls import RollDecided, RollProposed
from domain.events.signals import Result
from domain.instruments import MULTIPLIER
from domain.numbers import cents
from domain.risk.check_row import check_row, missing_row
from domain.risk.codes import DenialCode
from domain.risk.decide import GREEK_CODES, SCENARIO_CODES
from domain.risk.desk_checks import Asked, broker_checks, loss_checks, trading_checks
from domain.risk.greeks import DollarGreeks, greek_rows
from domain.risk.held import Held, Story
from domain.risk.margin import Answer, cash_account_check, local_estimate, margin_checks
from domain.risk.max_loss import UnboundedLoss, execution_fees_usd, rolled_loss_usd
from domain.risk.parameters import ASK, approval_mode
from domain.risk.pending import PendingRoll
from domain.risk.scenario import revalue, scenario_checks
from domain.risk.state import RiskState
from domain.risk.valuation import value
from domain.rolling import TRIES_MAX, after_roll, fault_of, opened_legs

_C = DenialCode


@dataclass(frozen=True, slots=True)
class _Losses:
    """Maximum loss of a unit in dollars; `missing` names what keeps it from being told."""

    before: Decimal | None = None
    after: Decimal | None = None
    missing: str = ""


def _losses(state: RiskState, held: Held | None, proposed: RollProposed, fault: str) -> _Losses:
    if held is None or fault:
        return _Losses(missing=fault or "the position")
    if held.entry_price is None:
        return _Losses(missing="what the position cost")
    after = after_roll(proposed.structure, proposed.roll)
    price = proposed.worst_price
    try:
        paid, rolled = rolled_loss_usd(
            proposed.structure, after, held.entry_price, price, state.parameters
        )
    except UnboundedLoss as refusal:
        return _Losses(missing=str(refusal))
    return _Losses(min(paid, held.opened.max_loss_per_unit_usd), rolled)


def _position_checks(
    state: RiskState, held: Held | None, proposed: RollProposed, fault: str
) -> list[Check]:
    if held is None:
        rows = (_C.POSITION_WHOLE, _C.ROLL_ONCE)
        return [missing_row(code, f"position {proposed.position_id}") for code in rows]
    structure, units = held.opened.structure, proposed.units
    wrong = fault
    if held.is_leaving:
        wrong = "it is left"
    elif structure != proposed.structure:
        wrong = "another structure is held"
    elif units < 1 or any(
        held.legs.get(leg.contract.con_id, 0) != units * leg.ratio for leg in structure.legs
    ):
        wrong = f"legs {held.legs} are not {units} units"
    most = int(state.parameters.number(TRIES_MAX))
    rolls = held.rolls
    used = "rolled" if rolls.is_used or rolls.is_over else ""
    used = used or ", ".join(sorted(rolls.working))
    return [
        check_row(
            _C.POSITION_WHOLE,
            not wrong,
            f"{units} whole units, not left",
            wrong or f"{held.units} units",
            "position",
        ),
        check_row(
            _C.ROLL_ONCE,
            not used and rolls.orders < most,
            f"not rolled, fewer than {most} orders",
            used or f"{rolls.orders} orders",
            "orders of the position",
        ),
    ]


def _loss_checks(found: _Losses) -> list[Check]:
    if found.before is None or found.after is None:
        return [
            missing_row(code, found.missing)
            for code in (_C.MAX_LOSS_BOUNDED, _C.MAX_LOSS_NOT_HIGHER)
        ]
    return [
        check_row(_C.MAX_LOSS_BOUNDED, True, "bounded", f"{found.after} USD", "structure after"),
        check_row(
            _C.MAX_LOSS_NOT_HIGHER,
            found.after <= found.before,
            f"{found.before} USD a unit",
            f"{found.after} USD a unit",
            "entry, worst price of the roll, fees",
        ),
    ]


def _credit_check(state: RiskState, proposed: RollProposed) -> Check:
    """What comes in at the worst price must be more than the executions of the roll cost."""
    brings = -proposed.worst_price * MULTIPLIER
    costs = execution_fees_usd(len(proposed.roll.legs), state.parameters)
    return check_row(
        _C.ROLL_CREDIT, brings > costs, f"> {costs} USD a unit", f"{brings} USD", "quotes, fees"
    )


def _contract_checks(state: RiskState, proposed: RollProposed) -> list[Check]:
    """Contracts of the order and of the legs that are opened, with what others hold of them."""
    units, number = proposed.units, state.parameters.number
    opposite = state.book.opposite_of(proposed.roll, but=proposed.position_id)
    opened = {leg.contract.con_id for leg in opened_legs(proposed.structure, proposed.roll)}
    fullest = max(
        (
            sum(
                exposure.units
                for exposure in state.book.exposures()
                if any(leg.contract.con_id == con_id for leg in exposure.structure.legs)
            )
            for con_id in opened
        ),
        default=0,
    )
    order, per_leg = (int(number(f"risk.limit.contracts_{name}")) for name in ("order", "leg"))
    return [
        check_row(
            _C.CONTRACT_IN_USE,
            not opposite,
            "none on the other side",
            ", ".join(opposite) or "none",
            "book",
        ),
        check_row(_C.CONTRACTS_ORDER, units <= order, f"{order} contracts", units, "proposal"),
        check_row(
            _C.CONTRACTS_LEG,
            fullest + units <= per_leg,
            f"{per_leg} contracts",
            fullest + units,
            f"{fullest} open, {units} proposed",
        ),
    ]


def _book_after(held: Held, state: RiskState, proposed: RollProposed) -> list[Story]:
    """Everything open or working, with the position as it would be."""
    decision_id = held.opened.decision_id or held.opened.position_id
    after = after_roll(proposed.structure, proposed.roll)
    found: list[Story] = []
    for story in state.book.stories():
        if story.exposure.decision_id == decision_id and story.inputs is not None:
            known = {leg.con_id for leg in story.inputs.legs}
            more = tuple(leg for leg in proposed.legs if leg.con_id not in known)
            inputs = story.inputs.model_copy(update={"legs": (*story.inputs.legs, *more)})
            story = Story(replace(story.exposure, structure=after), inputs)
        found.append(story)
    return found


def _value_checks(
    state: RiskState, held: Held | None, proposed: RollProposed, fault: str
) -> tuple[list[Check], ScenarioGrid | None]:
    """Greeks and scenarios of the book as it would be: a roll may not make them breach."""
    codes, equity = (*GREEK_CODES, *SCENARIO_CODES), state.account.equity
    missing = fault
    if held is None or held.inputs is None:
        missing = missing or "volatilities of the position"
    elif equity is None or equity <= 0:
        missing = missing or "equity"
    if missing or held is None or equity is None:
        return [missing_row(code, missing) for code in codes], None
    book = value(state, _book_after(held, state, proposed))
    if book.missing:
        return [missing_row(code, book.missing) for code in codes], None
    grid = revalue(book.legs)
    rows = greek_rows(book.greeks, DollarGreeks(), equity, state.parameters)
    return [
        *(row.check(0) for row in rows),
        *scenario_checks(grid, equity, state.parameters),
    ], grid


def margin_estimate(proposed: RollProposed, fault: str) -> Decimal | None:
    """What the broker should ask more for it: by how much the wider wing grows, less the credit."""
    if fault:
        return None
    after = after_roll(proposed.structure, proposed.roll)
    before = local_estimate(proposed.structure, Decimal(0), proposed.units)
    rolled = local_estimate(after, proposed.worst_price, proposed.units)
    return max(Decimal(0), rolled - before)


def _approval_check(state: RiskState, proposed: RollProposed) -> Check:
    mode = state.parameters.text(approval_mode(proposed.strategy))
    return check_row(_C.TRADE_APPROVED, mode != ASK, "entries are not asked for", mode, "parameter")


def decide_roll(state: RiskState, waiting: PendingRoll, answer: Answer | None) -> RollDecided:
    """Every check on the state as it is now. Approved only when all of them pass."""
    proposed = waiting.proposed
    held = state.book.positions.get(proposed.position_id)
    fault = fault_of(proposed.structure, proposed.roll)
    losses = _losses(state, held, proposed, fault)
    values, grid = _value_checks(state, held, proposed, fault)
    known = proposed.roll_id in state.rolls
    asked = Asked(f"roll {proposed.roll_id}", known, proposed.valid_until, waiting.build)
    checks = (
        *trading_checks(state, asked),
        *broker_checks(state),
        *loss_checks(state, proposed.strategy),
        *_position_checks(state, held, proposed, fault),
        *_loss_checks(losses),
        _credit_check(state, proposed),
        *_contract_checks(state, proposed),
        *values,
        cash_account_check(
            proposed.roll,
            None,
            state.book.unfilled_usd(),
            state.account.values,
            state.parameters,
        ),
        *margin_checks(
            proposed.roll,
            margin_estimate(proposed, fault),
            answer,
            state.account.values,
            state.account.equity,
            state.parameters,
            state.book.unfilled_usd(),
        ),
        _approval_check(state, proposed),
    )
    denials = tuple(check.code for check in checks if check.result is not Result.PASS)
    left = state.parameters.number("risk.margin.what_if_age_max_s")
    left -= 0.0 if answer is None else answer.age_seconds
    send_before = state.now + timedelta(seconds=left * state.time.speed)
    return RollDecided(
        roll_id=proposed.roll_id,
        position_id=proposed.position_id,
        strategy=proposed.strategy,
        symbol=proposed.symbol,
        approved=not denials,
        units=0 if denials else proposed.units,
        denials=tuple(dict.fromkeys(denials)),
        checks=checks,
        limit_price_max=proposed.worst_price,
        max_loss_before_usd=None if losses.before is None else cents(losses.before),
        max_loss_after_usd=None if losses.after is None else cents(losses.after),
        equity_usd=state.account.equity,
        broker_ready_id=state.connection.ready_id,
        decided_at=state.now,
        send_before=min(proposed.valid_until, send_before),
        scenario=grid,
    )
