"""A 14D+ position that lives over session ends: left by target, stop, daily close, time, dividend.

The orders are driven too: sold at an entry, what is sent on later days is what the exit asks for.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.events.feeds import HistoryImported
from domain.events.orders import OrderIntended
from domain.events.positions import ExitDecided, ExitReason, PositionChanged, StopMoved
from domain.execution.exit_cases import DAILY_CLOSE_RULE
from domain.execution.underlying import DAY_BARS
from domain.instruments import Direction, Leg, OptionContract, Right, Strategy, Structure
from domain.instruments import StructureKind as Kind
from domain.stage import Consumer
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    CLOSE,
    DAY,
    OPEN,
    START,
    contract,
    execution_of,
    held,
    leg_ticks,
    listed,
    plan,
    session,
    underlying_ticks,
)
from tests.domain.execution.stories import bar, exits, only

EXPIRY = DAY + timedelta(days=35)
"""Fourteen days are left then: four tenths of 35."""
UNITS = 4
BAR = timedelta(seconds=5)


def leg(strike: int, right: Right) -> OptionContract:
    return contract(strike, right, con_id=strike * 100 + (right is Right.PUT)).model_copy(
        update={"expiry": EXPIRY}
    )


def vertical(short: int, wing: int, right: Right) -> Structure:
    legs = (Leg(contract=leg(short, right), ratio=-1), Leg(contract=leg(wing, right), ratio=1))
    return Structure(kind=Kind.CREDIT_VERTICAL, legs=legs)


PUTS = vertical(590, 584, Right.PUT)
CALLS = vertical(610, 616, Right.CALL)


def opening(days: int) -> datetime:
    return OPEN + timedelta(days=days)


def closing(days: int) -> datetime:
    return CLOSE + timedelta(days=days)


class Weeks:
    """Four verticals sold for 1.40, whose exits the broker acknowledges only."""

    def __init__(self, structure: Structure = PUTS) -> None:
        self.structure = structure
        self.bench = bench = Bench(now=START)
        bench.start()
        self.at(START)
        exit_plan = plan(
            target="-0.70",
            stop="-2.80",
            invalidation=DAILY_CLOSE_RULE,
            time_stop_at=opening(21) + timedelta(minutes=30),
            forced_flat_at=closing(35) - timedelta(minutes=15),
        )
        (entry,) = only(
            bench.enter(
                structure,
                mid="-1.40",
                strategy=Strategy.FOURTEEN_DTE,
                direction=Direction.BULLISH,
                exit_plan=exit_plan,
                valid_seconds=300,
            ),
            OrderIntended,
        )
        bench.sent(entry)
        for number, price in enumerate(("2.40", "1.00")):
            fill = f"e.0{number + 2}.01"
            bench.give_execution(execution_of(entry, UNITS, price, fill, bench.now, leg=number))
        bench.seen(listed(entry, "Filled", UNITS))

    def at(self, now: datetime, cost: float = 1.40, underlying: float = 600.0) -> list[Any]:
        """Time jumps to `now`; quotes come at which closing costs `cost`, and the clock ticks."""
        short, wing = (part.contract for part in self.structure.legs)
        mids = ((short, cost + 1.0), (wing, 1.0))
        ticks = [leg_ticks(of, mid - 0.01, mid + 0.01, now) for of, mid in mids]
        seconds = (now - self.bench.now).total_seconds()
        return self.bench.wait(seconds, [underlying_ticks(underlying, now), *ticks])

    def morning(self, days: int) -> None:
        """Nights pass: the plan of a later day, its connection, and what the broker holds."""
        bench = self.bench
        bench.now = opening(days) - timedelta(minutes=30)
        bench.give(session(DAY + timedelta(days=days)))
        positions = [held(part.contract, UNITS * part.ratio) for part in self.structure.legs]
        bench.connect(f"c{days}", next_valid_id=100 * days, positions=positions)

    def last_bar(self, days: int, price: float, early: timedelta = timedelta(0)) -> None:
        self.bench.now = closing(days) - early
        self.bench.give(bar(closing(days) - early - BAR, price))

    def evening(self, days: int, price: float = 600.0) -> None:
        """The last bar of a session, and ticks until its options stop trading."""
        self.last_bar(days, price)
        for seconds in (1, 10, 300):
            self.at(closing(days) + timedelta(seconds=seconds), underlying=price)

    def closes(self, days: int, price: float) -> None:
        """The close of a day as history tells it."""
        rows = [[f"{DAY + timedelta(days=days)}", 600.0, 601.0, 599.0, price, 1.0]]
        self.bench.give(
            HistoryImported(
                vendor="ib",
                request=DAY_BARS,
                symbol="SPY",
                session_date=DAY + timedelta(days=days),
                payload=json.dumps(rows),
            )
        )

    @property
    def decided(self) -> list[tuple[ExitReason, str]]:
        return [(body.reason, body.profile) for body in self.bench.all(ExitDecided)]

    @property
    def is_held(self) -> bool:
        return bool(self.bench.all(PositionChanged)[-1].units == UNITS)

    def orders(self) -> list[OrderIntended]:
        found = exits(self.bench)
        assert all(o.structure == self.structure and o.quantity == UNITS for o in found)
        return found


def weeks_later(days: int = 1, structure: Structure = PUTS) -> Weeks:
    """The morning of a later session, quiet ones gone by."""
    weeks = Weeks(structure)
    weeks.evening(0)
    for day in range(1, days):
        weeks.morning(day)
        weeks.at(opening(day) + timedelta(hours=1))
        weeks.evening(day)
    weeks.morning(days)
    return weeks


def test_nothing_leaves_it_while_sessions_end_on_the_right_side() -> None:
    weeks = weeks_later(4)
    weeks.at(opening(4) + timedelta(hours=2))
    assert weeks.is_held and weeks.decided == []
    assert [moved.kind for moved in weeks.bench.all(StopMoved)] == ["initial"]


def test_it_is_left_at_its_target_on_a_later_day_by_a_patient_order() -> None:
    weeks = weeks_later(2)
    weeks.at(opening(2) + timedelta(minutes=5), 0.71)
    assert weeks.decided == []
    weeks.at(opening(2) + timedelta(minutes=6), 0.70)
    assert weeks.decided == [(ExitReason.TARGET, "patient")]
    assert len(weeks.orders()) == 1


def test_it_is_left_at_its_stop_on_a_later_day_but_not_in_its_first_minute() -> None:
    weeks = weeks_later(2)
    for seconds in (5, 59, 60, 60.9):
        weeks.at(opening(2) + timedelta(seconds=seconds), 2.80)
    assert weeks.decided == []
    weeks.at(opening(2) + timedelta(seconds=61), 2.80)
    assert weeks.decided == [(ExitReason.STOP, "urgent")]
    assert len(weeks.orders()) == 1


def test_its_stop_is_that_of_the_entry_on_every_day() -> None:
    """No tightening in the morning, which is the rule of what expires that day."""
    weeks = weeks_later(2)
    for minutes in (91, 92, 390):
        weeks.at(opening(2) + timedelta(minutes=minutes), 2.79)
    assert weeks.decided == []


@pytest.mark.parametrize(
    ("structure", "price", "decided"),
    [
        (PUTS, 590.0, []),
        (PUTS, 589.99, [(ExitReason.INVALIDATED, "urgent")]),
        (PUTS, 620.0, []),
        (CALLS, 610.0, []),
        (CALLS, 610.01, [(ExitReason.INVALIDATED, "urgent")]),
        (CALLS, 580.0, []),
    ],
)
def test_a_session_that_closes_beyond_the_short_strike_ends_the_thesis(
    structure: Structure, price: float, decided: list[tuple[ExitReason, str]]
) -> None:
    """Its order is sent while options still trade after the bell."""
    weeks = weeks_later(2, structure)
    weeks.evening(2, price)
    assert weeks.decided == decided
    assert len(weeks.orders()) == len(decided)


def test_the_day_of_the_entry_may_end_the_thesis_too() -> None:
    weeks = Weeks()
    weeks.evening(0, 589.0)
    assert weeks.decided == [(ExitReason.INVALIDATED, "urgent")]


def test_beyond_the_short_strike_within_the_day_is_no_close() -> None:
    weeks = weeks_later(2)
    noon = opening(2) + timedelta(hours=3)
    weeks.bench.now = noon
    weeks.bench.give(bar(noon - BAR, 585.0))
    weeks.at(noon, underlying=585.0)
    weeks.evening(2, 591.0)
    assert weeks.decided == []


def test_the_last_bar_is_waited_for_before_the_close_is_judged() -> None:
    weeks = weeks_later(2)
    weeks.last_bar(2, 589.0, early=BAR)
    weeks.at(closing(2) + timedelta(seconds=9))
    assert weeks.decided == []
    weeks.bench.give(bar(closing(2) - BAR, 591.0))
    weeks.at(closing(2) + timedelta(seconds=10))
    assert weeks.decided == [], "the last bar closed on the right side"


@pytest.mark.parametrize(
    ("price", "decided"), [(589.0, [(ExitReason.INVALIDATED, "urgent")]), (590.0, [])]
)
def test_a_close_that_was_missed_is_judged_by_history_in_the_morning(
    price: float, decided: list[tuple[ExitReason, str]]
) -> None:
    """Bars ended five minutes early: that is no close. The exit waits for the open."""
    weeks = weeks_later(2)
    weeks.last_bar(2, 585.0, early=timedelta(minutes=5))
    weeks.at(closing(2) + timedelta(minutes=5))
    assert weeks.decided == []
    weeks.morning(3)
    weeks.closes(2, price)
    weeks.at(opening(3) - timedelta(minutes=5))
    assert weeks.decided == decided
    assert weeks.orders() == []
    weeks.at(opening(3) + timedelta(seconds=1))
    assert len(weeks.orders()) == len(decided)


def test_a_close_that_was_judged_is_not_judged_again_by_history() -> None:
    """The two may differ by a cent; the desk's own came first."""
    weeks = weeks_later(2)
    weeks.evening(2, 590.0)
    weeks.morning(3)
    weeks.closes(2, 589.99)
    weeks.at(opening(3) + timedelta(minutes=1))
    assert weeks.decided == []


def test_the_close_before_the_entry_says_nothing() -> None:
    weeks = Weeks()
    weeks.closes(-1, 580.0)
    weeks.at(START + timedelta(minutes=1))
    assert weeks.decided == []


def test_time_is_up_half_an_hour_after_the_open_of_the_day_that_was_planned() -> None:
    weeks = weeks_later(1)
    weeks.morning(20)
    weeks.at(opening(20) + timedelta(hours=6))
    weeks.morning(21)
    weeks.at(opening(21) + timedelta(minutes=29, seconds=59))
    assert weeks.decided == []
    weeks.at(opening(21) + timedelta(minutes=30))
    assert weeks.decided == [(ExitReason.TIME, "normal")]
    assert len(weeks.orders()) == 1


def test_an_overdue_time_stop_waits_for_half_an_hour_after_the_next_open_too() -> None:
    """The planned day became a holiday, or the desk was down."""
    weeks = weeks_later(1)
    weeks.morning(22)
    for at in (opening(22) - timedelta(minutes=1), opening(22) + timedelta(minutes=29, seconds=59)):
        weeks.at(at)
    assert weeks.decided == []
    weeks.at(opening(22) + timedelta(minutes=30))
    assert weeks.decided == [(ExitReason.TIME, "normal")]


def test_a_stop_goes_before_the_time_that_is_up() -> None:
    weeks = weeks_later(1)
    weeks.morning(21)
    weeks.at(opening(21) + timedelta(minutes=29), 2.90)
    weeks.at(opening(21) + timedelta(minutes=30), 2.90)
    assert weeks.decided == [(ExitReason.STOP, "urgent")]


def dividend(weeks: Weeks, days: int, amount: float) -> None:
    weeks.bench.give(
        HistoryImported(
            vendor="operator",
            request="dividends",
            symbol="SPY",
            session_date=DAY,
            payload=json.dumps([[f"{DAY + timedelta(days=days)}", amount, True]]),
        )
    )


@pytest.mark.parametrize(
    ("underlying", "amount", "ex_day", "decided"),
    [
        (612.0, 1.75, 4, [(ExitReason.ASSIGNMENT_GUARD, "urgent")]),
        (612.0, 0.39, 4, []),
        (609.0, 1.75, 4, []),
        (612.0, 1.75, 5, []),
    ],
)
def test_a_short_call_in_the_money_is_left_on_the_eve_of_an_ex_date(
    underlying: float, amount: float, ex_day: int, decided: list[tuple[ExitReason, str]]
) -> None:
    """Weeks before its expiry: the call is worth 2.40, of which 0.40 is time at 612. It is to be
    gone half an hour before the close."""
    weeks = weeks_later(3, CALLS)
    dividend(weeks, ex_day, amount)
    late = closing(3) - timedelta(minutes=40)
    weeks.at(late - timedelta(seconds=1), underlying=underlying)
    assert weeks.decided == []
    weeks.at(late, underlying=underlying)
    assert weeks.decided == decided


def test_state_folded_from_the_log_decides_as_the_one_that_lived_through_the_days() -> None:
    weeks = weeks_later(3)
    bench = weeks.bench
    again: Consumer[Any] = Consumer("trader", "test", [type(s)() for s in bench.consumer.stages])
    for event in bench.log:
        again.evolve(event)
    bench.consumer = again
    weeks.evening(3, 589.0)
    assert weeks.decided == [(ExitReason.INVALIDATED, "urgent")]
    assert bench.all(StopMoved)[-1].stop_price == Decimal("-2.80")
