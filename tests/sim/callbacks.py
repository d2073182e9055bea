"""Seeded sequences of callbacks about one trade: doubled, turned round, dropped, corrected, late.

Whatever is told on the way, once the broker's lists are read position and cash are the ledger's.
The ledger here is the list of executions with their corrections; only its teller is unreliable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from domain.event import Body
from domain.events.orders import (
    BrokerCommissionSeen,
    BrokerExecution,
    BrokerExecutionSeen,
    CommissionRecorded,
    FillRecorded,
    OrderIntended,
    Purpose,
)
from domain.events.positions import PositionChanged
from domain.execution.marks import is_credit
from domain.instruments import Leg, Structure
from domain.rolling import opened_legs
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    condor,
    credit_vertical,
    debit_vertical,
    execution_of,
    held,
    leg_ticks,
    listed,
    long_call,
    plan,
)
from tests.domain.execution.roll_build import ROLL, decided, proposed

UNITS = 6
MULTIPLIER = 100
FEE = Decimal("0.65")
ROLL_CHANCE = 0.6
EXITS_MAX = 4
WING = Decimal("0.40")
"""Price of the legs that a combination is not traded for: what is sold of a debit, bought of a
credit."""
STRUCTURES: tuple[tuple[Callable[[], Structure], int], ...] = (
    (long_call, 7),
    (debit_vertical, 5),
    (credit_vertical, 5),
    (condor, 3),
)
"""What is traded, and how often in twenty."""
STATUSES = ("PreSubmitted", "Submitted", "PendingCancel", "Filled", "PendingSubmit")


@dataclass
class Ledger:
    """What the broker did: executions with their corrections, in order."""

    executions: list[BrokerExecution] = field(default_factory=list)

    def counted(self) -> list[BrokerExecution]:
        """The newest of each family, legs only: a combination's own moves nothing."""
        newest = {e.exec_id.rpartition(".")[0]: e for e in self.executions}
        return [e for e in newest.values() if e.sec_type != "BAG"]

    def positions(self) -> Counter[int]:
        found: Counter[int] = Counter()
        for execution in self.counted():
            found[execution.con_id] += _sign(execution) * int(execution.quantity)
        return found

    def cash(self) -> Decimal:
        paid = [_sign(e) * e.quantity * e.price * MULTIPLIER for e in self.counted()]
        fees = [fee_of(e) for e in self.counted()]
        return -sum(paid, Decimal(0)) - sum(fees, Decimal(0))


def _sign(execution: BrokerExecution) -> int:
    return 1 if execution.side == "BOT" else -1


def fee_of(execution: BrokerExecution) -> Decimal:
    return FEE * execution.quantity


class Sequence:
    """One trade of one seed, told badly."""

    def __init__(self, seed: int) -> None:
        self.random = Random(f"callbacks {seed}")
        kinds, weights = zip(*STRUCTURES, strict=True)
        (build,) = self.random.choices(kinds, weights)
        self.structure: Structure = build()
        self.is_credit = is_credit(self.structure)
        self.bench = Bench()
        self.ledger = Ledger()
        self.orders: dict[str, dict[str, Any]] = {}
        self.fills = 0
        self.left = False
        """True when the trade got as far as its exit."""
        rolls = Random(f"rolls {seed}")
        self.is_to_roll = self.structure == condor() and rolls.random() < ROLL_CHANCE
        self.rolled = 0
        """Units that a roll filled."""

    def play(self) -> list[str]:
        """The whole trade; what differs in the end."""
        bench = self.bench
        bench.start()
        mid, target, stop = (
            ("-1.00", "-0.40", "-2.00") if self.is_credit else ("2.00", "3.20", "1.00")
        )
        bench.market(*self.quotes(mid))
        exits = plan(target=target, stop=stop)
        emitted = bench.enter(self.structure, units=UNITS, mid=mid, exit_plan=exits)
        entry, *stops = [body for body in emitted if isinstance(body, OrderIntended)]
        for intent in (entry, *stops):
            bench.sent(intent)
        self.tell(entry, self.fill(entry, UNITS, may_be_less=True))
        entered = self.filled(entry)
        self.orders[entry.order_ref] = {"status": "Filled" if entered == UNITS else "Cancelled"}
        for stop in stops:
            working = {"status": "PreSubmitted", "why_held": "trigger", "quantity": entered}
            self.orders[stop.order_ref] = working if entered else {"status": "Cancelled"}
        self.look()
        if entered and self.is_to_roll:
            self.roll(entered)
            self.look()
        if entered:
            self.leave(entered)
            self.look()
        before = len(bench.log)
        self.look()
        return self.wrongs(before)

    def roll(self, units: int) -> None:
        """The put side is rolled, all of it or some units, and that is told as badly."""
        bench = self.bench
        for ticks in self.quotes("-1.00"):
            bench.give(ticks)
        body = proposed(bench, units)
        emitted = bench.give(body) + bench.give(decided(bench, body))
        for order in (b for b in emitted if isinstance(b, OrderIntended)):
            bench.sent(order)
            self.tell(order, self.fill(order, units, may_be_less=True))
            self.rolled = self.filled(order)
            full = self.rolled == units
            self.orders[order.order_ref] = {"status": "Filled" if full else "Cancelled"}

    def leave(self, units: int) -> None:
        """The stop is breached twice, or a roll ended in part; each exit fills, and is told as
        badly."""
        bench = self.bench
        for _ in range(EXITS_MAX if self.is_to_roll else 1):
            leaving = self.next_exit()
            if leaving is None:
                return
            self.left = True
            bench.sent(leaving)
            bench.seen(listed(leaving), "openOrder")
            self.tell(leaving, self.fill(leaving, min(units, leaving.quantity), may_be_less=False))
            self.orders[leaving.order_ref] = {"status": "Filled"}
            for ref, state in self.orders.items():
                if "-S" in ref:
                    state["status"] = "Cancelled"
            if self.is_to_roll:
                self.look()

    def next_exit(self) -> OrderIntended | None:
        """One that is not filled yet, once the structure was worth so little for a while."""
        bench = self.bench
        for _ in range(8):
            bench.wait(1.2, self.quotes(self.last))
            exits = [b for b in bench.all(OrderIntended) if b.purpose is Purpose.EXIT]
            left = [b for b in exits if b.order_ref not in self.orders]
            if left:
                (leaving,) = left
                return leaving
        return None

    def fill(
        self, intent: OrderIntended, units: int, *, may_be_less: bool
    ) -> list[BrokerExecution]:
        """Partial fills, some corrected; all of them are on the ledger."""
        made: list[BrokerExecution] = []
        left = units
        while left:
            quantity = self.random.randint(1, left)
            left -= quantity
            made += self.one_fill(intent, quantity)
            if may_be_less and self.random.random() < 0.15:
                break
        self.ledger.executions += made
        return made

    def one_fill(self, intent: OrderIntended, quantity: int) -> list[BrokerExecution]:
        self.fills += 1
        stem, now = f"0000e{self.fills:04d}", self.bench.now
        legs = intent.structure.legs
        worths = self.worths(Decimal(self.random.randint(150, 210)) / 100, legs)
        made = []
        if not intent.structure.is_single:
            net = sum(
                (leg.ratio * worth for leg, worth in zip(legs, worths, strict=True)), Decimal(0)
            )
            own = execution_of(intent, quantity, str(net), f"{stem}.01.01", now, sec_type="BAG")
            made.append(own)
        for number, worth in enumerate(worths):
            name = f"{stem}.{number + 2:02d}.01"
            execution = execution_of(intent, quantity, str(worth), name, now, leg=number)
            made.append(execution)
            if self.random.random() < 0.2:
                made.append(
                    execution.model_copy(
                        update={
                            "exec_id": f"{stem}.{number + 2:02d}.02",
                            "price": execution.price + Decimal("0.01"),
                        }
                    )
                )
        return made

    def filled(self, intent: OrderIntended) -> int:
        first = intent.structure.legs[0].contract.con_id
        return sum(
            int(e.quantity)
            for e in self.ledger.counted()
            if e.order_ref == intent.order_ref and e.con_id == first
        )

    # What is told.

    def tell(self, intent: OrderIntended, executions: list[BrokerExecution]) -> None:
        """Executions, commissions and states: some lost, some twice, in any order."""
        told: list[Any] = []
        for execution in executions:
            told += [execution] * self.random.choice((0, 1, 1, 1, 2))
            told += [self.commission(execution)] * self.random.choice((0, 1, 1, 2))
        for status in self.random.choices(STATUSES, k=self.random.randint(0, 3)):
            told.append(status)
        if self.random.random() < 0.7:
            self.random.shuffle(told)
        for one in told:
            if isinstance(one, str):
                source = self.random.choice(("openOrder", "orderStatus"))
                self.bench.seen(listed(intent, one), source)
            elif isinstance(one, BrokerExecution):
                self.bench.give(BrokerExecutionSeen(connection="c1", execution=one))
            else:
                self.bench.give(one)

    def commission(self, execution: BrokerExecution) -> BrokerCommissionSeen:
        return BrokerCommissionSeen(
            connection="c1",
            exec_id=execution.exec_id,
            commission=Decimal(0) if execution.sec_type == "BAG" else fee_of(execution),
            currency="USD",
            realised_pnl=None,
        )

    def look(self) -> None:
        """The lists of the broker; commissions come with the executions, before the list's end
        or after it."""
        told: list[Body] = [self.commission(e) for e in self.ledger.executions]
        if self.random.random() < 0.5:
            self.random.shuffle(told)
        before = self.random.randint(0, len(told))
        for body in told[:before]:
            self.bench.give(body)
        self.bench.snapshot(**self.lists())
        for body in told[before:]:
            self.bench.give(body)

    def lists(self) -> dict[str, Any]:
        opened, completed = [], []
        for intent in self.bench.all(OrderIntended):
            state = self.orders.get(intent.order_ref)
            if state is None:
                continue
            filled = self.filled(intent)
            if state["status"] == "PreSubmitted":
                quantity = Decimal(state["quantity"])
                row = listed(intent, "PreSubmitted", why_held=state["why_held"])
                opened.append(row.model_copy(update={"quantity": quantity, "remaining": quantity}))
            else:
                completed.append(listed(intent, state["status"], filled, order_id=0))
        contracts = {leg.contract.con_id: leg.contract for leg in self.legs}
        return {
            "open_orders": opened,
            "completed_orders": completed,
            "executions": list(self.ledger.executions),
            "positions": [held(contracts[c], n) for c, n in self.ledger.positions().items() if n],
        }

    @property
    def last(self) -> str:
        """The worth at which every stop is breached: that of a rolled one follows its credit."""
        if self.is_to_roll:
            return "-6.00"
        return "-2.40" if self.is_credit else "0.60"

    @property
    def legs(self) -> tuple[Leg, ...]:
        """All that may be held, as it is opened."""
        if not self.is_to_roll:
            return self.structure.legs
        return (*self.structure.legs, *opened_legs(self.structure, ROLL))

    def worths(self, net: Decimal, legs: tuple[Leg, ...]) -> list[Decimal]:
        """Prices of legs at which the whole costs, or brings in, so much. The new side of a roll is
        nearer to the money."""
        main = -1 if self.is_credit else 1
        opened = {leg.contract.con_id: leg.ratio for leg in self.legs}
        own = [leg.contract.con_id for leg in self.structure.legs]
        mains = sum(opened[con_id] == main for con_id in own)
        wing = Decimal(0) if self.structure.is_single else WING
        found = []
        for leg in legs:
            is_main = opened[leg.contract.con_id] == main
            nearer = Decimal(0)
            if leg.contract.con_id not in own:
                nearer = Decimal("0.70") if is_main else Decimal("0.60")
            found.append((abs(net) / mains + wing if is_main else wing) + nearer)
        return found

    def quotes(self, net: str) -> list[Any]:
        half = 0.02 if self.structure.is_single else 0.01
        return [
            leg_ticks(leg.contract, float(worth) - half, float(worth) + half, self.bench.now)
            for leg, worth in zip(self.legs, self.worths(Decimal(net), self.legs), strict=True)
        ]

    # What differs.

    def wrongs(self, before_last_look: int) -> list[str]:
        bench, ledger = self.bench, self.ledger
        again = [
            event.type
            for event in bench.log[before_last_look:]
            if isinstance(event.body, FillRecorded | CommissionRecorded | PositionChanged)
        ]
        newest = {body.position_id: body for body in bench.all(PositionChanged)}
        ours: Counter[int] = Counter()
        for body in newest.values():
            for leg in body.legs:
                ours[leg.con_id] += leg.quantity
        theirs = ledger.positions()
        found = [f"positions ours {+ours}, theirs {+theirs}"] * (
            {k: v for k, v in ours.items() if v} != {k: v for k, v in theirs.items() if v}
        )
        fills = {body.fill_id: body for body in bench.all(FillRecorded) if body.contract}
        fees = {body.fill_id: body.commission for body in bench.all(CommissionRecorded)}
        cash = -sum(fees.values(), Decimal(0))
        for fill in fills.values():
            cash -= fill.side.sign * fill.quantity * fill.price * MULTIPLIER
        if cash != ledger.cash():
            found.append(f"cash ours {cash}, theirs {ledger.cash()}")
        booked = sum((b.realised_pnl for b in newest.values()), Decimal(0))
        if not any(theirs.values()) and booked != ledger.cash():
            found.append(f"profit ours {booked}, theirs {ledger.cash()}")
        if again:
            found.append(f"a second look must change nothing, was {again}")
        return found
