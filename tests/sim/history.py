"""What a life leaves behind, and what of it is held or works at the broker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from adapters.interactive_brokers.sandbox.state import LedgerView
from domain.event import Recorded
from domain.events.orders import OrderIntended
from domain.instruments import OptionContract
from tests.sim.wire import Frame


@dataclass(frozen=True, slots=True)
class History:
    """What a life left behind: the log, the broker's ledger, and the bytes between them."""

    log: tuple[Recorded, ...]
    ledger: LedgerView
    wire: tuple[Frame, ...]
    prices: tuple[tuple[float, float], ...]
    """Of the underlying: from each second on it was that."""


def working(ledger: LedgerView) -> list[str]:
    """Orders that can still fill: not those whose last bytes, with the transmit flag, were lost."""
    return [order.order_ref for order in ledger.orders if order.transmit and not order.is_final]


def options_held(ledger: LedgerView) -> dict[int, int]:
    """Contracts at the broker by id, without what was delivered."""
    shares = shares_held(ledger)
    held = {con_id: p.quantity for con_id, p in ledger.positions.items() if con_id not in shares}
    return {con_id: quantity for con_id, quantity in held.items() if quantity}


def shares_contracts(ledger: LedgerView) -> set[int]:
    """Underlyings of which shares were delivered."""
    return {a.con_id for a in ledger.adjustments if a.multiplier == 1}


def shares_held(ledger: LedgerView) -> dict[int, int]:
    """Shares at the broker by contract: deliveries bring them, and a human may sell them."""
    delivered = shares_contracts(ledger)
    held = {con_id: p.quantity for con_id, p in ledger.positions.items() if con_id in delivered}
    return {con_id: quantity for con_id, quantity in held.items() if quantity}


def bodies(history: History, kind: type) -> Iterator:  # type: ignore[type-arg]
    """Those of one type on the log, in order."""
    return (event.body for event in history.log if isinstance(event.body, kind))


def contracts_of(history: History) -> dict[int, OptionContract]:
    return {
        leg.contract.con_id: leg.contract
        for body in bodies(history, OrderIntended)
        for leg in body.structure.legs
    }


def position_of(order_ref: str) -> str:
    return order_ref.partition("-")[0]
