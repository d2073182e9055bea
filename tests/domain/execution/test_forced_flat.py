"""Leaving by the clock: whole ladders of full and half days, and the closing trade after the bell.

Every test drives the orders too: what is sent, how it is re-priced, and when it is flat.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.events.controls import AlertRaised
from domain.events.orders import OrderIntended, OrderModifyIntended, Purpose
from domain.events.positions import ExitDecided, ExitReason, PositionChanged, PositionOpened
from domain.events.signals import ExitPlan
from domain.events.system import SessionPlanned
from domain.execution.position import plan_from_fill
from domain.instruments import Leg, OptionContract, Strategy, Structure, StructureKind
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    CLOSE,
    DAY,
    START,
    condor,
    contract,
    leg_ticks,
    listed,
    plan,
    session,
    signal,
    underlying_ticks,
)
from tests.domain.execution.stories import only

FULL = session()
HALF_CLOSE = CLOSE - timedelta(hours=3)
_HALF_DAY = FULL.day.model_copy(
    update={
        "close_at": HALF_CLOSE,
        "options_close_at": HALF_CLOSE + timedelta(minutes=15),
        "is_half_day": True,
    }
)
HALF = FULL.model_copy(update={"day": _HALF_DAY})
SECONDS = 2


class Story:
    """A position of four, bought at 2.00, whose exit the broker acknowledges but never fills."""

    def __init__(self, day: SessionPlanned, leg: OptionContract, **given: Any) -> None:
        self.bench = bench = Bench(now=day.day.close_at - timedelta(minutes=16))
        self.leg, self.close = leg, day.day.close_at
        bench.start()
        bench.give(day)
        bench.market(leg_ticks(leg, 1.98, 2.02, bench.now))
        structure = Structure(kind=StructureKind.LONG_OPTION, legs=(Leg(contract=leg, ratio=1),))
        self.entry, stop = only(bench.enter(structure, **given), OrderIntended)
        bench.sent(self.entry)
        bench.sent(stop)
        bench.seen(listed(self.entry))
        bench.fill(self.entry, 4, "2.00")
        bench.seen(listed(self.entry, "Filled", 4))
        bench.seen(listed(stop, "PreSubmitted", why_held="trigger"))
        self.exit: OrderIntended | None = None
        self.price: dict[datetime, Decimal] = {}

    def until(self, minutes: float) -> None:
        """Time passes up to so many minutes after the close; quotes stand at 1.98 to 2.02."""
        bench = self.bench
        while bench.now < self.close + timedelta(minutes=minutes):
            at = bench.now + timedelta(seconds=SECONDS)
            ticks = [underlying_ticks(600.0, at), leg_ticks(self.leg, 1.98, 2.02, at)]
            self._answer(bench.wait(SECONDS, ticks))

    def _answer(self, emitted: list[Any]) -> None:
        for body in emitted:
            if isinstance(body, OrderIntended) and body.purpose is Purpose.EXIT:
                self.exit = body
            elif not (isinstance(body, OrderModifyIntended) and self.exit_ref == body.order_ref):
                continue
            assert self.exit is not None
            self.price[self.bench.now] = body.limit_price
            self.bench.sent(body)
            row = {"limit_price": body.limit_price, "quantity": Decimal(body.quantity)}
            self.bench.seen(listed(self.exit, **row))

    @property
    def exit_ref(self) -> str:
        return "" if self.exit is None else self.exit.order_ref

    def fill(self, price: str) -> None:
        assert self.exit is not None
        self.bench.fill(self.exit, 4, price)
        self.bench.seen(listed(self.exit, "Filled", 4))

    @property
    def flat(self) -> bool:
        return bool(self.bench.all(PositionChanged)[-1].units == 0)

    def decided(self, reason: ExitReason) -> list[tuple[float, str]]:
        """Minutes from the close, and profile, of every decision for a reason."""
        return [
            ((event.market_time - self.close).total_seconds() / 60, event.body.profile)
            for event in self.bench.log
            if isinstance(event.body, ExitDecided) and event.body.reason is reason
        ]


def zero_dte(day: SessionPlanned, **times: datetime) -> Story:
    flat = times.get("forced_flat_at", day.day.close_at - timedelta(minutes=15))
    exit_plan = plan(time_stop_at=flat, forced_flat_at=flat)
    return Story(day, contract(), exit_plan=exit_plan)


def closing(day: SessionPlanned) -> Story:
    """The closing trade: an option of the next session."""
    close = day.day.close_at
    leg = contract(con_id=6999).model_copy(update={"expiry": DAY + timedelta(days=1)})
    times = {
        "time_stop_at": close + timedelta(minutes=2),
        "forced_flat_at": close + timedelta(minutes=10),
    }
    return Story(day, leg, exit_plan=plan(**times), strategy=Strategy.CLOSING)


@pytest.mark.parametrize("day", [FULL, HALF], ids=["full", "half"])
def test_a_0dte_is_flat_by_the_close_of_its_day(day: SessionPlanned) -> None:
    """On a half day from 12:45: urgent, at the far side from 12:50, three ticks through 12:55."""
    story = zero_dte(day)
    story.until(-0.25)
    stages = [(-15.0, "urgent"), (-10.0, "crossing"), (-5.0, "market_equivalent")]
    assert story.decided(ExitReason.FORCED_FLAT) == stages
    last = max(story.price)
    assert story.price[last] == Decimal("1.95"), "three ticks through the bid"
    assert last <= story.close - timedelta(minutes=4)
    story.fill("1.95")
    assert story.flat
    assert story.bench.all(AlertRaised) == []


def test_nothing_is_forced_before_the_half_days_quarter_of_an_hour() -> None:
    story = zero_dte(HALF)
    story.until(-15.1)
    assert story.bench.all(ExitDecided) == []


def test_a_plan_of_a_full_day_does_not_outlive_a_half_day() -> None:
    """The day became a half day after the plan was made: 15:45 would be after the close."""
    story = zero_dte(HALF, forced_flat_at=CLOSE - timedelta(minutes=15))
    story.until(-1)
    assert [at for at, _ in story.decided(ExitReason.FORCED_FLAT)] == [-15.0, -10.0, -5.0]
    assert story.exit is not None


def test_a_close_that_is_brought_forward_forces_flat_at_once_when_its_time_is_over() -> None:
    """At 15:44 the close moves to 15:50: forced flat began at 15:35 then, nine minutes ago."""
    story = zero_dte(FULL)
    assert story.bench.all(ExitDecided) == []
    sooner = CLOSE - timedelta(minutes=10)
    times = {"close_at": sooner, "options_close_at": sooner + timedelta(minutes=15)}
    story.bench.give(FULL.model_copy(update={"day": FULL.day.model_copy(update=times)}))
    story.until(-15.9)
    assert [profile for _, profile in story.decided(ExitReason.FORCED_FLAT)] == ["crossing"]


@pytest.mark.parametrize("day", [FULL, HALF], ids=["full", "half"])
def test_the_closing_trade_leaves_after_the_bell(day: SessionPlanned) -> None:
    """Its time stop is two minutes after the close: the exit is sent while only options trade."""
    story = closing(day)
    story.until(1.9)
    assert story.bench.all(ExitDecided) == []
    story.until(2.2)
    assert [at for at, _ in story.decided(ExitReason.TIME)] == [2.0]
    story.fill("2.00")
    assert story.flat


@pytest.mark.parametrize("day", [FULL, HALF], ids=["full", "half"])
def test_the_closing_trade_is_hard_flat_before_options_end(day: SessionPlanned) -> None:
    story = closing(day)
    story.until(14.9)
    stages = [(10.0, "urgent"), (11.0, "crossing"), (12.0, "market_equivalent")]
    assert story.decided(ExitReason.FORCED_FLAT) == stages
    assert story.price[max(story.price)] == Decimal("1.95")
    assert not story.flat
    story.until(15.1)
    (alert,) = story.bench.all(AlertRaised)
    assert (alert.severity, alert.code) == ("critical", "HELD_TOO_LONG")


def test_what_is_held_after_the_close_of_its_last_day_is_paged_once_and_still_sold() -> None:
    """Exits may be sent until options end, by the same order."""
    story = zero_dte(FULL)
    story.until(6)
    (alert,) = story.bench.all(AlertRaised)
    assert alert.severity == "critical"
    assert len([i for i in story.bench.all(OrderIntended) if i.purpose is Purpose.EXIT]) == 1
    story.fill("1.95")
    assert story.flat


def test_a_first_exit_may_leave_after_the_bell_until_options_end() -> None:
    """The connection was gone at the close: back at 16:05, the exit goes, at 16:16 no more."""
    for minutes, sends in ((5, True), (16, False)):
        story = zero_dte(FULL)
        story.bench.now = story.close + timedelta(minutes=minutes) - timedelta(seconds=1)
        story.until(minutes)
        assert (story.exit is not None) is sends


def test_a_position_of_weeks_is_not_forced_flat_today() -> None:
    leg = contract(con_id=6998).model_copy(update={"expiry": DAY + timedelta(days=30)})
    times = {
        "time_stop_at": CLOSE + timedelta(days=20),
        "forced_flat_at": CLOSE + timedelta(days=30),
    }
    story = Story(HALF, leg, exit_plan=plan(**times), strategy=Strategy.FOURTEEN_DTE)
    story.until(1)
    assert story.bench.all(ExitDecided) == []


def filled_after(seconds: float, **given: Any) -> tuple[Bench, ExitPlan]:
    """A signal whose time stop is 90 minutes after it became valid, filled so much later."""
    bench, leg = Bench(), contract()
    bench.start()
    bench.market(leg_ticks(leg, 1.98, 2.02, bench.now))
    structure = Structure(kind=StructureKind.LONG_OPTION, legs=(Leg(contract=leg, ratio=1),))
    exit_plan = plan(time_stop_at=START + timedelta(minutes=90), **given)
    entry, stop = only(bench.enter(structure, exit_plan=exit_plan), OrderIntended)
    bench.sent(entry)
    bench.sent(stop)
    bench.seen(listed(entry))
    bench.now += timedelta(seconds=seconds)
    bench.fill(entry, 1, "2.00")
    bench.now += timedelta(seconds=2)
    bench.fill(entry, 3, "2.00")
    bench.seen(listed(entry, "Filled", 4))
    (opened,) = bench.all(PositionOpened)
    return bench, opened.exit_plan


def test_the_time_stop_of_a_trend_counts_from_the_first_fill() -> None:
    bench, held = filled_after(14)
    due = START + timedelta(minutes=90, seconds=14)
    assert held.time_stop_at == due
    for at, left in ((due - timedelta(seconds=1), []), (due, [ExitReason.TIME])):
        bench.now = at
        bench.wait(0, [underlying_ticks(600.0, at), leg_ticks(contract(), 1.98, 2.02, at)])
        assert [body.reason for body in bench.all(ExitDecided)] == left


def test_a_time_stop_counted_from_the_first_fill_is_not_later_than_forced_flat() -> None:
    flat = START + timedelta(minutes=90, seconds=5)
    _, held = filled_after(14, forced_flat_at=flat)
    assert held.time_stop_at == flat


def test_the_time_stop_of_a_range_is_one_of_the_session_whenever_it_fills() -> None:
    signalled = signal(condor(), mid="-1.00").model_copy(update={"variant": "RANGE"})
    assert plan_from_fill(signalled, START, START + timedelta(seconds=14)) == signalled.exit_plan
