"""An execution of one leg was lost on the way: how soon it is found, and how often it is asked."""

from __future__ import annotations

from datetime import timedelta

from domain.events.orders import BrokerSnapshotWanted, OrderIntended
from domain.events.positions import PositionChanged
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    contract,
    debit_vertical,
    execution_of,
    held,
    leg_ticks,
    listed,
)

LONG, SHORT = contract(600), contract(605)


def entered() -> tuple[Bench, OrderIntended]:
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(LONG, 3.0, 3.04), leg_ticks(SHORT, 1.0, 1.02))
    bodies = bench.enter(debit_vertical(), mid="2.01")
    (entry,) = [body for body in bodies if isinstance(body, OrderIntended)]
    bench.sent(entry)
    return bench, entry


def looks(bench: Bench) -> list[str]:
    """Looks that were asked for since the connection's own first one."""
    return [wanted.reason for wanted in bench.all(BrokerSnapshotWanted)]


def test_a_lost_execution_of_one_leg_is_looked_for_within_seconds_and_not_within_a_minute() -> None:
    bench, entry = entered()
    bench.give_execution(execution_of(entry, 4, "2.01", "e.09.01", bench.now, sec_type="BAG"))
    bench.give_execution(execution_of(entry, 4, "3.02", "e.00.01", bench.now, leg=0))
    bench.wait(1)
    assert looks(bench) == [], "its callback may be on the way"
    bench.wait(1)
    assert looks(bench) == [f"leg executions of {entry.order_ref} are missing"]
    lost = execution_of(entry, 4, "1.01", "e.01.01", bench.now, leg=1)
    bench.snapshot(executions=[lost], positions=[held(LONG, 4), held(SHORT, -4)])
    assert bench.all(PositionChanged)[-1].units == 4


def test_a_leg_that_fills_while_nothing_else_is_told_is_looked_for_too() -> None:
    bench, entry = entered()
    bench.seen(listed(entry))
    bench.give_execution(execution_of(entry, 4, "3.02", "e.00.01", bench.now, leg=0))
    bench.wait(2)
    assert looks(bench) == [f"leg executions of {entry.order_ref} are missing"]


def test_missing_legs_are_looked_for_once_and_not_at_every_tick() -> None:
    """The lists may not have them either: asking on and on would take the room of exits."""
    bench, entry = entered()
    bench.seen(listed(entry))
    bench.give_execution(execution_of(entry, 2, "2.01", "e.09.01", bench.now, sec_type="BAG"))
    for _ in range(3):
        bench.wait(1)
    bench.snapshot([listed(entry, "Submitted", 2)])
    for _ in range(8):
        bench.wait(1)
    missing = f"leg executions of {entry.order_ref} are missing"
    assert looks(bench).count(missing) == 1
    bench.give_execution(execution_of(entry, 2, "2.01", "e.10.01", bench.now, sec_type="BAG"))
    for _ in range(3):
        bench.wait(1)
    assert looks(bench).count(missing) == 2, "two more units are another cause"


def test_a_look_that_was_asked_too_early_is_no_look_for_the_legs() -> None:
    bench, entry = entered()
    bench.give_execution(execution_of(entry, 4, "2.01", "e.09.01", bench.now, sec_type="BAG"))
    bench.snapshot(positions=[held(LONG, 4), held(SHORT, -4)])
    bench.now += timedelta(seconds=2)
    bench.wait(1)
    assert looks(bench) == [f"leg executions of {entry.order_ref} are missing"]
