"""Rolls whose callbacks are doubled, reordered and dropped, with an exit anywhere between."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.events.controls import AlertRaised, TradingHalted
from domain.events.orders import BrokerExecution, OrderIntended, Purpose
from domain.events.positions import PositionChanged, PositionClosed
from domain.events.rolls import PositionRolled
from domain.instruments import Right
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import condor, held, listed
from tests.domain.execution.roll_build import (
    BIDS,
    FILLS,
    NEW_LONG,
    NEW_SHORT,
    ask,
    holdings,
    legs_filled,
    orders,
    own_fill,
    quotes,
    rolling,
)
from tests.domain.execution.stories import flatten

UNITS = 3
CONTRACTS = {of.con_id: of for of in BIDS}
OPENED = {leg.contract.con_id: leg.ratio for leg in condor().legs} | {
    NEW_SHORT.con_id: -1,
    NEW_LONG.con_id: 1,
}


@dataclass(frozen=True)
class Story:
    """Units that fill one after the other, which executions are told and in which order, and after
    how many of them everything is to be closed."""

    filled: int
    told: tuple[int, ...]
    leaves_after: int
    halts: bool


@st.composite
def stories(draw: st.DrawFn) -> Story:
    filled = draw(st.integers(0, UNITS))
    count = filled * 5
    told = draw(st.lists(st.integers(0, max(0, count - 1)), max_size=20)) if count else []
    leaves_after = draw(st.integers(0, len(told)))
    return Story(filled, tuple(told), leaves_after, draw(st.booleans()))


def executions(order: OrderIntended, units: int, bench: Bench) -> list[BrokerExecution]:
    """Each unit's own execution, then those of its legs."""
    found: list[BrokerExecution] = []
    prices = [FILLS[leg.contract.con_id] for leg in order.structure.legs]
    for unit in range(units):
        found.append(own_fill(order, 1, "-0.10", f"r{unit}", bench.now))
        found += legs_filled(order, 1, prices, f"r{unit}", bench.now)
    return found


class Broker:
    """What it really holds, and its lists."""

    def __init__(self, bench: Bench, order: OrderIntended, filled: int) -> None:
        self.bench, self.roll, self.filled = bench, order, filled
        self.executed = executions(order, filled, bench)
        self.exits: dict[str, OrderIntended] = {}
        entry = orders(bench, Purpose.ENTRY)[0]
        self.entry = entry
        self.entered = legs_filled(entry, UNITS, ("0.91", "0.41", "0.91", "0.41"), "e", bench.now)

    def positions(self) -> Counter[int]:
        found: Counter[int] = Counter()
        for execution in (*self.entered, *self.executed):
            if execution.sec_type != "BAG":
                sign = 1 if execution.side == "BOT" else -1
                found[execution.con_id] += sign * int(execution.quantity)
        return found

    def fill(self, intent: OrderIntended, name: str) -> None:
        prices = [f"{BIDS[leg.contract] + 0.01:.2f}" for leg in intent.structure.legs]
        made = legs_filled(intent, intent.quantity, prices, name, self.bench.now)
        self.exits[intent.order_ref] = intent
        self.executed += made
        for execution in made:
            self.bench.give_execution(execution)
        self.bench.seen(listed(intent, "Filled", intent.quantity))

    def look(self) -> None:
        done = "Filled" if self.filled == UNITS else "Cancelled"
        completed = [
            listed(self.entry, "Filled", UNITS, order_id=0),
            listed(self.roll, done, self.filled, order_id=0),
            *(listed(i, "Filled", i.quantity, order_id=0) for i in self.exits.values()),
        ]
        self.bench.snapshot(
            completed_orders=completed,
            executions=[*self.entered, *self.executed],
            positions=[held(CONTRACTS[c], n) for c, n in self.positions().items() if n],
        )


def never_turned(broker: Broker) -> None:
    """No contract is held on the other side than it was opened on, and every short is covered."""
    found = broker.positions()
    assert all(found[con_id] * OPENED[con_id] >= 0 for con_id in found), found
    for right in Right:
        assert sum(n for c, n in found.items() if CONTRACTS[c].right is right) >= 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=stories())
def test_whatever_is_told_of_a_roll_an_exit_sells_all_that_is_held_and_no_more(
    story: Story,
) -> None:
    bench, order = rolling(UNITS)
    broker = Broker(bench, order, story.filled)
    for number, place in enumerate(story.told):
        if number == story.leaves_after:
            leave(bench, halts=story.halts)
        bench.give_execution(broker.executed[place])
    leave(bench, halts=story.halts)
    for number in range(30):
        bench.wait(1.2, quotes(bench.now))
        if number == 3:
            state = "Filled" if story.filled == UNITS else "Cancelled"
            bench.seen(listed(order, state, story.filled))
        if number % 4 == 3:
            bench.now = bench.now
            broker.look()
        for intent in orders(bench, Purpose.EXIT):
            if intent.order_ref not in broker.exits:
                bench.sent(intent)
                bench.seen(listed(intent))
                broker.fill(intent, f"x{len(broker.exits)}")
                never_turned(broker)
        if number > 5 and not any(broker.positions().values()):
            break
    broker.look()
    assert not any(broker.positions().values()), broker.positions()
    assert holdings(bench) == {}
    for _ in range(7):
        bench.wait(1.0)
    (closed,) = bench.all(PositionClosed)
    cash = sum(
        ((-1 if e.side == "BOT" else 1) * e.quantity * e.price
         for e in (*broker.entered, *broker.executed) if e.sec_type != "BAG"),
        Decimal(0),
    )  # fmt: skip
    assert closed.realised_pnl == cash * 100
    assert "UNCOVERED_SHORT" not in [alert.code for alert in bench.all(AlertRaised)]
    assert len(bench.all(PositionRolled)) <= 1


def leave(bench: Bench, *, halts: bool) -> None:
    if bench.all(PositionClosed) or any(e.type == "ExitDecided" for e in bench.log):
        return
    if halts:
        bench.give(TradingHalted(who="x", reason="y"))
    flatten(bench)


@settings(max_examples=60, deadline=None)
@given(filled=st.integers(0, UNITS), state=st.sampled_from(("Cancelled", "Filled", "Inactive")))
def test_no_second_roll_follows_one_of_which_a_unit_filled_or_whose_end_is_not_known(
    filled: int, state: str
) -> None:
    bench, order = rolling(UNITS)
    for execution in executions(order, filled, bench):
        bench.give_execution(execution)
    bench.seen(listed(order, state, filled))
    bench.wait(6, quotes(bench.now))
    for ticks in quotes(bench.now):
        bench.give(ticks)
    sent = [b for b in ask(bench, number=2) if isinstance(b, OrderIntended)]
    may = filled == 0 and state == "Cancelled"
    assert bool(sent) is may
    assert bench.all(PositionChanged)


def test_a_roll_is_decided_the_same_by_a_trader_that_folds_the_log_anew() -> None:
    bench, order = rolling(UNITS)
    for execution in executions(order, UNITS, bench):
        bench.give_execution(execution)
    flatten(bench)
    again = Bench()
    inputs: list[Any] = [event for event in bench.log if not event.is_emission]
    emitted = [e for event in inputs for e in again.consumer.step(event)]
    assert [e.body for e in emitted] == [e.body for e in bench.log if e.is_emission]
