"""A condor that is held for weeks, its call side tested, and a roll of its put side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.event import Body
from domain.events.feeds import IbTicksReceived
from domain.events.orders import BrokerExecution, OrderIntended, Purpose
from domain.events.positions import PositionChanged
from domain.events.rolls import RollDecided, RollProposed
from domain.events.signals import LegQuote
from domain.instruments import Right, Strategy, Structure
from domain.rolling import roll_of
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    CLOSE,
    condor,
    contract,
    execution_of,
    leg_ticks,
    listed,
    plan,
    underlying_ticks,
)
from tests.domain.execution.stories import only

PUT_SHORT, PUT_LONG = contract(590, Right.PUT), contract(587, Right.PUT)
CALL_SHORT, CALL_LONG = contract(610), contract(613)
NEW_SHORT, NEW_LONG = contract(595, Right.PUT), contract(592, Right.PUT)
ROLL = roll_of(condor(), NEW_SHORT, NEW_LONG)
"""Buys 590, sells 587, sells 595, buys 592."""
BIDS = {
    PUT_SHORT: 0.90,
    PUT_LONG: 0.40,
    CALL_SHORT: 0.90,
    CALL_LONG: 0.40,
    NEW_SHORT: 1.60,
    NEW_LONG: 1.00,
}
"""Each leg two cents wide: the condor is worth -1.00, the roll -0.10."""
FILLS = {leg.contract.con_id: f"{BIDS[leg.contract] + 0.01:.2f}" for leg in ROLL.legs}
WEEKS = timedelta(days=20)


def quotes(at: datetime, **moved: float) -> list[IbTicksReceived]:
    """Of all six contracts; `moved` is added to a bid and its ask, by strike: p590=0.5."""
    found = [underlying_ticks(600.0, at)]
    for of, bid in BIDS.items():
        name = f"{of.right.value.lower()}{of.strike}"
        shift = moved.get(name, 0.0)
        found.append(leg_ticks(of, round(bid + shift, 2), round(bid + shift + 0.02, 2), at))
    return found


def legs_filled(
    intent: OrderIntended, units: int, prices: Sequence[str], name: str, at: datetime
) -> list[BrokerExecution]:
    return [
        execution_of(intent, units, price, f"{name}.0{leg + 2}.01", at, leg=leg)
        for leg, price in enumerate(prices)
    ]


def own_fill(intent: OrderIntended, units: int, price: str, name: str, at: datetime) -> Any:
    return execution_of(intent, units, price, f"{name}.01.01", at, sec_type="BAG")


def holding_condor(units: int = 3) -> Bench:
    """Sold at 1.00; its plan is that of the bucket."""
    bench = Bench()
    bench.start()
    for ticks in quotes(bench.now):
        bench.give(ticks)
    exits = plan(
        target="-0.50",
        stop="-2.00",
        invalidation="daily_close_beyond_short_strike",
        time_stop_at=CLOSE + WEEKS,
        forced_flat_at=CLOSE + WEEKS,
    )
    emitted = bench.enter(
        condor(), units=units, mid="-1.00", exit_plan=exits, strategy=Strategy.FOURTEEN_DTE
    )
    (entry,) = only(emitted, OrderIntended)
    bench.sent(entry)
    for execution in legs_filled(entry, units, ("0.91", "0.41", "0.91", "0.41"), "e", bench.now):
        bench.give_execution(execution)
    bench.seen(listed(entry, "Filled", units))
    return bench


def proposed(bench: Bench, units: int = 3, number: int = 1, **changes: Any) -> RollProposed:
    position = bench.all(PositionChanged)[-1].position_id
    body = RollProposed(
        roll_id=f"roll-{position}-{number}",
        position_id=position,
        signal_id="s1",
        strategy=Strategy.FOURTEEN_DTE,
        symbol="SPY",
        structure=condor(),
        roll=ROLL,
        units=units,
        tested=CALL_SHORT,
        tested_delta=0.36,
        threshold_delta=0.35,
        target_delta=0.16,
        legs=leg_quotes(ROLL),
        underlying_price=600.0,
        net_bid=Decimal("-0.14"),
        net_ask=Decimal("-0.06"),
        net_mid=Decimal("-0.10"),
        model_mid=Decimal("-0.10"),
        valid_until=bench.now + timedelta(seconds=300),
        underlying_move_max=3.0,
        mid_against_max=Decimal("0.05"),
        target_credit=0.5,
        stop_cost=2.0,
        params_version=1,
    )
    return body.model_copy(update=changes)


def leg_quotes(structure: Structure) -> tuple[LegQuote, ...]:
    return tuple(
        LegQuote(
            con_id=leg.contract.con_id,
            bid=Decimal(repr(BIDS[leg.contract])),
            ask=Decimal(repr(BIDS[leg.contract])) + Decimal("0.02"),
            bid_size=50,
            ask_size=50,
            quote_age_seconds=0.5,
            implied_volatility=0.15,
            delta=-0.1,
            gamma=0.01,
            vega=0.4,
            theta=-0.1,
            open_interest=5_000,
            volume=100,
        )
        for leg in structure.legs
    )


def decided(bench: Bench, of: RollProposed, *, approved: bool = True) -> RollDecided:
    return RollDecided(
        roll_id=of.roll_id,
        position_id=of.position_id,
        strategy=of.strategy,
        symbol=of.symbol,
        approved=approved,
        units=of.units if approved else 0,
        denials=() if approved else ("MARGIN",),
        checks=(),
        limit_price_max=of.worst_price,
        max_loss_before_usd=Decimal(205),
        max_loss_after_usd=Decimal(200),
        equity_usd=Decimal(1_000_000),
        broker_ready_id="",
        decided_at=bench.now,
        send_before=bench.now + timedelta(seconds=10),
    )


def ask(bench: Bench, units: int = 3, number: int = 1, **changes: Any) -> list[Body]:
    """A proposal and its approval; what they lead to."""
    body = proposed(bench, units, number, **changes)
    return bench.give(body) + bench.give(decided(bench, body))


def rolling(units: int = 3) -> tuple[Bench, OrderIntended]:
    """A condor whose roll works at the broker."""
    bench = holding_condor(units)
    (order,) = only(ask(bench, units), OrderIntended)
    bench.sent(order)
    bench.seen(listed(order))
    return bench, order


def fill_roll(bench: Bench, order: OrderIntended, units: int, name: str = "r") -> list[Body]:
    """The legs of the roll at the mids of their quotes: a credit of 0.10."""
    emitted: list[Body] = []
    prices = [FILLS[leg.contract.con_id] for leg in order.structure.legs]
    for execution in legs_filled(order, units, prices, name, bench.now):
        emitted += bench.give_execution(execution)
    return emitted


def rolled(units: int = 3) -> tuple[Bench, OrderIntended]:
    """A condor that was rolled whole."""
    bench, order = rolling(units)
    fill_roll(bench, order, units)
    bench.seen(listed(order, "Filled", units))
    return bench, order


def orders(bench: Bench, purpose: Purpose) -> list[OrderIntended]:
    return [intent for intent in bench.all(OrderIntended) if intent.purpose is purpose]


def holdings(bench: Bench) -> dict[int, int]:
    """Of the newest PositionChanged, what is not 0."""
    return {leg.con_id: leg.quantity for leg in bench.all(PositionChanged)[-1].legs if leg.quantity}
