"""With the shipped defaults alone, every check refuses what it is there for.

A check whose default switches it off passes everything, and nobody notices until it is needed.
Each code of a decision and of an order has a case here that violates it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.event import Body
from domain.events.orders import BrokerDisconnected, ReconciliationCompleted
from domain.events.positions import ExitReason
from domain.events.risk import Check, RiskDecided, WhatIfWanted
from domain.events.signals import Result, SignalValidated
from domain.events.system import ClockStarted, WorkerStarted
from domain.instruments import Direction, Right, Side, Strategy, StructureKind
from domain.risk.codes import DENIALS, DenialCode, Part
from domain.risk.limits import limit_rows
from domain.risk.order_checks import check_entry
from domain.risk.order_views import WorkingLeg, order_limits
from domain.risk.parameters import PARAMETERS
from domain.risk.stage import RiskStage
from tests.domain.risk.build import (
    CLOSE,
    DAY,
    EQUITY,
    HALT,
    NOON,
    OPEN,
    Driven,
    account,
    call_vertical,
    changed,
    contract,
    desk_events,
    leg_quote,
    long_call,
    one,
    parameters,
    signal,
    structure,
)
from tests.domain.risk.desk_story import closed, decide, holding, margin_answer, opened, worth
from tests.domain.risk.test_order_checks import DESK, ENTRY, MARKET
from tests.domain.risk.test_risk_limits import exposure

C = DenialCode
Case = Callable[[], Sequence[Check]]
SHARED = (C.SESSION_OPEN, C.BLACKOUT, C.NO_DUPLICATE, C.COOLDOWN, C.BROKER_READY)
SHARED_TOO = (C.KILL_SWITCH_OFF, C.CLOCK_NORMAL, C.REDUCE_ONLY)
DECISION = {c for c, d in DENIALS.items() if d.part is Part.DECISION} | {*SHARED, *SHARED_TOO}
ORDER = {c for c, d in DENIALS.items() if d.part is Part.ORDER}


def shipped(*, at: Any = NOON) -> Driven:
    desk = Driven(RiskStage(), at=at)
    for body in (changed(), *desk_events()):
        desk.when(body)
    return desk


def after(*events: Body, asked: SignalValidated | None = None, at: Any = NOON) -> Case:
    def case() -> Sequence[Check]:
        desk = shipped(at=at)
        for body in events:
            desk.when(body)
        return decide(desk, asked or signal(at=desk.at, signal_id="asked")).checks

    return case


def small(shape: Any = None, **inputs: Any) -> Case:
    """An account of 500 USD: one unit is beyond every share of it."""

    def case() -> Sequence[Check]:
        desk = Driven(RiskStage())
        ready, *others = desk_events()[:3]
        poor = account(Decimal(500))
        for body in (changed(), ready, *others, poor, poor):
            desk.when(body)
        return decide(desk, signal(shape, **inputs)).checks

    return case


def told(story: Callable[[Driven], object], asked: SignalValidated | None = None) -> Case:
    def case() -> Sequence[Check]:
        desk = shipped()
        story(desk)
        return decide(desk, asked or signal(at=desk.at, signal_id="asked")).checks

    return case


def many_positions(desk: Driven) -> None:
    for number in range(10):
        shape = call_vertical(610 + 8 * number, 614 + 8 * number)
        name = f"pos-{number}"
        desk.when(opened(name, decision_id=name, structure=shape))
        holding(desk, 1, name)


def sixty_of_a_leg(desk: Driven, more: int = 0) -> None:
    desk.when(opened())
    holding(desk, 60 + more)


def a_losing_bucket(desk: Driven) -> None:
    desk.when(opened())
    closed(desk, "-10000", ExitReason.TIME)


def a_soft_loss(desk: Driven) -> None:
    a_losing_bucket(desk)
    worth(desk, 979_000)


def three_stops(desk: Driven) -> None:
    for number in range(3):
        desk.when(opened(f"pos-{number}", decision_id=f"d{number}"))
        closed(desk, "-10", ExitReason.STOP, f"pos-{number}")


def no_margin_answer() -> Sequence[Check]:
    desk = shipped()
    one(desk.when(signal()), WhatIfWanted)
    return list(one(desk.tick(after=5.1), RiskDecided).checks)


def a_margin_far_off() -> Sequence[Check]:
    desk = shipped()
    asked = one(desk.when(signal()), WhatIfWanted)
    return list(one(desk.when(margin_answer(asked, Decimal(999_999))), RiskDecided).checks)


def twenty_one_contracts() -> Sequence[Check]:
    rows = limit_rows(exposure(), (), EQUITY, DAY, parameters())
    return [row.check(21) for row in rows]


NAKED = structure(StructureKind.CREDIT_VERTICAL, (-1, contract(600)), (1, contract(590, Right.PUT)))
OPPOSITE = signal(call_vertical(604, 608), signal_id="asked", direction=Direction.BEARISH)
CLOSED_CLOCK = ClockStarted(
    base_market_time=NOON, speed=600, session_date=DAY, thinned=True, entries_open=False
)
DIRTY = ReconciliationCompleted(connection="c", clean=False, differences=("one",))
OTHER_BUILD = WorkerStarted(
    worker="trader",
    run_id="r2",
    resumed_after=0,
    build="another",
    stages=(),
    types=(),
    configuration_sha256="",
    python="",
    platform="",
)
LONG = (leg_quote(long_call().legs[0].contract.con_id, vega=0.1),)

DECISIONS: dict[DenialCode, Case] = {
    C.SESSION_OPEN: after(at=CLOSE),
    C.BLACKOUT: after(at=OPEN + timedelta(seconds=30)),
    C.NO_DUPLICATE: told(lambda desk: decide(desk)),
    C.COOLDOWN: told(three_stops),
    C.BROKER_READY: after(BrokerDisconnected(connection="c", reason="lost")),
    C.KILL_SWITCH_OFF: after(HALT),
    C.CLOCK_NORMAL: after(CLOSED_CLOCK),
    C.REDUCE_ONLY: told(lambda desk: sixty_of_a_leg(desk, more=1)),
    C.BUILD_AGREES: after(OTHER_BUILD),
    C.SIGNAL_LIVE: told(lambda desk: desk.tick(after=21), signal(at=NOON)),
    C.EQUITY_FRESH: told(lambda desk: desk.tick(after=241)),
    C.EQUITY_SURE: told(lambda desk: worth(desk, 0, readings=1)),
    C.RECONCILED: after(DIRTY),
    C.MAX_LOSS_BOUNDED: after(asked=signal(NAKED, mid="-1.00")),
    **dict.fromkeys(
        (
            C.LIMIT_POSITION,
            C.LIMIT_BUCKET,
            C.LIMIT_SYMBOL,
            C.LIMIT_EXPIRY,
            C.LIMIT_DIRECTION,
            C.LIMIT_TOTAL,
            C.SIZE,
        ),
        small(),
    ),
    C.POSITIONS_TOTAL: told(many_positions),
    C.POSITIONS_SYMBOL: told(many_positions),
    C.POSITIONS_BUCKET: told(many_positions),
    C.CONTRACTS_ORDER: twenty_one_contracts,
    C.CONTRACTS_LEG: told(sixty_of_a_leg),
    **dict.fromkeys(
        (
            C.GREEK_DELTA,
            C.GREEK_GAMMA,
            C.GREEK_VEGA,
            C.GREEK_THETA,
            C.SCENARIO_NEAR,
            C.SCENARIO_FULL,
        ),
        small(long_call(), legs=LONG),
    ),
    C.LOSS_SOFT: told(a_soft_loss),
    C.LOSS_HARD: told(lambda desk: worth(desk, 969_000)),
    C.LOSS_BUCKET: told(a_losing_bucket),
    C.DRAWDOWN: told(lambda desk: worth(desk, 919_000)),
    C.LOSS_STREAK: told(three_stops),
    C.CONTRACT_IN_USE: told(lambda desk: decide(desk), OPPOSITE),
    C.DAY_TRADES: after(account(DayTradesRemaining="0")),
    C.CASH_ACCOUNT: after(account(BuyingPower="1000000")),
    C.MARGIN: no_margin_answer,
    C.MARGIN_MISMATCH: a_margin_far_off,
    C.MARGIN_EXCESS: after(account(ExcessLiquidity="0")),
    C.MARGIN_LOOK_AHEAD: after(account(LookAheadExcessLiquidity="0")),
}


@pytest.mark.parametrize("code", sorted(DECISION))
def test_no_default_switches_a_check_of_the_decision_off(code: DenialCode) -> None:
    found = [check for check in DECISIONS[code]() if check.code == code.value]
    assert found, f"{code.value} must be listed in every decision"
    assert any(check.result is not Result.PASS for check in found)
    if code is not C.MARGIN:
        assert any(check.result is Result.FAIL for check in found)


@pytest.mark.parametrize("code", sorted(DECISION - {C.CONTRACTS_ORDER}))
def test_every_decision_lists_every_check(code: DenialCode) -> None:
    """A check that is left out when another fails would hide a second reason."""
    assert {check.code for check in DECISIONS[code]()} >= {each.value for each in DECISION}


def order(part: str, **change: Any) -> Case:
    def case() -> Sequence[Check]:
        views = {"order": ENTRY, "market": MARKET, "desk": DESK}
        views[part] = replace(views[part], **change)  # type: ignore[type-var]
        limits = order_limits(parameters())
        return check_entry(views["order"], views["market"], views["desk"], limits)  # type: ignore[arg-type]

    return case


CROSSING = WorkingLeg(contract(600).con_id, Side.SELL, "other", "pos-2")
ORDERS: dict[DenialCode, Case] = {
    C.PRICE_COLLAR: order("order", limit_price=Decimal("1.60")),
    C.ORDER_VALUE: order("order", limit_price=Decimal("4.00")),
    C.FAIR_VALUE: order("market", model_mid=Decimal("1.00")),
    C.QUANTITY: order("order", quantity=21),
    C.PREMIUM: order("desk", equity_usd=Decimal(1_000)),
    C.QUOTE_AGE: order("market", leg_ages_seconds=(0.5, 2.1)),
    C.UNDERLYING_AGE: order("market", underlying_age_seconds=2.1),
    C.SIGNAL_AGE: order("desk", signal_valid_until=NOON - timedelta(seconds=1)),
    C.REDUCE_ONLY: order("desk", breached_limits=("LIMIT_TOTAL",)),
    C.DUPLICATE_ORDER: order("desk", similar_order_seconds=4.9),
    C.ORDER_REF_NEW: order("desk", order_ref_used=True),
    C.RATE_BUCKET: order("desk", new_orders_bucket_minute=10),
    C.RATE_ALL: order("desk", new_orders_minute=30),
    C.RATE_REPLACE: order("order", is_replacement=True, replaces=5),
    C.SELF_CROSS: order("desk", working=(CROSSING,)),
    C.OPTION_HOURS: order("desk", option_close_at=NOON),
    C.ORDER_TYPE: order("order", time_in_force="GTC"),
    C.ACCOUNT: order("desk", paper=False),
}


@pytest.mark.parametrize("code", sorted(ORDER))
def test_no_default_switches_a_check_of_an_order_off(code: DenialCode) -> None:
    (found,) = [check for check in ORDERS[code]() if check.code == code.value]
    assert found.result is Result.FAIL


def test_no_default_is_the_word_off_and_no_switch_starts_open() -> None:
    for parameter in PARAMETERS.values():
        assert parameter.default not in ("off", "none", False), parameter.name
        if isinstance(parameter.default, float | int) and parameter.low is not None:
            assert parameter.default > 0, parameter.name


def test_every_bucket_has_limits_of_its_own() -> None:
    for bucket in Strategy:
        for name in ("limit.bucket", "size.bucket_share"):
            assert f"risk.{name}.{bucket.value}" in PARAMETERS
