"""What the roll stage follows: sessions, halts, lines, orders, and which positions are its own."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from domain.event import Body
from domain.events.feeds import LineClosed, LineOpened, LinesWanted
from domain.events.market_facts import HaltEnded, HaltStarted
from domain.events.positions import ExitReason, PositionClosed, PositionOpened
from domain.events.rolls import RollProposed
from domain.instruments import Strategy, StructureKind
from domain.signals.rolls import RollStage
from tests.domain.risk.build import (
    CLOSE,
    DAY,
    NOON,
    Driven,
    changed,
    contract,
    none,
    one,
    session_planned,
    structure,
)
from tests.domain.signals.build import chain_body, contracts, metrics
from tests.domain.signals.test_rolls import (
    TESTED_SPOT,
    UNITS,
    Rolls,
    ended,
    held_condor,
    legs_of,
    opened,
    order_of,
    passed,
    position_changed,
    silent,
)
from tests.domain.signals.weeks import DEAR, EXPIRY

WEEKS = CLOSE + timedelta(days=20)
NEXT_DAY = timedelta(days=1)


def closed() -> PositionClosed:
    return PositionClosed(
        position_id="p",
        signal_id="s",
        strategy=Strategy.FOURTEEN_DTE,
        symbol="SPY",
        reason=ExitReason.TARGET,
        units=UNITS,
        entry_price=Decimal(-1),
        exit_price=Decimal("-0.5"),
        realised_pnl=Decimal(100),
        fees=Decimal(0),
        pnl_over_max_loss=Decimal("0.1"),
        opened_at=NOON,
        closed_at=NOON,
    )


def next_session(stage: Rolls) -> None:
    stage.at += NEXT_DAY
    stage.when(session_planned(DAY + NEXT_DAY))


def emitted_of(body: PositionOpened) -> list[Body]:
    """What a stage says of one tested position, held whole, that is not a condor of its own."""
    stage = Rolls()
    stage.when(closed())
    stage.when(body)
    stage.when(position_changed(legs_of(body.structure)))
    return stage.evaluate()


def test_nothing_is_judged_before_session_and_parameters_are_known() -> None:
    """A restart may bring a chain first: without either there is no window and no limit."""
    before: tuple[tuple[Body, ...], ...] = ((), (changed(),), (session_planned(),))
    for known in before:
        stage = Driven(RollStage(), worker="signals")
        for body in known:
            stage.when(body)
        for listed in contracts(expiry=EXPIRY):
            stage.when(LineOpened(contract=listed))
        stage.when(opened(held_condor(), WEEKS))
        stage.when(position_changed(legs_of(held_condor())))
        stage.when(metrics({**DEAR, "spot_mid": TESTED_SPOT}, stage.at))
        assert (
            stage.when(chain_body(stage.at, spot=TESTED_SPOT, volatility=0.1, expiry=EXPIRY)) == []
        )
        assert stage.when(closed()) == []


def test_a_condor_of_another_strategy_is_left_alone() -> None:
    """Its rules know no roll: two stages would work one position."""
    own = opened(held_condor(), WEEKS)
    assert one(emitted_of(own), RollProposed).position_id == "p"
    assert silent(emitted_of(own.model_copy(update={"strategy": Strategy.ONE_DTE})))


def test_a_vertical_held_for_weeks_is_left_alone_however_tested_its_short_is() -> None:
    """It has no other side that could be rolled."""
    shape = structure(
        StructureKind.DEBIT_VERTICAL,
        (1, contract(605, expiry=EXPIRY)),
        (-1, contract(617, expiry=EXPIRY)),
    )
    assert silent(emitted_of(opened(shape, WEEKS)))


def test_a_condor_that_closed_gives_up_its_lines_and_is_rolled_no_more() -> None:
    """Else a roll would open a side without the other one."""
    stage = Rolls()
    assert len(one(stage.evaluate(), LinesWanted).lines) == 4
    assert one(stage.when(closed()), LinesWanted).lines == ()
    emitted = stage.evaluate(after=3_600)
    assert silent(emitted) and none(emitted, LinesWanted)


def test_nothing_is_rolled_while_the_market_is_halted_nor_until_quotes_have_settled() -> None:
    stage = Rolls()
    stage.when(HaltStarted(symbol="SPY", source="broker", at=stage.at))
    assert passed(stage.evaluate()) == ("SESSION_OPEN", "halted")
    from_then = stage.at + timedelta(minutes=5)
    stage.when(HaltEnded(symbol="SPY", at=stage.at, entries_from=from_then))
    assert silent(stage.evaluate(after=299))
    assert one(stage.evaluate(after=1), RollProposed).position_id == "p"


def test_a_halt_ends_with_its_session() -> None:
    """The broker tells of one that stands on the new day; one that it forgot holds nothing up."""
    stage = Rolls()
    stage.when(HaltStarted(symbol="SPY", source="vendor", at=stage.at))
    next_session(stage)
    assert one(stage.evaluate(), RollProposed).position_id == "p"


def test_readings_of_the_market_end_with_their_session() -> None:
    """Else a roll is decided on the news and the calendar of the day before."""
    stage = Rolls()
    stage.evaluate(600.0)
    next_session(stage)
    assert passed(stage.when(stage.chain())) == ("BLACKOUT", "missing: calendar_state")


def test_a_session_that_is_told_again_keeps_readings_and_halts() -> None:
    stage = Rolls()
    stage.evaluate(600.0)
    stage.when(session_planned())
    assert one(stage.when(stage.chain()), RollProposed).position_id == "p"
    halted = Rolls()
    halted.when(HaltStarted(symbol="SPY", source="broker", at=halted.at))
    halted.when(session_planned())
    assert passed(halted.evaluate())[0] == "SESSION_OPEN"


def test_a_leg_whose_line_was_closed_waits_for_a_line_again() -> None:
    """Its quote no longer moves: no order goes out on it."""
    found: RollProposed = one(Rolls().evaluate(), RollProposed)
    leg = found.roll.legs[2].contract
    stage = Rolls()
    stage.when(LineClosed(contract=leg, reason="rotated"))
    code, reason = passed(stage.evaluate())
    assert (code, reason) == ("LIQUIDITY", f"{leg.strike}P: awaiting a broker line")


def test_after_an_order_without_a_fill_another_one_is_asked_for_only_after_the_wait() -> None:
    """Else every refresh sends the next order into the same market, and the tries are gone."""
    stage = Rolls()
    stage.when(order_of(one(stage.evaluate(), RollProposed), "p-R1"))
    stage.when(ended("p-R1"))
    assert silent(stage.evaluate(after=899.999))
    found: RollProposed = one(stage.evaluate(after=0.001), RollProposed)
    assert found.roll_id == "roll-p-2"
