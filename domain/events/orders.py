"""Orders: intents, what was sent, what the broker said, and what we made of it.

Three kinds of writer. The order stage decides intents and states (OrderIntended, OrderChanged,
FillRecorded). The trader's shell records what it did (IntentSent, IntentLapsed) and what the
broker sent, verbatim (Broker...). Nothing is sent without a committed intent.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from domain.event import DeskEvent
from domain.events.risk import Check
from domain.instruments import OptionContract, Side, Structure, Value

BROKER_STREAM = "broker"


class Purpose(StrEnum):
    ENTRY = "entry"
    EXIT = "exit"
    PROTECTIVE_STOP = "protective_stop"
    WHAT_IF = "what_if"
    ROLL = "roll"

    @property
    def opens(self) -> bool:
        """It opens contracts: what a halt holds back and withdraws."""
        return self in (Purpose.ENTRY, Purpose.ROLL)


class OrderState(StrEnum):
    """Unknown is a state: it counts as working and ends in reconciliation or with a human."""

    INTENDED = "intended"
    SENT = "sent"
    WORKING = "working"
    HELD = "held"
    """Accepted by the broker and waiting: for its parent, or for its trigger."""
    CANCEL_REQUESTED = "cancel_requested"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    LAPSED = "lapsed"
    """Never sent; its id is never used."""
    ABANDONED = "abandoned"
    """An entry that no source knows: given up for good, cancelled on sight."""

    @property
    def is_final(self) -> bool:
        return self in _FINAL


_FINAL = frozenset(
    {
        OrderState.FILLED,
        OrderState.CANCELLED,
        OrderState.REJECTED,
        OrderState.LAPSED,
        OrderState.ABANDONED,
    }
)


class OrderType(StrEnum):
    LIMIT = "LMT"
    STOP_LIMIT = "STP LMT"


class BrokerConnected(DeskEvent):
    """A connection to the broker was made. Stream `broker`."""

    connection: str
    run_id: str
    account: str
    paper: bool
    client_id: int
    server_version: int
    next_valid_id: int


class BrokerDisconnected(DeskEvent):
    connection: str
    reason: str


class OrderIdBlockReserved(DeskEvent):
    """Ids [first, last] belong to this connection: above nextValidId and every earlier block."""

    connection: str
    client_id: int
    first: int
    last: int
    next_valid_id: int


class SnapshotOrder(Value):
    """An order as the broker lists it."""

    order_id: int
    client_id: int
    perm_id: int
    order_ref: str
    con_id: int
    symbol: str
    sec_type: str
    action: str
    quantity: Decimal
    order_type: str
    limit_price: Decimal | None
    stop_price: Decimal | None
    status: str
    filled: Decimal
    remaining: Decimal
    parent_id: int
    oca_group: str
    account: str
    why_held: str = ""
    completed_status: str = ""
    oca_type: int = 0
    """1 cancels the others with block, 2 reduces them with block, 3 without; 0 unknown."""


class BrokerExecution(Value):
    """One execution as the broker reports it; a correction shares the id up to the last dot."""

    exec_id: str
    order_id: int
    client_id: int
    perm_id: int
    order_ref: str
    con_id: int
    symbol: str
    sec_type: str
    side: str
    quantity: Decimal
    price: Decimal
    executed_at: datetime
    account: str
    liquidation: int = 0
    cumulative_quantity: Decimal = Decimal(0)
    average_price: Decimal = Decimal(0)

    @property
    def family(self) -> str:
        return self.exec_id.rpartition(".")[0]


class SnapshotPosition(Value):
    con_id: int
    symbol: str
    sec_type: str
    expiry: str
    strike: Decimal
    right: str
    quantity: Decimal
    average_cost: Decimal
    account: str


class BrokerSnapshotReceived(DeskEvent):
    """What the broker lists right now: the evidence that reconciliation works on."""

    connection: str
    open_orders: tuple[SnapshotOrder, ...]
    completed_orders: tuple[SnapshotOrder, ...]
    executions: tuple[BrokerExecution, ...]
    positions: tuple[SnapshotPosition, ...]
    account_values: dict[str, str]
    taken_at: datetime


class BrokerReady(DeskEvent):
    """This connection's first snapshot is on the log and consumed: orders may leave on it."""

    connection: str
    run_id: str
    block_first: int
    block_last: int


class OrderIntended(DeskEvent):
    """An order is to be sent, once. Stream `order/<order_ref>`.

    The event id of this intent is its identity on the log; `order_ref` is its identity at the
    broker. `leaves_before` is the last market time at which the bytes may leave; `checks` are all
    that were made, those that hold back no exit included.
    """

    schema_version = 3

    order_ref: str
    order_id: int
    client_id: int
    connection: str
    broker_ready_id: str
    purpose: Purpose
    signal_id: str
    decision_id: str
    position_id: str
    structure: Structure
    action: Side
    quantity: int
    order_type: OrderType
    limit_price: Decimal
    stop_price: Decimal | None
    account: str
    parent_ref: str = ""
    oca_group: str = ""
    oca_type: int = 0
    transmit: bool = True
    attempt: int = 1
    ladder_step: int = 0
    decision_mid: Decimal | None = None
    leaves_before: datetime | None = None
    checks: tuple[Check, ...] = ()

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """The first version kept no checks."""
        return state

    @staticmethod
    def upcast_v2_v3(state: dict[str, Any]) -> dict[str, Any]:
        """Before the third version nothing was rolled."""
        return state

    @property
    def is_entry(self) -> bool:
        return self.purpose is Purpose.ENTRY

    @property
    def opens(self) -> bool:
        return self.purpose.opens


class OrderModifyIntended(DeskEvent):
    """A working order is to get another price or quantity: same id, one request in flight.

    `leaves_before` and `checks` as of an intent; null for what must leave at any age.
    """

    schema_version = 2

    order_ref: str
    order_id: int
    connection: str
    revision: int
    quantity: int
    limit_price: Decimal
    stop_price: Decimal | None
    oca_group: str = ""
    oca_type: int = 0
    ladder_step: int = 0
    reason: str = ""
    leaves_before: datetime | None = None
    checks: tuple[Check, ...] = ()

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """The first version kept no checks."""
        return state


class OrderCancelIntended(DeskEvent):
    order_ref: str
    order_id: int
    connection: str
    reason: str


class EntryRefused(DeskEvent):
    """An approved decision whose order is not sent: the last look failed. Nothing is working.

    `codes` are those of domain/risk/codes.py that did not pass; `checks` all that were made.
    Stream `decision-orders/<decision_id>`.
    """

    decision_id: str
    signal_id: str
    codes: tuple[str, ...]
    checks: tuple[Check, ...] = ()


REGULAR, CANCELLED = "regular", "cancelled"
"""Reasons of a look that nothing in doubt asks for: entries do not wait for it."""


class BrokerSnapshotWanted(DeskEvent):
    """The broker's lists are to be read; where something is in doubt, before an entry leaves."""

    connection: str
    reason: str


class EmergencyCancelSent(DeskEvent):
    """An entry was cancelled without an intent on the log, which could not be written or whose
    owner did not answer. It is journalled to a file first; `cancelled_at` is real time."""

    order_ref: str
    order_id: int
    who: str
    """trader or watchdog."""
    reason: str
    cancelled_at: datetime


class IntentSent(DeskEvent):
    """The bytes of an intent were handed to the socket of this connection."""

    order_ref: str
    order_id: int
    intent_id: str
    request: str
    """place, modify or cancel."""
    revision: int
    connection: str
    run_id: str
    latency_seconds: float
    """Real time from the record of the deciding input to the send."""


class IntentLapsed(DeskEvent):
    """The bytes of an intent did not leave in the run that committed it and never will."""

    order_ref: str
    order_id: int
    intent_id: str
    request: str
    """place, modify, cancel, or what_if for an order that was never to be placed."""
    reason: str


class BrokerOrderSeen(DeskEvent):
    """openOrder or orderStatus as the client delivered it. Stream `broker`."""

    connection: str
    source: str
    """openOrder or orderStatus."""
    order: SnapshotOrder
    average_price: Decimal
    last_price: Decimal


class BrokerExecutionSeen(DeskEvent):
    connection: str
    execution: BrokerExecution


class BrokerCommissionSeen(DeskEvent):
    """A commission report. `commission` is null where the broker did not know it yet."""

    schema_version = 2

    connection: str
    exec_id: str
    commission: Decimal | None
    currency: str
    realised_pnl: Decimal | None

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """The first version said 0 for what was not known."""
        return state


class BrokerErrorSeen(DeskEvent):
    """An error or notice. It starts a check at most: a cancel is never believed from it."""

    connection: str
    request_id: int
    code: int
    text: str
    order_ref: str = ""


class BrokerAccountSeen(DeskEvent):
    """Account values as they came, and the daily-P&L stream (null where unset)."""

    connection: str
    account: str
    values: dict[str, str]
    daily_pnl: Decimal | None = None
    unrealised_pnl: Decimal | None = None
    realised_pnl: Decimal | None = None


class BrokerTimeSeen(DeskEvent):
    """Answer to a current-time request: the heartbeat of the connection."""

    connection: str
    broker_time: datetime
    round_trip_seconds: float


class WhatIfAnswered(DeskEvent):
    """Margin change for an order that is not placed; null numbers when no answer came."""

    connection: str
    order_ref: str
    order_id: int
    initial_change: Decimal | None
    maintenance_change: Decimal | None
    equity_with_loan_change: Decimal | None
    commission: Decimal | None
    warning: str


class OrderChanged(DeskEvent):
    """Our state of an order after a fact about it. Stream `order/<order_ref>`."""

    schema_version = 2

    order_ref: str
    order_id: int
    perm_id: int
    state: OrderState
    filled: int
    remaining: int
    reason: str
    broker_code: int | None = None
    broker_text: str = ""
    """Why the broker refused it, in its own words."""

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """The first version kept the code alone."""
        return state


class FillRecorded(DeskEvent):
    """One execution counted once, by its family. Stream `order/<order_ref>`.

    `contract` is the leg for option legs and null for a combination's own execution, which fills
    the order but no position. Slippage is of the structure, a share, positive when worse: null
    for the legs of a combination, whose own execution has it, and where no mid is known.
    """

    schema_version = 2

    fill_id: str
    """The execution's family."""
    exec_id: str
    order_ref: str
    position_id: str
    contract: OptionContract | None
    side: Side
    quantity: int
    price: Decimal
    executed_at: datetime
    corrects: str = ""
    slippage_decision: Decimal | None = None
    """Against the mid at which the order was decided."""
    slippage_mid: Decimal | None = None
    """Against the mid at the fill."""

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """The first version did not measure it."""
        return state


class CommissionRecorded(DeskEvent):
    fill_id: str
    exec_id: str
    order_ref: str
    position_id: str
    commission: Decimal


class ReconciliationCompleted(DeskEvent):
    """Ours against the broker's: clean, or what differs. Risk stays closed until it is clean."""

    schema_version = 2

    connection: str
    clean: bool
    differences: tuple[str, ...]
    """One line for each, that of the cash among them."""
    cash_difference: Decimal | None = None
    """Dollars that the account has more than the session's trades explain, by two looks."""

    @property
    def holdings_agree(self) -> bool:
        """Orders and positions are the broker's, whatever the cash."""
        return len(self.differences) == (0 if self.cash_difference is None else 1)

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """The first version did not compare cash."""
        return state
