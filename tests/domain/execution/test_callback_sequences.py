"""Callbacks repeated, reordered, dropped and corrected: the position is the ledger's in the end."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.events.orders import (
    BrokerExecution,
    BrokerExecutionSeen,
    FillRecorded,
    OrderChanged,
    OrderIntended,
)
from domain.events.positions import PositionChanged
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    contract,
    execution_of,
    held,
    leg_ticks,
    listed,
    long_call,
)

LEG = contract()
UNITS = 6


@dataclass(frozen=True)
class Told:
    """One callback: the execution with this number, or a status text."""

    execution: int = -1
    status: str = ""


@dataclass(frozen=True)
class Story:
    """Executions of one entry with corrections, and the order in which they are told."""

    quantities: tuple[int, ...]
    corrected: tuple[int, ...]
    told: tuple[Told, ...]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Partial fills of at most UNITS; some corrected by one less; told in any order, or not."""
    quantities: list[int] = []
    left = UNITS
    while left and draw(st.booleans() if quantities else st.just(True)):
        quantities.append(draw(st.integers(1, left)))
        left -= quantities[-1]
    corrected = [n for n in range(len(quantities)) if draw(st.integers(0, 3)) == 0]
    numbers = st.integers(0, len(quantities) + len(corrected) - 1)
    status = st.sampled_from(("Submitted", "PreSubmitted", "Filled", "PendingCancel", "Inactive"))
    callback = numbers.map(lambda n: Told(execution=n)) | status.map(lambda s: Told(status=s))
    told = draw(st.lists(callback, max_size=14))
    return Story(tuple(quantities), tuple(corrected), tuple(told))


def executions_of(story: Story, intent: OrderIntended, bench: Bench) -> list[BrokerExecution]:
    """Each fill as `n.01`, each correction of it by one less as `n.02`."""
    found = [
        execution_of(intent, quantity, f"2.0{n}", f"f{n}.01", bench.now)
        for n, quantity in enumerate(story.quantities)
    ]
    for n in story.corrected:
        less = max(0, story.quantities[n] - 1)
        found.append(execution_of(intent, less, f"2.0{n}", f"f{n}.02", bench.now))
    return found


def ledger_units(story: Story) -> int:
    return sum(
        max(0, quantity - 1) if n in story.corrected else quantity
        for n, quantity in enumerate(story.quantities)
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=stories())
def test_whatever_is_told_the_position_is_the_ledgers_once_the_lists_are_read(
    story: Story,
) -> None:
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(LEG, 1.98, 2.02))
    emitted = bench.enter(long_call(), units=UNITS)
    parent, stop = [body for body in emitted if isinstance(body, OrderIntended)]
    bench.sent(parent)
    bench.sent(stop)
    executions = executions_of(story, parent, bench)
    for told in story.told:
        if told.status:
            bench.seen(listed(parent, told.status))
        else:
            seen = BrokerExecutionSeen(connection="c1", execution=executions[told.execution])
            bench.give(seen)
    units = ledger_units(story)
    lists = {
        "open_orders": [listed(stop, "PreSubmitted", why_held="trigger")],
        "completed_orders": [listed(parent, "Cancelled", units, order_id=0)],
        "executions": executions,
        "positions": [held(LEG, units)] if units else [],
    }
    bench.snapshot(**lists)
    changes = bench.all(PositionChanged)
    assert (changes[-1].units if changes else 0) == units
    fills = {fill.fill_id: fill.quantity for fill in bench.all(FillRecorded)}
    assert sum(fills.values()) == units
    last = [c for c in bench.all(OrderChanged) if c.order_ref == parent.order_ref][-1]
    assert last.filled == units
    assert last.state.is_final
    again = bench.snapshot(**lists)
    assert [body for body in again if isinstance(body, FillRecorded | PositionChanged)] == []


@settings(max_examples=60, deadline=None)
@given(order=st.permutations(range(4)), repeats=st.lists(st.integers(0, 3), max_size=6))
def test_profit_and_fees_do_not_depend_on_the_order_in_which_fills_are_told(
    order: list[int], repeats: list[int]
) -> None:
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(LEG, 1.98, 2.02))
    emitted = bench.enter(long_call(), units=4)
    parent, stop = [body for body in emitted if isinstance(body, OrderIntended)]
    executions = [
        execution_of(parent, 1, "2.00", "a.01", bench.now),
        execution_of(parent, 3, "2.02", "b.01", bench.now),
        execution_of(stop, 2, "0.70", "c.01", bench.now),
        execution_of(stop, 2, "0.60", "d.01", bench.now),
    ]
    for number in [*order, *repeats]:
        bench.give_execution(executions[number])
    last = bench.all(PositionChanged)[-1]
    paid, received = Decimal("8.06"), Decimal("2.60")
    assert last.realised_pnl == (received - paid) * 100
    assert last.units == 0
    assert not any(leg.quantity for leg in last.legs)
