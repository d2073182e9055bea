"""A 1DTE position held over a session's end: what acts tonight, at the open, and on its last day.

The orders are driven too: sold in the evening, left on the next day by each of its rules.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.events.controls import AlertRaised
from domain.events.orders import OrderIntended, Purpose
from domain.events.positions import ExitDecided, ExitReason, PositionChanged, StopMoved
from domain.execution.exit_cases import LAST_DAY_STRIKE_RULE
from domain.instruments import Direction, Leg, OptionContract, Right, Strategy, Structure
from domain.instruments import StructureKind as Kind
from domain.stage import Consumer
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    CLOSE,
    DAY,
    OPEN,
    contract,
    execution_of,
    held,
    leg_ticks,
    listed,
    plan,
    session,
    underlying_ticks,
)
from tests.domain.execution.stories import exits, only

TOMORROW = DAY + timedelta(days=1)
NEXT_OPEN, NEXT_CLOSE = OPEN + timedelta(days=1), CLOSE + timedelta(days=1)
EVENING = CLOSE - timedelta(minutes=30)


def leg(strike: int, right: Right) -> OptionContract:
    return contract(strike, right, con_id=strike * 100 + (right is Right.PUT)).model_copy(
        update={"expiry": TOMORROW}
    )


SHORT_PUT, LONG_PUT = leg(594, Right.PUT), leg(591, Right.PUT)
SHORT_CALL, LONG_CALL = leg(606, Right.CALL), leg(609, Right.CALL)
CONDOR = Structure(
    kind=Kind.IRON_CONDOR,
    legs=tuple(
        Leg(contract=of, ratio=ratio)
        for of, ratio in ((LONG_PUT, 1), (SHORT_PUT, -1), (SHORT_CALL, -1), (LONG_CALL, 1))
    ),
)
FOUR_CONDORS = [held(leg.contract, 4 * leg.ratio) for leg in CONDOR.legs]
MIDS = {SHORT_PUT: 0.60, LONG_PUT: 0.20, SHORT_CALL: 0.60, LONG_CALL: 0.20}
"""A credit of 0.80, of which each side gives a half."""


class Night:
    """Four condors sold for 0.80 in the evening, whose exits the broker acknowledges only."""

    def __init__(self) -> None:
        self.bench = bench = Bench(now=EVENING)
        bench.start()
        self.quote(0.80, 600.0)
        exit_plan = plan(
            target="-0.40",
            stop="-1.60",
            invalidation=LAST_DAY_STRIKE_RULE,
            time_stop_at=NEXT_CLOSE - timedelta(hours=1),
            forced_flat_at=NEXT_CLOSE - timedelta(minutes=15),
        )
        (self.entry,) = only(
            bench.enter(
                CONDOR,
                mid="-0.80",
                strategy=Strategy.ONE_DTE,
                direction=Direction.NEUTRAL,
                exit_plan=exit_plan,
            ),
            OrderIntended,
        )
        bench.sent(self.entry)
        for number, price in enumerate(("0.20", "0.60", "0.60", "0.20")):
            fill = f"e.0{number + 2}.01"
            bench.give_execution(execution_of(self.entry, 4, price, fill, bench.now, leg=number))
        bench.seen(listed(self.entry, "Filled", 4))

    def ticks(self, cost: float, underlying: float, at: datetime, wide: float) -> list[Any]:
        """Quotes at which closing costs `cost`: the puts' side carries what moved."""
        mids = {**MIDS, SHORT_PUT: round(cost - 0.20, 2)}
        legs = [leg_ticks(of, mid - wide, mid + wide, at) for of, mid in mids.items()]
        return [underlying_ticks(underlying, at), *legs]

    def quote(self, cost: float, underlying: float = 600.0, wide: float = 0.01) -> list[Any]:
        emitted: list[Any] = []
        for tick in self.ticks(cost, underlying, self.bench.now, wide):
            emitted += self.bench.give(tick)
        return emitted

    def at(
        self, now: datetime, cost: float = 0.80, underlying: float = 600.0, wide: float = 0.01
    ) -> list[Any]:
        """Time jumps to `now`; quotes come and the clock ticks."""
        seconds = (now - self.bench.now).total_seconds()
        return self.bench.wait(seconds, self.ticks(cost, underlying, now, wide))

    def morning(self, **snapshot: Any) -> None:
        """The night passes: a new plan, the broker's connection of the day, its lists read."""
        bench = self.bench
        bench.now = NEXT_OPEN - timedelta(minutes=30)
        bench.give(session(TOMORROW))
        bench.connect("c2", next_valid_id=100, **{"positions": FOUR_CONDORS, **snapshot})

    @property
    def decided(self) -> list[tuple[ExitReason, str]]:
        return [(body.reason, body.profile) for body in self.bench.all(ExitDecided)]

    @property
    def is_held(self) -> bool:
        return bool(self.bench.all(PositionChanged)[-1].units == 4)


def over_night() -> Night:
    night = Night()
    night.at(CLOSE - timedelta(minutes=1))
    night.at(CLOSE + timedelta(minutes=10))
    night.bench.now = CLOSE + timedelta(hours=2)
    night.bench.wait(1)
    night.morning()
    return night


def test_nothing_forces_it_flat_on_the_evening_it_was_sold() -> None:
    """Neither the close nor the end of option trading; and nobody is called."""
    night = over_night()
    assert night.is_held and night.decided == []
    assert night.bench.all(AlertRaised) == []


def test_the_wide_quotes_of_the_first_minute_are_no_breach() -> None:
    """Breached since the open: still the first of the two quotes must come after that minute."""
    night = over_night()
    night.at(NEXT_OPEN + timedelta(seconds=5), 2.00)
    night.at(NEXT_OPEN + timedelta(seconds=59), 2.00)
    night.at(NEXT_OPEN + timedelta(seconds=60), 2.00)
    night.at(NEXT_OPEN + timedelta(seconds=64.9), 2.00)
    assert night.decided == []
    night.at(NEXT_OPEN + timedelta(seconds=65), 2.00)
    assert night.decided == [(ExitReason.STOP, "urgent")]
    assert len(exits(night.bench)) == 1


def test_a_breach_of_last_evening_is_no_first_quote_of_this_morning() -> None:
    night = Night()
    night.at(CLOSE + timedelta(minutes=14, seconds=59.5), 2.00)
    night.morning()
    night.at(NEXT_OPEN + timedelta(seconds=61), 2.00)
    assert night.decided == []
    night.at(NEXT_OPEN + timedelta(seconds=66), 2.00)
    assert night.decided == [(ExitReason.STOP, "urgent")]


def test_one_better_quote_starts_the_morning_stop_anew() -> None:
    night = over_night()
    for second, cost in ((60, 2.00), (63, 1.50), (65, 2.00), (69.9, 2.00)):
        night.at(NEXT_OPEN + timedelta(seconds=second), cost)
    assert night.decided == []
    night.at(NEXT_OPEN + timedelta(seconds=70), 2.00)
    assert night.decided == [(ExitReason.STOP, "urgent")]


def test_the_target_needs_no_second_quote_and_its_order_is_sent() -> None:
    night = over_night()
    night.at(NEXT_OPEN + timedelta(minutes=5), 0.36)
    assert night.decided == [(ExitReason.TARGET, "normal")]
    (order,) = exits(night.bench)
    assert order.structure == CONDOR and order.quantity == 4


@pytest.mark.parametrize(
    ("cost", "decided"),
    [(1.90, (ExitReason.STOP, "urgent")), (0.36, (ExitReason.TARGET, "normal"))],
)
def test_legs_that_nobody_bids_for_hide_neither_stop_nor_target(
    cost: float, decided: tuple[ExitReason, str]
) -> None:
    """After a gap the far side is worth nothing: offered at a cent, without a bid. Its cost is that
    cent, and the position is left with all its legs."""
    night = over_night()
    for second in (60, 65):
        at = NEXT_OPEN + timedelta(seconds=second)
        puts = [
            leg_ticks(of, mid - 0.01, mid + 0.01, at)
            for of, mid in ((SHORT_PUT, cost + 0.20), (LONG_PUT, 0.20))
        ]
        calls = [leg_ticks(of, 0.0, 0.01, at) for of in (SHORT_CALL, LONG_CALL)]
        seconds = (at - night.bench.now).total_seconds()
        night.bench.wait(seconds, [underlying_ticks(596.0, at), *puts, *calls])
    assert night.decided == [decided]
    (order,) = exits(night.bench)
    assert order.structure == CONDOR and order.quantity == 4


def test_after_an_hour_and_a_half_the_stop_is_tightened_to_one_and_a_half_credits() -> None:
    night = over_night()
    night.at(NEXT_OPEN + timedelta(minutes=89, seconds=59), 1.10)
    assert [moved.kind for moved in night.bench.all(StopMoved)] == ["initial"]
    night.at(NEXT_OPEN + timedelta(minutes=90), 1.10)
    tightened = night.bench.all(StopMoved)[-1]
    assert (tightened.kind, tightened.stop_price) == ("tighten", Decimal("-1.20"))
    start = NEXT_OPEN + timedelta(minutes=91)
    night.at(start, 1.25)
    night.at(start + timedelta(seconds=5), 1.25)
    assert night.decided == [(ExitReason.STOP, "urgent")]


@pytest.mark.parametrize(
    ("minutes", "decided"), [(150.1, []), (150.0, [(ExitReason.INVALIDATED, "urgent")])]
)
def test_near_a_short_strike_it_is_left_from_when_it_counts_as_a_0dte(
    minutes: float, decided: list[tuple[ExitReason, str]]
) -> None:
    night = over_night()
    night.at(NEXT_CLOSE - timedelta(minutes=minutes), 0.90, underlying=594.2)
    assert night.decided == decided


@pytest.mark.parametrize(("minutes", "seconds"), [(160, 5), (150, 1)])
def test_its_stop_waits_five_seconds_until_it_counts_as_a_0dte(minutes: int, seconds: int) -> None:
    """Two quotes five seconds apart are a rule for the wide quotes of the morning."""
    night = over_night()
    start = NEXT_CLOSE - timedelta(minutes=minutes)
    night.at(start, 1.70)
    night.at(start + timedelta(seconds=seconds - 0.1), 1.70)
    assert night.decided == []
    night.at(start + timedelta(seconds=seconds), 1.70)
    assert night.decided == [(ExitReason.STOP, "urgent")]


def test_how_near_is_near_follows_the_variance_of_the_day_that_is_left() -> None:
    """After 240 minutes 1 - (0.154 + 0.185 + 0.136 + 0.105 + 0.093 / 2) = 0.3735 of the forecast
    day is left: 0.1 sd is 0.363. By the clock, 150 of 390 minutes, it would be 0.369."""
    night = over_night()
    night.at(NEXT_CLOSE - timedelta(minutes=150), 0.90, underlying=594.366)
    assert night.decided == []
    night.at(NEXT_CLOSE - timedelta(minutes=149), 0.90, underlying=594.36)
    assert night.decided == [(ExitReason.INVALIDATED, "urgent")]


def test_on_its_last_day_it_is_flat_by_the_stages_of_a_0dte() -> None:
    night = over_night()
    night.at(NEXT_CLOSE - timedelta(minutes=60, seconds=1))
    assert night.decided == []
    for minutes in (60, 15, 10, 5):
        night.at(NEXT_CLOSE - timedelta(minutes=minutes))
    assert night.decided == [
        (ExitReason.TIME, "normal"),
        (ExitReason.FORCED_FLAT, "urgent"),
        (ExitReason.FORCED_FLAT, "crossing"),
        (ExitReason.FORCED_FLAT, "market_equivalent"),
    ]


def test_a_day_that_became_short_is_left_before_its_own_close() -> None:
    night = Night()
    night.bench.now = NEXT_OPEN - timedelta(minutes=30)
    plan_of_day = session(TOMORROW)
    early = NEXT_CLOSE - timedelta(hours=3)
    short = plan_of_day.day.model_copy(
        update={
            "close_at": early,
            "options_close_at": early + timedelta(minutes=15),
            "is_half_day": True,
        }
    )
    night.bench.give(plan_of_day.model_copy(update={"day": short}))
    night.bench.connect("c2", next_valid_id=100, positions=FOUR_CONDORS)
    night.at(early - timedelta(minutes=15, seconds=1))
    assert night.decided == []
    night.at(early - timedelta(minutes=15))
    assert night.decided == [(ExitReason.FORCED_FLAT, "urgent")]


def test_an_exit_that_ended_with_the_day_is_sent_again_in_the_morning() -> None:
    """Orders are good for the day: the broker ends them at the bell, the position is left later."""
    night = Night()
    night.at(CLOSE + timedelta(minutes=10), 0.36)
    (first,) = exits(night.bench)
    night.bench.sent(first)
    night.bench.seen(listed(first))
    night.bench.now = CLOSE + timedelta(minutes=15)
    night.bench.seen(listed(first, "Cancelled"))
    night.bench.wait(60)
    assert exits(night.bench) == [first], "nothing is sent while options are closed"
    night.morning()
    night.at(NEXT_OPEN - timedelta(minutes=1), 0.36)
    assert exits(night.bench) == [first]
    night.at(NEXT_OPEN + timedelta(seconds=1), 0.36)
    assert len(exits(night.bench)) == 2 and night.is_held


def test_a_restart_in_the_night_changes_nothing_of_the_morning() -> None:
    """State folded from the log alone decides as the one that lived through the night."""
    night = over_night()
    night.at(NEXT_OPEN + timedelta(minutes=90), 1.10)
    bench = night.bench
    again: Consumer[Any] = Consumer("trader", "test", [type(s)() for s in bench.consumer.stages])
    for event in bench.log:
        again.evolve(event)
    bench.consumer = again
    start = NEXT_OPEN + timedelta(minutes=91)
    night.at(start, 1.25)
    night.at(start + timedelta(seconds=5), 1.25)
    assert night.decided == [(ExitReason.STOP, "urgent")]


def test_the_resting_stop_of_a_single_option_comes_back_at_the_open() -> None:
    """It was good for the day too: while options are closed none is sent, at the open one is."""
    bench = Bench(now=EVENING)
    bench.start()
    call = leg(600, Right.CALL)
    bench.market(leg_ticks(call, 1.98, 2.02, bench.now))
    single = Structure(kind=Kind.LONG_OPTION, legs=(Leg(contract=call, ratio=1),))
    flat = NEXT_CLOSE - timedelta(minutes=15)
    exit_plan = plan(time_stop_at=flat, forced_flat_at=flat)
    parent, stop = only(
        bench.enter(single, strategy=Strategy.ONE_DTE, exit_plan=exit_plan), OrderIntended
    )
    for order in (parent, stop):
        bench.sent(order)
    bench.fill(parent, 4, "2.00")
    bench.seen(listed(parent, "Filled", 4))
    bench.seen(listed(stop, "PreSubmitted", why_held="trigger"))
    bench.now = CLOSE + timedelta(minutes=15)
    bench.seen(listed(stop, "Cancelled"))
    bench.wait(3600)
    bench.now = NEXT_OPEN - timedelta(minutes=30)
    bench.give(session(TOMORROW))
    bench.connect("c2", next_valid_id=100, positions=[held(single.legs[0].contract, 4)])
    bench.wait(60)
    stops = [i for i in bench.all(OrderIntended) if i.purpose is Purpose.PROTECTIVE_STOP]
    assert stops == [stop]
    bench.wait((NEXT_OPEN - bench.now).total_seconds())
    stops = [i for i in bench.all(OrderIntended) if i.purpose is Purpose.PROTECTIVE_STOP]
    assert len(stops) == 2 and stops[1].stop_price == stop.stop_price and stops[1].quantity == 4
