"""What a roll made of a position: its basis, its maximum loss and its plan, as PositionRolled.

Called by the position stage once the holdings are those of the new condor, whatever the order said.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from domain.events.rolls import PositionRolled
from domain.events.signals import ExitPlan
from domain.execution.ledger import LegFill
from domain.execution.position import Position, Roll
from domain.instruments import Side
from domain.numbers import cents
from domain.parameter import ParameterState
from domain.risk.max_loss import rolled_loss_usd
from domain.rolling import after_roll, is_rolled, units_of
from domain.stage import Emission

_PRICE = Decimal("0.0001")


def finished_roll(position: Position) -> Roll | None:
    """The roll that every unit went through; None while there is none, and once it was told. What
    is left of a position that was rolled in part and sold in part is no such unit."""
    if position.rolled_by or not position.rolls:
        return None
    held, entered = position.held, position.account.entered_units
    for roll in reversed(position.rolls.values()):
        if is_rolled(position.intent.structure, roll.order.structure, held):
            after = after_roll(position.intent.structure, roll.order.structure)
            return roll if units_of(after, held) == entered else None
    return None


def rolled(position: Position, roll: Roll, parameters: ParameterState, at: datetime) -> Emission:
    """`position` as it was entered: what it is from now on."""
    before, now = position.intent.structure, position.account
    net = _net_price(position, roll)
    basis = now.entry_price + net
    proposed, decision = roll.proposed, position.decision
    after = after_roll(before, roll.order.structure)
    _, loss = rolled_loss_usd(before, after, now.entry_price, net, parameters)
    plan = position.plan or position.signal.exit_plan
    body = PositionRolled(
        position_id=position.position_id,
        roll_id=proposed.roll_id,
        signal_id=position.signal.signal_id,
        strategy=position.signal.strategy,
        symbol=position.symbol,
        structure_before=before,
        structure=after,
        units=units_of(after, position.held),
        fill_ids=tuple(fill.fill_id for fill in _fills(position, roll)),
        net_price=net,
        basis_price=basis,
        exit_plan=_plan(plan, basis, proposed.target_credit, proposed.stop_cost),
        max_loss_per_unit_before_usd=cents(decision.max_loss_usd / max(1, decision.units)),
        max_loss_per_unit_usd=cents(loss),
        legs=proposed.legs,
        rolled_at=at,
    )
    return Emission(f"position/{position.position_id}", body, position.correlation_id)


def _plan(plan: ExitPlan, basis: Decimal, target_credit: float, stop_cost: float) -> ExitPlan:
    """The usual shares of the whole credit; times and trailing stay."""
    credit = -basis
    target = basis + Decimal(repr(target_credit)) * credit
    stop = -(Decimal(repr(stop_cost)) * credit)
    prices = {"target_price": cents(target), "stop_price": cents(stop)}
    return plan.model_copy(update=prices)


def _fills(position: Position, roll: Roll) -> list[LegFill]:
    """Executions of the roll's legs on the sides of the roll."""
    sides = {leg.contract.con_id: leg.ratio for leg in roll.order.structure.legs}
    return [
        fill
        for fill in position.fills.values()
        if sides.get(fill.con_id, 0) == (1 if fill.side is Side.BUY else -1)
    ]


def _net_price(position: Position, roll: Roll) -> Decimal:
    """What a unit of the roll cost by its fills, as bought."""
    net = Decimal(0)
    fills = _fills(position, roll)
    for leg in roll.order.structure.legs:
        own = [fill for fill in fills if fill.con_id == leg.contract.con_id]
        quantity = sum(fill.quantity for fill in own)
        paid = sum((fill.quantity * fill.price for fill in own), Decimal(0))
        net += leg.ratio * paid / quantity if quantity else Decimal(0)
    return net.quantize(_PRICE)
