"""Exits that nothing may hold back or double: without any quote, after a lost order, widened."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from domain.events.controls import FlattenStarted
from domain.events.feeds import LineClosed
from domain.events.orders import OrderIntended, OrderState, Purpose
from domain.events.positions import PositionMarked, PositionOpened
from domain.instruments import Structure
from tests.domain.execution.execution_build import (
    Bench,
    contract,
    debit_vertical,
    execution_of,
    leg_ticks,
    listed,
    long_call,
)

LEG = contract()
D = Decimal
S = OrderState


def exits(bench: Bench) -> list[OrderIntended]:
    return [i for i in bench.all(OrderIntended) if i.purpose is Purpose.EXIT]


def flatten(bench: Bench) -> list[Any]:
    position = bench.all(PositionOpened)[-1].position_id
    return bench.give(FlattenStarted(who="x", reason="y", positions=(position,)))


def ordered(structure: Structure, units: int = 4) -> tuple[Bench, list[OrderIntended]]:
    """An entry whose bytes left, and which the broker shows; nothing is filled."""
    bench = Bench()
    bench.start()
    second = contract(605)
    bench.market(leg_ticks(LEG, 1.98, 2.02), leg_ticks(second, 0.98, 1.02))
    mid = "2.00" if structure.is_single else "1.00"
    intents = [b for b in bench.enter(structure, units=units, mid=mid) if type(b) is OrderIntended]
    for intent in intents:
        bench.sent(intent)
        bench.seen(listed(intent, "Submitted"))
    return bench, intents


def test_a_kill_without_a_quote_or_a_mark_sells_at_what_was_last_known() -> None:
    bench, (parent, _) = ordered(long_call())
    bench.now += timedelta(seconds=60)
    bench.fill(parent, 4, "2.02")
    assert bench.all(PositionMarked) == [], "no sound mark was ever seen"
    flatten(bench)
    (intent,) = exits(bench)
    assert (intent.quantity, intent.limit_price) == (4, D("1.97")), "three ticks through 2.00"


def test_a_kill_of_a_combination_that_was_never_quoted_again_rests_on_its_entry_price() -> None:
    bench, (parent,) = ordered(debit_vertical())
    bench.now += timedelta(seconds=60)
    for leg in debit_vertical().legs:
        bench.give(LineClosed(contract=leg.contract, reason="x"))
    for number, price in enumerate(("2.02", "1.00")):
        bench.give_execution(
            execution_of(parent, 4, price, f"0000.{number}.01", bench.now, leg=number)
        )
    flatten(bench)
    (intent,) = exits(bench)
    assert (intent.quantity, intent.limit_price) == (4, D("0.99")), "three ticks through 1.02"
