"""Short of margin: one position at a time, the one that binds most, and never on one reading."""

from __future__ import annotations

from typing import Any

from domain.events.orders import BrokerAccountSeen, OrderIntended
from domain.events.positions import ExitDecided, ExitReason, PositionOpened
from domain.instruments import Direction, Leg, Structure, StructureKind
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    contract,
    execution_of,
    leg_ticks,
    listed,
    plan,
    underlying_ticks,
)
from tests.domain.execution.stories import holding, only, quotes


def reading(bench: Bench, excess: int, seconds: float = 2) -> list[ExitDecided]:
    """The next account values, and which exits they bring."""
    bench.wait(seconds, [*quotes(bench, 1.98, 2.02)])
    body = BrokerAccountSeen(
        connection="c1",
        account="DU1234567",
        values={"NetLiquidation": "1000000", "ExcessLiquidity": str(excess)},
    )
    return only(bench.give(body), ExitDecided)


def reasons(decided: list[ExitDecided]) -> list[ExitReason]:
    return [body.reason for body in decided]


def with_vertical(bench: Bench) -> str:
    """A second position: two credit verticals, twenty wide, sold for a dollar."""
    short, long = contract(590), contract(600 + 10)
    structure = Structure(
        kind=StructureKind.CREDIT_VERTICAL,
        legs=(Leg(contract=short, ratio=-1), Leg(contract=long, ratio=1)),
    )
    bench.market(
        leg_ticks(short, 1.50, 1.52, bench.now),
        leg_ticks(long, 0.50, 0.52, bench.now),
    )
    given = {"direction": Direction.BEARISH, "exit_plan": plan(target="-0.20", stop="-3.00")}
    emitted = bench.enter(structure, "s2", mid="-1.00", units=2, **given)
    (entry,) = only(emitted, OrderIntended)
    bench.sent(entry)
    bench.seen(listed(entry))
    for leg, price in ((0, "1.51"), (1, "0.51")):
        bench.give_execution(execution_of(entry, 2, price, f"v.0{leg + 2}.01", bench.now, leg=leg))
    return str(bench.all(PositionOpened)[-1].position_id)


def both() -> tuple[Bench, str, str]:
    """Four calls for 800 dollars, and verticals that bind 3,800."""
    bench, _, _ = holding()
    calls = str(bench.all(PositionOpened)[-1].position_id)
    return bench, calls, with_vertical(bench)


def positions(decided: list[Any]) -> list[str]:
    return [body.position_id for body in decided]


def test_one_phantom_reading_of_the_margin_closes_nothing() -> None:
    bench, _, _ = holding()
    assert reading(bench, 0) == []
    assert reading(bench, 500_000) == []
    assert reading(bench, 0) == []


def test_a_repeat_at_once_is_no_second_reading() -> None:
    bench, _, _ = holding()
    assert reading(bench, 99_999) == []
    assert reading(bench, 99_999, seconds=0.5) == []
    assert reasons(reading(bench, 99_999)) == [ExitReason.BROKER_MARGIN]


def test_a_tenth_of_equity_left_is_enough() -> None:
    bench, _, _ = holding()
    for _ in range(4):
        assert reading(bench, 100_000) == []


def test_the_position_that_binds_the_most_margin_goes_first() -> None:
    bench, _, vertical = both()
    reading(bench, 99_999)
    decided = reading(bench, 99_999)
    assert (positions(decided), reasons(decided)) == ([vertical], [ExitReason.BROKER_MARGIN])


def test_the_next_position_follows_when_the_account_stays_short() -> None:
    """Not at once: the first exit has a minute, and the account is read twice anew."""
    bench, calls, vertical = both()
    found: list[str] = []
    for _ in range(45):
        found += positions(reading(bench, 99_999))
    assert found == [vertical, calls]
    times = [e.market_time for e in bench.log if isinstance(e.body, ExitDecided)]
    assert 60 <= (times[1] - times[0]).total_seconds() < 66


def test_no_further_position_goes_when_one_was_enough() -> None:
    bench, _, vertical = both()
    found: list[str] = []
    for number in range(45):
        found += positions(reading(bench, 99_999 if number < 2 else 200_000))
    assert found == [vertical]


def test_a_position_that_leaves_for_a_lower_reason_leaves_faster_now() -> None:
    bench, _, _ = holding()
    bench.wait(1, [underlying_ticks(600.0, bench.now), leg_ticks(contract(), 3.2, 3.24, bench.now)])
    assert reasons(bench.all(ExitDecided)) == [ExitReason.TARGET]
    reading(bench, 99_999)
    decided = reading(bench, 99_999)
    assert [(body.reason, body.profile) for body in decided] == [
        (ExitReason.BROKER_MARGIN, "urgent")
    ]
