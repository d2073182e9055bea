"""The roll stage: it proposes to roll a tested condor once all is there, and says why not, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace as changed_body

from domain.event import Body
from domain.events.analytics import ChainEvaluated
from domain.events.feeds import LineOpened, LinesWanted
from domain.events.orders import OrderChanged, OrderIntended, OrderState, OrderType, Purpose
from domain.events.positions import (
    ExitDecided,
    ExitReason,
    LegPosition,
    PositionAdjusted,
    PositionChanged,
    PositionOpened,
)
from domain.events.rolls import RollDecided, RollPassedOver, RollProposed
from domain.events.signals import ExitPlan
from domain.instruments import Direction, Right, Side, Strategy, Structure, StructureKind
from domain.rolling import after_roll, fault_of
from domain.signals.rolls import RollStage
from tests.domain.risk.build import (
    CLOSE,
    DAY,
    HALT,
    NOON,
    OPEN,
    Driven,
    changed,
    contract,
    desk_events,
    none,
    one,
    session_planned,
    structure,
)
from tests.domain.signals.build import chain_body, contracts, metrics
from tests.domain.signals.weeks import DEAR, EXPIRY

UNITS = 2
TESTED_SPOT = 611.0
"""With ten percent a call of 617 has a delta of 0.38, and a put of 0.16 is 592 or 593."""


def held_condor(
    long_put: int = 577, short_put: int = 583, short_call: int = 617, long_call: int = 623
) -> Structure:
    return structure(
        StructureKind.IRON_CONDOR,
        (1, contract(long_put, Right.PUT, expiry=EXPIRY)),
        (-1, contract(short_put, Right.PUT, expiry=EXPIRY)),
        (-1, contract(short_call, expiry=EXPIRY)),
        (1, contract(long_call, expiry=EXPIRY)),
    )


def opened(shape: Structure, time_stop_at: datetime) -> PositionOpened:
    return PositionOpened(
        position_id="p",
        signal_id="s",
        decision_id="d",
        strategy=Strategy.FOURTEEN_DTE,
        symbol="SPY",
        direction=Direction.NEUTRAL,
        structure=shape,
        planned_units=UNITS,
        exit_plan=ExitPlan(
            target_price=Decimal("-0.5"),
            stop_price=Decimal(-2),
            time_stop_at=time_stop_at,
            forced_flat_at=CLOSE + timedelta(days=35),
        ),
        max_loss_per_unit_usd=Decimal(400),
        risk_units=Decimal(1),
        opened_at=NOON,
    )


def legs_of(shape: Structure, units: int = UNITS) -> tuple[LegPosition, ...]:
    return tuple(
        LegPosition(con_id=leg.contract.con_id, quantity=leg.ratio * units) for leg in shape.legs
    )


def position_changed(legs: tuple[LegPosition, ...]) -> PositionChanged:
    return PositionChanged(
        position_id="p",
        fill_id="f",
        legs=legs,
        units=UNITS,
        average_entry_price=Decimal(-1),
        average_exit_price=None,
        realised_pnl=Decimal(0),
        fees=Decimal(0),
    )


class Rolls(Driven):
    """The stage with a condor that is held, and every option on a line."""

    def __init__(
        self,
        shape: Structure | None = None,
        *,
        at: datetime = NOON,
        lines: bool = True,
        time_stop_at: datetime = CLOSE + timedelta(days=20),
        **parameters: Any,
    ) -> None:
        super().__init__(RollStage(), worker="signals", at=at)
        self.shape = shape or held_condor()
        self.when(changed(**parameters))
        for body in desk_events():
            self.when(body)
        if lines:
            for listed in contracts(expiry=EXPIRY):
                self.when(LineOpened(contract=listed))
        self.when(opened(self.shape, time_stop_at))
        self.when(position_changed(legs_of(self.shape)))

    def evaluate(
        self,
        spot: float = TESTED_SPOT,
        *,
        after: float = 15.0,
        volatility: float = 0.10,
        **news: Any,
    ) -> list[Body]:
        self.at += timedelta(seconds=after)
        self.when(metrics({**DEAR, "spot_mid": spot, **news}, self.at))
        return self.when(self.chain(spot, volatility))

    def chain(self, spot: float = TESTED_SPOT, volatility: float = 0.10) -> ChainEvaluated:
        return chain_body(self.at, spot=spot, volatility=volatility, expiry=EXPIRY)


def passed(emitted: list[Body]) -> tuple[str, str]:
    found: RollPassedOver = one(emitted, RollPassedOver)
    assert none(emitted, RollProposed)
    return found.code, found.reason


def silent(emitted: list[Body]) -> bool:
    return none(emitted, RollPassedOver) and none(emitted, RollProposed)


def refused(of: RollProposed, at: datetime) -> RollDecided:
    return RollDecided(
        roll_id=of.roll_id,
        position_id=of.position_id,
        strategy=of.strategy,
        symbol=of.symbol,
        approved=False,
        units=0,
        denials=("MARGIN",),
        checks=(),
        limit_price_max=of.worst_price,
        max_loss_before_usd=None,
        max_loss_after_usd=None,
        equity_usd=None,
        broker_ready_id="",
        decided_at=at,
        send_before=at,
    )


def order_of(found: RollProposed, ref: str) -> OrderIntended:
    return OrderIntended(
        order_ref=ref,
        order_id=1,
        client_id=1,
        connection="c",
        broker_ready_id="b",
        purpose=Purpose.ROLL,
        signal_id="s",
        decision_id=found.roll_id,
        position_id="p",
        structure=found.roll,
        action=Side.BUY,
        quantity=UNITS,
        order_type=OrderType.LIMIT,
        limit_price=Decimal(-1),
        stop_price=None,
        account="DU1",
    )


def ended(ref: str, filled: int = 0, state: OrderState = OrderState.CANCELLED) -> OrderChanged:
    return OrderChanged(
        order_ref=ref, order_id=1, perm_id=1, state=state, filled=filled, remaining=0, reason=""
    )


def test_the_untested_side_of_a_tested_condor_is_proposed_nearest_to_its_delta() -> None:
    stage = Rolls()
    found: RollProposed = one(stage.evaluate(), RollProposed)
    assert found.tested == contract(617, expiry=EXPIRY)
    assert found.tested_delta >= found.threshold_delta == 0.35
    short, long = (leg.contract for leg in found.roll.legs[2:])
    assert fault_of(held_condor(), found.roll) == ""
    assert short.right is Right.PUT and long.strike < short.strike < Decimal("617")
    deltas = {quote.con_id: abs(quote.delta) for quote in found.legs}
    assert deltas[short.con_id] == pytest.approx(found.target_delta, abs=0.02)
    # As wide as an entry's wing: a hundredth of the price, to the nearest listed strike.
    assert short.strike - long.strike == 6
    assert found.net_mid < 0 and found.units == UNITS
    assert (found.target_credit, found.stop_cost) == (0.5, 2.0)
    assert after_roll(held_condor(), found.roll).kind is StructureKind.IRON_CONDOR


def test_nothing_is_said_of_a_condor_that_is_not_tested() -> None:
    stage = Rolls()
    for _ in range(3):
        emitted = stage.evaluate(600.0)
        assert silent(emitted) and none(emitted, LinesWanted)


def test_a_put_side_that_is_tested_has_its_calls_rolled() -> None:
    found: RollProposed = one(Rolls().evaluate(589.0), RollProposed)
    assert found.tested.right is Right.PUT
    assert {leg.contract.right for leg in found.roll.legs} == {Right.CALL}
    new_short = found.roll.legs[2].contract.strike
    assert Decimal(583) < new_short < Decimal(617)


def test_lines_for_the_four_legs_come_before_the_proposal() -> None:
    """The quotes of other sources carry no order: the choice is repeated on those of lines."""
    stage = Rolls(lines=False)
    emitted = stage.evaluate()
    code, reason = passed(emitted)
    assert code == "LIQUIDITY" and "awaiting a broker line" in reason
    wanted: LinesWanted = one(emitted, LinesWanted)
    assert (wanted.requester, len(wanted.lines)) == ("rolls", 4)
    for line in wanted.lines:
        stage.when(LineOpened(contract=line.contract))
    found: RollProposed = one(stage.evaluate(), RollProposed)
    assert {leg.contract for leg in found.roll.legs} == {line.contract for line in wanted.lines}


def test_what_holds_a_roll_back_is_told_once_a_session_and_not_at_every_refresh() -> None:
    stage = Rolls(lines=False)
    told = [body for _ in range(5) for body in stage.evaluate() if isinstance(body, RollPassedOver)]
    assert [body.code for body in told] == ["LIQUIDITY"]
    assert silent(stage.evaluate(calendar_state="CLEAR"))
    assert passed(stage.evaluate(calendar_state="BLACKOUT"))[0] == "BLACKOUT"
    assert silent(stage.evaluate(calendar_state="BLACKOUT"))
    stage.when(session_planned(DAY + timedelta(days=1)))
    stage.at += timedelta(days=1)
    assert passed(stage.evaluate())[0] == "LIQUIDITY"


@pytest.mark.parametrize(
    ("given", "news", "code"),
    [
        ({"at": OPEN + timedelta(minutes=29)}, {}, "WINDOW"),
        ({"at": CLOSE - timedelta(minutes=15)}, {}, "WINDOW"),
        ({"time_stop_at": CLOSE}, {}, "WINDOW"),
        ({"signals__14d__enabled": False}, {}, "WINDOW"),
        ({"signals__14d__roll__enabled": False}, {}, "WINDOW"),
        ({}, {"news_state": "SHOCK"}, "NO_SHOCK"),
        ({}, {"news_state": None}, "NO_SHOCK"),
        ({}, {"calendar_state": None}, "BLACKOUT"),
        ({}, {"v_rem": None}, "DATA_FRESH"),
        ({"signals__14d__interest_min": 6000}, {}, "OPEN_INTEREST"),
        (
            {"risk__fees__commission_usd": 5, "signals__14d__width": 0.002},
            {},
            "ROLL_CREDIT",
        ),
    ],
)
def test_no_roll_is_proposed_where_no_entry_would_be(
    given: dict[str, Any], news: dict[str, Any], code: str
) -> None:
    assert passed(Rolls(**given).evaluate(**news))[0] == code


def test_no_roll_is_proposed_when_both_sides_are_tested() -> None:
    code, reason = passed(Rolls().evaluate(600.0, volatility=0.40))
    assert (code, "both" in reason) == ("NO_STRIKE", True)


def test_a_side_that_would_not_come_nearer_to_the_money_is_not_rolled() -> None:
    code, reason = passed(Rolls(held_condor(592, 598)).evaluate())
    assert (code, "nearer to the money" in reason) == ("NO_STRIKE", True)


def test_a_new_side_that_shares_a_contract_with_the_old_one_is_passed_over() -> None:
    found: RollProposed = one(Rolls().evaluate(), RollProposed)
    wing = int(found.roll.legs[3].contract.strike)
    code, reason = passed(Rolls(held_condor(wing - 6, wing)).evaluate())
    assert (code, "share" in reason) == ("NO_STRIKE", True)


def test_a_delta_that_nobody_knows_freshly_is_named_and_nothing_is_rolled() -> None:
    stage = Rolls()
    body = stage.chain()
    index = body.con_id.index(contract(583, Right.PUT, expiry=EXPIRY).con_id)
    delta: list[float | None] = list(body.delta)
    delta[index] = None
    stage.when(metrics({**DEAR, "spot_mid": TESTED_SPOT}, stage.at))
    code, reason = passed(stage.when(changed_body(body, delta=delta)))
    assert (code, reason) == ("DATA_FRESH", "missing: delta of 583P")


def test_a_side_whose_open_interest_nobody_knows_or_without_a_wing_is_passed_over() -> None:
    found: RollProposed = one(Rolls().evaluate(), RollProposed)
    short, wing = (leg.contract for leg in found.roll.legs[2:])
    for place in (short, wing):
        stage = Rolls()
        stage.when(metrics({**DEAR, "spot_mid": TESTED_SPOT}, stage.at))
        body = stage.chain()
        interest: list[int | None] = list(body.open_interest)
        interest[body.con_id.index(place.con_id)] = None
        code, reason = passed(stage.when(changed_body(body, open_interest=interest)))
        assert (code, f"{place.strike}P" in reason) == ("OPEN_INTEREST", True)
    stage = Rolls()
    stage.when(metrics({**DEAR, "spot_mid": TESTED_SPOT}, stage.at))
    body = stage.chain()
    bid = [b if k >= short.strike else 0.0 for b, k in zip(body.bid, body.strike, strict=True)]
    code, reason = passed(stage.when(changed_body(body, bid=bid)))
    assert (code, "no liquid wing" in reason) == ("NO_STRIKE", True)


@pytest.mark.parametrize(("spot", "outward"), [(TESTED_SPOT, -1), (589.0, 1)])
def test_the_wing_of_the_new_side_lies_beyond_its_short(spot: float, outward: int) -> None:
    found: RollProposed = one(Rolls().evaluate(spot), RollProposed)
    short, wing = (leg.contract.strike for leg in found.roll.legs[2:])
    assert (wing - short) * outward == 6


Story = Callable[[Rolls], object]


def uneven(stage: Rolls) -> None:
    stage.when(position_changed(legs_of(stage.shape)[:3]))


@pytest.mark.parametrize(
    "story",
    [
        lambda stage: stage.when(HALT),
        lambda stage: stage.when(
            ExitDecided(
                position_id="p",
                reason=ExitReason.TARGET,
                profile="patient",
                mark=None,
                threshold="",
                evidence=(),
            )
        ),
        lambda stage: stage.when(
            PositionAdjusted(position_id="p", con_id=1, quantity=1, kind="assignment", evidence="")
        ),
    ],
)
def test_nothing_is_proposed_of_a_position_that_is_left_or_touched_nor_while_halted(
    story: Story,
) -> None:
    stage = Rolls()
    story(stage)
    assert silent(stage.evaluate())


def test_a_condor_that_is_not_held_evenly_is_passed_over() -> None:
    stage = Rolls()
    uneven(stage)
    assert passed(stage.evaluate())[0] == "POSITION_WHOLE"


def test_a_proposal_is_not_repeated_while_it_waits_for_its_decision_or_its_order() -> None:
    stage = Rolls()
    found: RollProposed = one(stage.evaluate(), RollProposed)
    assert silent(stage.evaluate())
    stage.when(order_of(found, "p-R1"))
    assert silent(stage.evaluate(after=600))


def test_a_refused_roll_is_asked_for_again_after_a_while_and_not_at_every_refresh() -> None:
    stage = Rolls()
    first: RollProposed = one(stage.evaluate(), RollProposed)
    stage.when(refused(first, stage.at))
    assert all(silent(stage.evaluate()) for _ in range(59))
    second: RollProposed = one(stage.evaluate(), RollProposed)
    assert second.roll_id != first.roll_id


def test_after_a_fill_of_one_unit_nothing_more_is_proposed() -> None:
    stage = Rolls()
    stage.when(order_of(one(stage.evaluate(), RollProposed), "p-R1"))
    stage.when(ended("p-R1", filled=1))
    assert silent(stage.evaluate(after=3_600))


def test_orders_without_a_fill_are_followed_by_others_up_to_the_most() -> None:
    stage = Rolls()
    for number in (1, 2, 3):
        found: RollProposed = one(stage.evaluate(after=901), RollProposed)
        stage.when(order_of(found, f"p-R{number}"))
        stage.when(ended(f"p-R{number}"))
    assert passed(stage.evaluate(after=901))[0] == "ROLL_ONCE"


def test_lines_are_given_up_when_the_condor_is_tested_no_more() -> None:
    stage = Rolls()
    emitted = stage.evaluate()
    assert len(one(emitted, LinesWanted).lines) == 4
    assert none(stage.evaluate(600.0), LinesWanted)
    stage.when(refused(one(emitted, RollProposed), stage.at))
    assert one(stage.evaluate(600.0), LinesWanted).lines == ()


def test_a_second_run_proposes_the_same_and_a_fold_ends_in_the_same_state() -> None:
    stage = Rolls(lines=False)
    for _ in range(3):
        stage.evaluate()
    again = stage.repeated()
    assert [[e.body for e in emitted] for _, emitted in stage.inputs] == [
        [e.body for e in emitted] for emitted in again
    ]
    assert stage.folded().states == stage.consumer.states
