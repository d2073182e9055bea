"""What the order stage knows: orders, fills, quotes, trades and the state of the connection.

`Desk` is the folded state; what it decides for an event waits in `outbox` until the stage hands
it over. entries.py, exits.py and protection.py work on it; only orders.py folds events into it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from domain.event import Body
from domain.events.controls import AlertRaised
from domain.events.forecasts import DriftPredicted
from domain.events.orders import (
    BrokerSnapshotWanted,
    OrderCancelIntended,
    OrderIntended,
    OrderModifyIntended,
    OrderState,
    Purpose,
)
from domain.events.positions import ExitReason
from domain.events.risk import RiskDecided
from domain.events.rolls import RollDecided, RollProposed
from domain.events.signals import ExitPlan, SignalValidated
from domain.execution.fills import FillBook
from domain.execution.ladder import Profile
from domain.execution.order_book import Order, OrderBook
from domain.execution.quotes import QuoteLimits, Quotes
from domain.execution.roll_order import RollOrder
from domain.instruments import Direction, Leg, OptionContract, Side, Strategy, Structure
from domain.parameter import ParameterState
from domain.rolling import after_roll, all_legs, units_of
from domain.session import Session
from domain.stage import Emission

IDS_PER_BLOCK = 10_000
REQUEST_IDS = 1_000
"""Left free above nextValidId: the client library numbers its own requests from there."""
REQUEST_IDS_OF_A_CONNECTION = 1_000_000
"""Left free between two blocks of one connection: its requests are numbered from there by then."""
IDS_KEPT_FOR_EXITS = 1_000
"""Entries stop, and a new block is reserved, before one is used up: exits always have ids left."""
RECENT_MAX = 500
BROKER_DECISIONS_STREAM = "orders"
ALERT_STREAM = "alert/orders"


@dataclass(slots=True)
class ExitWish:
    """A position is to be left: from the newest ExitDecided until it is flat."""

    reason: ExitReason
    profile: Profile
    since: datetime


@dataclass(slots=True)
class Trade:
    """One decision's orders and what they brought. Prices of the structure as bought."""

    position_id: str
    decision_id: str
    signal_id: str
    strategy: Strategy
    direction: Direction
    structure: Structure
    correlation_id: UUID
    exit_plan: ExitPlan
    planned_units: int
    valid_until: datetime
    signal_underlying: float
    underlying_move_max: float
    signal_mid: Decimal
    mid_against_max: Decimal
    signal_spreads: dict[int, Decimal]
    """Spread of each leg when the signal was raised."""
    model_mid: Decimal
    equity_usd: Decimal | None
    cap: Decimal
    held: dict[int, int] = field(default_factory=dict)
    withdrawn: str = ""
    exit: ExitWish | None = None
    platform_stop: Decimal | None = None
    last_mark: Decimal | None = None
    uncovered_told: tuple[tuple[OptionContract, int], ...] = ()
    """Shorts without cover that a human was told of."""
    roll_told: bool = False
    """A human was told of a roll that does not end."""
    rolls: tuple[RollOrder, ...] = ()
    """Of every order that was to roll it, the newest last."""
    first: Structure = field(init=False)
    """The structure as entered: `structure` is another one once it is rolled."""
    legs: tuple[Leg, ...] = field(init=False)
    """Every contract that it may hold, on the side on which it is opened."""
    con_ids: frozenset[int] = field(init=False)
    """Contracts of the legs: asked of every trade at every quote."""

    def __post_init__(self) -> None:
        self.first = self.structure
        self._know_legs()

    def _know_legs(self) -> None:
        rolls = (order.proposed.roll for order in self.rolls)
        self.legs = all_legs(self.first, self.structure, rolls)
        self.con_ids = frozenset(leg.contract.con_id for leg in self.legs)

    def rolling(self, order: RollOrder) -> None:
        """An order is to roll it: from now on it may hold that side too."""
        self.rolls = (*self.rolls, order)
        self._know_legs()

    def hold(self, con_id: int, change: int) -> None:
        """Count contracts. Which structure it is is told by what is held: while one unit is left of
        the one entered it is that one, then the new condor. A mark of another one says nothing."""
        self.held[con_id] = self.held.get(con_id, 0) + change
        for structure in self.wholes if self.rolls else ():
            if units_of(structure, self.held):
                if structure != self.structure:
                    self.structure, self.last_mark = structure, None
                return

    @property
    def wholes(self) -> tuple[Structure, ...]:
        """The structure as entered, then what each roll of it makes."""
        rolls = (after_roll(self.first, order.proposed.roll) for order in self.rolls)
        return (self.first, *rolls)

    @property
    def symbol(self) -> str:
        return self.structure.symbol

    def contract(self, con_id: int) -> OptionContract:
        """The leg's contract."""
        return next(leg.contract for leg in self.legs if leg.contract.con_id == con_id)

    @property
    def units(self) -> int:
        """Whole units held: the least held leg, on the side on which it was opened."""
        return units_of(self.structure, self.held)

    @property
    def is_flat(self) -> bool:
        return not any(self.held.values())


@dataclass(slots=True)
class Connection:
    """The broker connection that this run holds, as the log has it."""

    name: str
    run_id: str
    account: str
    paper: bool
    client_id: int
    next_valid_id: int = 0
    block_first: int = 0
    block_last: int = 0
    ready_id: str = ""
    """Event id of BrokerReady; empty before."""
    was_clean: bool = False
    """Nothing differed at some look: since then every fill was told as it came."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """The broker's holding of a contract less ours, as one snapshot had it."""

    difference: int
    since: datetime
    confirmed: bool
    shares_of: str = ""
    """The symbol, when these are shares."""


@dataclass(frozen=True, slots=True)
class CashBook:
    """What the looks of a session have shown of the account's cash, today's trades left out."""

    session_date: date | None = None
    agreed: Decimal | None = None
    """Dollars; two looks showed the same."""
    awaited: Decimal = Decimal(0)
    """Flows that the operator recorded and that the account has not shown yet."""
    seen: Decimal | None = None
    """Another sum, as the newest look showed it, and since when."""
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Aside:
    """What the broker holds that the operator explained and that is no position of the desk."""

    quantity: int
    shares_of: str
    """The symbol of shares; empty for an option."""


@dataclass(slots=True)
class Desk:
    """State of OrderStage. `claims` keeps one input from deciding the same thing twice."""

    parameters: ParameterState = field(default_factory=ParameterState)
    session: Session | None = None
    book: OrderBook = field(default_factory=OrderBook)
    fills: FillBook = field(default_factory=FillBook)
    quotes: Quotes = field(default_factory=Quotes)
    drifts: dict[str, DriftPredicted] = field(default_factory=dict)
    """The newest forecast of each underlying."""
    signals: dict[str, SignalValidated] = field(default_factory=dict)
    decisions: dict[str, RiskDecided] = field(default_factory=dict)
    """Approved ones that have no order yet."""
    rolls: dict[str, RollProposed] = field(default_factory=dict)
    """Proposed ones that have no order yet, by roll id."""
    roll_decisions: dict[str, RollDecided] = field(default_factory=dict)
    """Approved ones that have no order yet."""
    trades: dict[str, Trade] = field(default_factory=dict)
    account: str = ""
    """The account this log began with; `paper` says of which kind. Another one is never traded."""
    paper: bool = False
    connection: Connection | None = None
    highest_id: int = 0
    reserved_to: int = 0
    """Last id of the newest block: the next one begins above it, used up or not."""
    halted: bool = False
    breached: tuple[str, ...] = ()
    """Codes of the limits that are breached: only orders that reduce risk may leave."""
    entries_open: bool = True
    clean: bool = False
    differences: tuple[str, ...] | None = None
    """Of the last ReconciliationCompleted on this connection; None before the first."""
    shortages: dict[int, Shortage] = field(default_factory=dict)
    inferred: dict[tuple[str, int], int] = field(default_factory=dict)
    """Contracts inferred without executions, by position and contract, not taken back."""
    inferred_at: dict[tuple[str, int], datetime] = field(default_factory=dict)
    """Market time of the newest look that showed them: what is executed later is none of it."""
    delivered: dict[str, int] = field(default_factory=dict)
    """Shares that came by exercise or assignment and that the broker still shows, by symbol."""
    share_trades: dict[str, datetime] = field(default_factory=dict)
    """Executions of shares that a look has listed, by family, with their time; of two days."""
    set_aside: dict[int, Aside] = field(default_factory=dict)
    """By contract."""
    cash: CashBook = field(default_factory=CashBook)
    snapshot_wanted_at: datetime | None = None
    snapshot_at: datetime | None = None
    looked_at: datetime | None = None
    """When the last lists were taken, by the broker's side."""
    new_orders: deque[tuple[datetime, Strategy, frozenset[tuple[int, int]], Side]] = field(
        default_factory=lambda: deque(maxlen=RECENT_MAX)
    )
    replaces: deque[tuple[datetime, bool]] = field(default_factory=lambda: deque(maxlen=RECENT_MAX))
    claims: set[str] = field(default_factory=set)
    claimed_id: int = 0
    outbox: list[Emission] = field(default_factory=list)
    now: datetime = datetime.min
    real: datetime = datetime.min

    @property
    def is_ready(self) -> bool:
        return self.connection is not None and self.connection.ready_id != ""

    @property
    def quote_limits(self) -> QuoteLimits:
        return QuoteLimits.read(self.parameters)

    def seconds(self, name: str) -> timedelta:
        return timedelta(seconds=self.parameters.number(name))

    def is_ours(self, account: str) -> bool:
        """Of this connection's account: a login may see others. Some lists name none."""
        return self.connection is None or account in ("", self.connection.account)

    def claim(self, key: str) -> bool:
        """True the first time that `key` is claimed while one input is worked on."""
        if key in self.claims:
            return False
        self.claims.add(key)
        return True

    def emit(self, stream: str, body: Body, correlation_id: UUID | None = None) -> None:
        self.outbox.append(Emission(stream, body, correlation_id))

    def page(self, code: str, about: str, text: str, correlation_id: UUID | None = None) -> None:
        """Tell a human, who can do what the desk cannot. `about` makes the alert's id."""
        alert_id = f"{code.lower()}-{about}"
        body = AlertRaised(alert_id=alert_id, severity="critical", code=code, text=text)
        self.emit(ALERT_STREAM, body, correlation_id)

    def forget_cash(self) -> None:
        """Cash moved, or may have, by what no execution tells: the comparison begins anew."""
        self.cash = replace(self.cash, agreed=None, seen=None)

    def infer(self, position_id: str, con_id: int, change: int) -> None:
        """Note contracts that were inferred, or taken back."""
        key = (position_id, con_id)
        self.inferred[key] = self.inferred.get(key, 0) + change
        if not self.inferred[key]:
            del self.inferred[key]
            self.inferred_at.pop(key, None)

    def next_id(self) -> int | None:
        """The next id of this connection's block; None when there is none."""
        if self.connection is None or self.connection.block_last == 0:
            return None
        following = max(self.highest_id, self.claimed_id, self.connection.block_first - 1) + 1
        if following > self.connection.block_last:
            return None
        self.claimed_id = following
        return following

    @property
    def ids_left(self) -> int:
        if self.connection is None:
            return 0
        return self.connection.block_last - max(self.highest_id, self.claimed_id)

    def orders_of(self, trade: Trade, purpose: Purpose) -> list[Order]:
        """In the order in which they were intended."""
        return [o for o in self.book.of_position(trade.position_id) if o.purpose is purpose]

    def entry_of(self, trade: Trade) -> Order | None:
        orders = self.orders_of(trade, Purpose.ENTRY)
        return orders[0] if orders else None

    def place(self, intent: OrderIntended, trade: Trade) -> None:
        self.emit(f"order/{intent.order_ref}", intent, trade.correlation_id)

    def modify(self, order: Order, change: OrderModifyIntended) -> None:
        """At most one request for an order in one input."""
        if self.claim(f"request:{order.ref}"):
            self.emit(f"order/{order.ref}", change, order.correlation_id)

    def cancel(self, order: Order, reason: str) -> None:
        """Ask to cancel an order that this connection can name; once an input."""
        assert self.connection is not None
        if order.request is not None and order.request.kind == "cancel":
            return
        if order.state in (OrderState.INTENDED, OrderState.CANCEL_REQUESTED):
            return
        if self.claim(f"request:{order.ref}"):
            body = OrderCancelIntended(
                order_ref=order.ref,
                order_id=order.order_id,
                connection=self.connection.name,
                reason=reason,
            )
            self.emit(f"order/{order.ref}", body, order.correlation_id)

    def want_snapshot(self, reason: str) -> None:
        """Ask what the broker lists; not again while an answer is awaited."""
        if self.connection is None or not self.is_ready:
            return
        waited = self.snapshot_wanted_at
        if waited is not None and self.real - waited < self.seconds("execution.request_s"):
            return
        if self.claim("snapshot"):
            wanted = BrokerSnapshotWanted(connection=self.connection.name, reason=reason)
            self.emit(BROKER_DECISIONS_STREAM, wanted)

    def is_settled(self, order: Order) -> bool:
        """The order may be changed: shown on this connection, no request in flight, not in doubt.

        A request without acknowledgement for too long starts a look at the broker's lists.
        """
        if order.request is not None:
            limit = self.seconds("execution.request_s")
            if order.request.sent and self.real - order.request.asked_at > limit:
                self.want_snapshot(f"{order.request.kind} of {order.ref} is not acknowledged")
            return False
        if order.state is OrderState.UNKNOWN:
            self.want_snapshot(f"{order.ref} is unknown")
            return False
        if order.state in (OrderState.INTENDED, OrderState.SENT):
            return False
        if self.connection is None or order.seen_on != self.connection.name:
            self.want_snapshot(f"{order.ref} was not shown on this connection")
            return False
        return True

    def is_asleep(self, order: Order) -> bool:
        """The broker shows it on this connection, and neither works nor refuses it, for long: as
        Inactive without a reason. What must leave does not wait for it to wake up."""
        since = order.unknown_since
        if order.state is not OrderState.UNKNOWN or since is None or self.connection is None:
            return False
        limit = self.seconds("execution.confirm_absence_s")
        return order.seen_on == self.connection.name and self.real - since >= limit

    def broker_units(self, trade: Trade) -> int:
        """Units held by us and by the broker: nothing is sold that the broker does not show.

        A list may be behind a fill that was just told, so a shortage needs a second look; but not
        where we were away and may have missed what sold it.
        """
        units = trade.units
        was_away = self.connection is None or not self.connection.was_clean
        short = 0
        for leg in trade.structure.legs:
            shortage = self.shortages.get(leg.contract.con_id)
            if shortage is not None and (shortage.confirmed or was_away):
                missing = -shortage.difference if leg.ratio > 0 else shortage.difference
                short = max(short, missing)
        return max(0, units - short)
