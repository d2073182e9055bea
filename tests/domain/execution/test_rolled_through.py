"""From a tested chain to the new condor: what the roll stage proposes is approved and filled."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from domain.event import Body
from domain.events.orders import OrderIntended, Purpose, WhatIfAnswered
from domain.events.positions import PositionChanged, PositionOpened
from domain.events.risk import RiskDecided, WhatIfWanted
from domain.events.rolls import PositionRolled, RollDecided, RollProposed
from domain.execution.orders import OrderStage
from domain.execution.positions import PositionStage
from domain.execution.stops import StopStage
from domain.instruments import Direction, Strategy, Structure
from domain.risk.stage import RiskStage
from domain.rolling import after_roll
from domain.signals.reading import chain_of
from domain.stage import Consumer
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import leg_ticks, listed, underlying_ticks
from tests.domain.execution.roll_build import legs_filled
from tests.domain.risk.build import CLOSE, NOON, account, changed, leg_quote, one, session_planned
from tests.domain.risk.build import signal as risk_signal
from tests.domain.signals.build import chain_body
from tests.domain.signals.test_rolls import TESTED_SPOT, Rolls, held_condor
from tests.domain.signals.weeks import EXPIRY

HELD = held_condor()
ROOM = {"risk__greek__gamma_short": 2.0, "risk__greek__gamma_long": 2.0}


def quote(bench: Bench, shape: Structure, spot: float) -> None:
    """Every leg at its price in the chain of that spot."""
    chain = chain_of(chain_body(NOON, spot=spot, volatility=0.10, expiry=EXPIRY))
    bench.give(underlying_ticks(spot, bench.now))
    for leg in shape.legs:
        row = chain.row(leg.contract.con_id)
        assert row is not None and row.bid is not None and row.ask is not None
        bench.give(leg_ticks(leg.contract, float(row.bid), float(row.ask), bench.now, 1_000))


def answer(bench: Bench, emitted: list[Body], change: str) -> list[Body]:
    wanted: WhatIfWanted = one(emitted, WhatIfWanted)
    return bench.give(
        WhatIfAnswered(
            connection=bench.connection,
            order_ref=wanted.decision_id,
            order_id=2,
            initial_change=Decimal(change),
            maintenance_change=None,
            equity_with_loan_change=None,
            commission=None,
            warning="",
        )
    )


def filled(bench: Bench, order: OrderIntended, spot: float) -> list[Body]:
    chain = chain_of(chain_body(NOON, spot=spot, volatility=0.10, expiry=EXPIRY))
    mids = [chain.row(leg.contract.con_id).mid for leg in order.structure.legs]  # type: ignore[union-attr]
    bench.sent(order)
    emitted: list[Body] = []
    for execution in legs_filled(
        order, order.quantity, [str(m) for m in mids], order.order_ref[-2:], bench.now
    ):
        emitted += bench.give_execution(execution)
    return emitted + bench.seen(listed(order, "Filled", order.quantity))


def holding() -> Bench:
    stages = [RiskStage(), OrderStage(), PositionStage(), StopStage()]
    bench = Bench(now=NOON, consumer=Consumer[Any]("trader", "test", stages))
    bench.give(changed(**ROOM))
    bench.give(session_planned())
    bench.start_run("run1")
    bench.connect()
    for _ in range(2):
        bench.give(account())
    quote(bench, HELD, 600.0)
    chain = chain_of(chain_body(NOON, spot=600.0, volatility=0.10, expiry=EXPIRY))
    rows = [chain.row(leg.contract.con_id) for leg in HELD.legs]
    legs = tuple(
        leg_quote(
            row.con_id, bid=str(row.bid), ask=str(row.ask), delta=row.delta or 0.0, gamma=0.01
        )
        for row in rows
        if row is not None
    )
    net = sum(
        (leg.ratio * (row.mid or 0) for leg, row in zip(HELD.legs, rows, strict=True) if row),
        Decimal(0),
    )
    asked = risk_signal(
        HELD,
        at=bench.now,
        strategy=Strategy.FOURTEEN_DTE,
        direction=Direction.NEUTRAL,
        mid=str(net),
        legs=legs,
    )
    exits = asked.exit_plan.model_copy(
        update={
            "target_price": net / 2,
            "stop_price": 3 * net,
            "time_stop_at": CLOSE + timedelta(days=20),
            "forced_flat_at": CLOSE + timedelta(days=35),
        }
    )
    emitted = answer(bench, bench.give(asked.model_copy(update={"exit_plan": exits})), "1000")
    assert one(emitted, RiskDecided).approved, one(emitted, RiskDecided).denials
    filled(bench, one(emitted, OrderIntended), 600.0)
    return bench


def test_what_the_roll_stage_proposes_is_approved_sent_and_becomes_the_new_condor() -> None:
    bench = holding()
    stage = Rolls(HELD)
    opened: PositionOpened = one(bench.all(PositionOpened), PositionOpened)
    stage.when(opened)
    stage.when(bench.all(PositionChanged)[-1])
    proposals = [b for b in stage.evaluate() if isinstance(b, RollProposed)]
    found = next(b for b in proposals if b.position_id == opened.position_id)
    bench.now = stage.at
    bench.give(account())
    for shape in (HELD, found.roll):
        quote(bench, shape, TESTED_SPOT)
    emitted = answer(bench, bench.give(found), "0")
    decided: RollDecided = one(emitted, RollDecided)
    assert decided.approved, decided.denials
    (order,) = (b for b in emitted if isinstance(b, OrderIntended))
    assert (order.purpose, order.structure) == (Purpose.ROLL, found.roll)
    assert order.limit_price <= found.worst_price
    rolled: PositionRolled = one(filled(bench, order, TESTED_SPOT), PositionRolled)
    assert rolled.structure == after_roll(HELD, found.roll)
    assert rolled.max_loss_per_unit_usd < rolled.max_loss_per_unit_before_usd
    assert rolled.exit_plan.time_stop_at == CLOSE + timedelta(days=20)
    stage.when(rolled)
    assert not any(
        isinstance(b, RollProposed) and b.position_id == opened.position_id
        for b in stage.evaluate(after=3_600)
    )
