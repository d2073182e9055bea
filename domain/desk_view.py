"""The desk at a moment: signals, orders and positions as the log up to then has them.

Used by the replay tool. A fold over desk events, independent of the audit tables, so that the
two can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from domain.event import Recorded
from domain.events.controls import TradingHalted, TradingReleased
from domain.events.orders import OrderChanged, OrderIntended, OrderModifyIntended
from domain.events.positions import PositionChanged, PositionClosed, PositionOpened, StopMoved
from domain.events.risk import RiskDecided
from domain.events.signals import (
    SignalExpired,
    SignalInvalidated,
    SignalRaised,
    SignalValidated,
)

TYPES = frozenset(
    {
        "SignalRaised",
        "SignalValidated",
        "SignalExpired",
        "SignalInvalidated",
        "RiskDecided",
        "OrderIntended",
        "OrderModifyIntended",
        "OrderChanged",
        "PositionOpened",
        "PositionChanged",
        "PositionClosed",
        "StopMoved",
        "TradingHalted",
        "TradingReleased",
    }
)

Row = dict[str, Any]


@dataclass(slots=True)
class DeskView:
    """Rows by id, in the order in which they came to be."""

    halted: bool = False
    signals: dict[str, Row] = field(default_factory=dict)
    orders: dict[str, Row] = field(default_factory=dict)
    positions: dict[str, Row] = field(default_factory=dict)

    def apply(self, event: Recorded) -> None:
        """Fold one event of TYPES; others change nothing."""
        match event.body:
            case SignalRaised() as body:
                self.signals[body.signal_id] = {
                    "signal_id": body.signal_id,
                    "strategy": body.strategy.value,
                    "variant": body.variant,
                    "symbol": body.symbol,
                    "direction": body.direction.value,
                    "probability": body.probability,
                    "state": "CANDIDATE",
                    "since": event.market_time,
                }
            case SignalValidated() as body:
                self._signal(body.signal_id, "VALID", event)
            case SignalExpired() as body:
                self._signal(body.signal_id, f"EXPIRED {body.reason}", event)
            case SignalInvalidated() as body:
                self._signal(body.signal_id, f"INVALIDATED {body.condition}", event)
            case RiskDecided() as body:
                state = "ORDERED" if body.approved else f"REJECTED {' '.join(body.denials)}"
                self._signal(body.signal_id, state, event)
            case OrderIntended() as body:
                self.orders[body.order_ref] = {
                    "order_ref": body.order_ref,
                    "order_id": body.order_id,
                    "purpose": body.purpose.value,
                    "position_id": body.position_id,
                    "action": body.action.value,
                    "quantity": body.quantity,
                    "type": body.order_type.value,
                    "limit_price": str(body.limit_price),
                    "stop_price": None if body.stop_price is None else str(body.stop_price),
                    "state": "intended",
                    "filled": 0,
                    "since": event.market_time,
                }
            case OrderModifyIntended() as body:
                row = self.orders.get(body.order_ref)
                if row is not None:
                    stop = None if body.stop_price is None else str(body.stop_price)
                    row.update(limit_price=str(body.limit_price), stop_price=stop)
            case OrderChanged() as body:
                row = self.orders.get(body.order_ref)
                if row is not None:
                    row.update(state=body.state.value, filled=body.filled, since=event.market_time)
            case TradingHalted():
                self.halted = True
            case TradingReleased():
                self.halted = False
            case _:
                self._position(event)

    def _signal(self, signal_id: str, state: str, event: Recorded) -> None:
        row = self.signals.get(signal_id)
        if row is not None:
            row.update(state=state, since=event.market_time)

    def _position(self, event: Recorded) -> None:
        match event.body:
            case PositionOpened() as body:
                self.positions[body.position_id] = {
                    "position_id": body.position_id,
                    "strategy": body.strategy.value,
                    "symbol": body.symbol,
                    "direction": body.direction.value,
                    "structure": [
                        f"{leg.ratio:+d} {leg.contract.occ_symbol}" for leg in body.structure.legs
                    ],
                    "units": 0,
                    "stop_price": str(body.exit_plan.stop_price),
                    "target_price": str(body.exit_plan.target_price),
                    "realised_pnl": "0",
                    "state": "open",
                    "opened_at": body.opened_at,
                }
            case PositionChanged() as body if body.position_id in self.positions:
                self.positions[body.position_id].update(
                    units=body.units,
                    entry_price=str(body.average_entry_price),
                    realised_pnl=str(body.realised_pnl),
                    fees=str(body.fees),
                )
            case StopMoved() as body if body.position_id in self.positions:
                self.positions[body.position_id]["stop_price"] = str(body.stop_price)
            case PositionClosed() as body if body.position_id in self.positions:
                self.positions[body.position_id].update(
                    units=0,
                    state=f"closed {body.reason.value}",
                    exit_price=str(body.exit_price),
                    realised_pnl=str(body.realised_pnl),
                )
            case _:
                pass
