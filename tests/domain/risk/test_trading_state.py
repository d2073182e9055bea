"""ACTIVE, REDUCING and HALTED: one state on the log, named by every decision."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain.event import Body
from domain.events.controls import (
    AlertRaised,
    FlattenRequested,
    HaltRequested,
    ReleaseRequested,
    TradingHalted,
    TradingReleased,
    TradingState,
    TradingStateChanged,
)
from domain.events.orders import OrderState
from domain.events.positions import LegPosition, PositionChanged
from domain.events.signals import Result
from domain.instruments import Direction
from tests.domain.risk.build import Driven, account, call_vertical, none, one, signal
from tests.domain.risk.desk_story import (
    C,
    decide,
    denied,
    holding,
    intended,
    opened,
    order_changed,
    ready,
    worth,
)

RELEASE = ReleaseRequested(who="op", route="api", reason="checked", reauthenticated=True)
HALT = HaltRequested(who="op", route="api", reason="pause")


def changes(emitted: list[Body]) -> list[tuple[TradingState, TradingState, tuple[str, ...]]]:
    return [
        (body.previous, body.state, body.codes)
        for body in emitted
        if isinstance(body, TradingStateChanged)
    ]


def over_its_limit(desk: Driven) -> list[Body]:
    """130 units of 155 USD: above 2 % of a million in one bucket and one expiry."""
    desk.when(opened())
    emitted = desk.when(
        PositionChanged(
            position_id="pos-1",
            fill_id="f",
            legs=(),
            units=130,
            average_entry_price=Decimal("1.5"),
            average_exit_price=None,
            realised_pnl=Decimal(0),
            fees=Decimal(0),
        )
    )
    return list(emitted)


def test_reducing_lets_no_entry_through_while_a_limit_is_breached() -> None:
    """A breach of one limit must stop entries that none of their own limits would stop."""
    desk = ready()
    emitted = over_its_limit(desk)
    ((previous, state, codes),) = changes(emitted)
    assert (previous, state) == (TradingState.ACTIVE, TradingState.REDUCING)
    assert {"CONTRACTS_LEG", "LIMIT_BUCKET", "LIMIT_EXPIRY", "LIMIT_POSITION"} <= set(codes)
    assert one(emitted, AlertRaised).code == "REDUCE_ONLY"
    assert none(emitted, TradingHalted)
    desk.when(account())
    elsewhere = call_vertical(symbol="QQQ")
    decision = decide(desk, signal(elsewhere, signal_id="sig-2", at=desk.at))
    assert denied(decision, C.REDUCE_ONLY)
    assert decision.trading_state is TradingState.REDUCING
    row = next(check for check in decision.checks if check.code == C.REDUCE_ONLY)
    assert row.result is Result.FAIL and "LIMIT_BUCKET" in row.value


def test_reducing_ends_a_while_after_the_last_breach_and_not_at_once() -> None:
    """Equity that moves around a limit must not open and close entries every second."""
    desk = ready()
    over_its_limit(desk)
    holding(desk, 0)
    assert changes(desk.tick(after=29)) == []
    assert changes(desk.tick(after=1)) == [(TradingState.REDUCING, TradingState.ACTIVE, ())]
    assert decide(desk, signal(signal_id="sig-2", at=desk.at)).trading_state is TradingState.ACTIVE


def test_a_fee_values_nothing_anew_and_a_contract_more_at_once() -> None:
    """Two in three changes of a position are its commissions."""
    desk = ready()
    desk.when(opened())
    holding(desk, 2)
    valued_at = desk.state.breaches.valued_at
    desk.tick(after=5)
    holding(desk, 2)
    assert desk.state.breaches.valued_at == valued_at
    holding(desk, 3)
    assert desk.state.breaches.valued_at == desk.state.time.seconds != valued_at


def test_one_breach_that_ends_beside_another_is_held_on_its_own() -> None:
    """A greek that comes and goes beside a lasting breach must not fill the log."""
    desk = ready()
    desk.when(opened())
    holding(desk, 61)
    worth(desk, 969_000)
    desk.when(RELEASE)
    assert desk.state.trading[1] == ("CONTRACTS_LEG", "LOSS_HARD")
    holding(desk, 0)
    assert changes(desk.tick(after=29)) == []
    assert changes(desk.tick(after=1)) == [
        (TradingState.REDUCING, TradingState.REDUCING, ("LOSS_HARD",))
    ]


def test_a_loss_in_doubt_reduces_and_a_confirmed_one_halts() -> None:
    desk = ready()
    assert changes(worth(desk, 969_000, readings=2)) == [
        (TradingState.ACTIVE, TradingState.REDUCING, ("LOSS_HARD",))
    ]
    emitted = worth(desk, 969_000, readings=1)
    assert changes(emitted) == [(TradingState.REDUCING, TradingState.HALTED, ("LOSS_HARD",))]
    desk.when(RELEASE)
    assert desk.state.trading == (TradingState.REDUCING, ("LOSS_HARD",))


def test_a_halt_covers_a_breach_and_its_release_uncovers_it() -> None:
    """A release must not forget that a limit is still breached."""
    desk = ready()
    over_its_limit(desk)
    emitted = desk.when(HALT)
    assert changes(emitted) == [(TradingState.REDUCING, TradingState.HALTED, ())]
    released = desk.when(RELEASE)
    one(released, TradingReleased)
    ((_, state, codes),) = changes(released)
    assert state is TradingState.REDUCING and "LIMIT_BUCKET" in codes


@pytest.mark.parametrize("request_", [HALT, FlattenRequested(who="op", route="api", reason="out")])
def test_halt_and_flatten_lead_to_one_change_of_state(request_: Body) -> None:
    desk = ready()
    emitted = desk.when(request_)
    assert changes(emitted) == [(TradingState.ACTIVE, TradingState.HALTED, ())]
    assert changes(desk.when(request_)) == []
    assert decide(desk).trading_state is TradingState.HALTED


def test_a_reversed_position_lets_only_reducing_orders_leave() -> None:
    """A vertical sold beyond what was held has no bound: nothing may be added to it."""
    desk = ready()
    desk.when(opened())
    legs = [leg.contract.con_id for leg in call_vertical().legs]
    emitted = desk.when(
        PositionChanged(
            position_id="pos-1",
            fill_id="f",
            legs=(
                LegPosition(con_id=legs[0], quantity=-1),
                LegPosition(con_id=legs[1], quantity=1),
            ),
            units=0,
            average_entry_price=Decimal("1.5"),
            average_exit_price=None,
            realised_pnl=Decimal(0),
            fees=Decimal(0),
        )
    )
    assert changes(emitted)[0][2] == (C.MAX_LOSS_BOUNDED.value,)


def legs_held(long: int, short: int) -> PositionChanged:
    """The vertical with so many of each leg."""
    legs = [leg.contract.con_id for leg in call_vertical().legs]
    return PositionChanged(
        position_id="pos-1",
        fill_id="f",
        legs=(
            LegPosition(con_id=legs[0], quantity=long),
            LegPosition(con_id=legs[1], quantity=-short),
        ),
        units=min(long, short),
        average_entry_price=Decimal("1.5"),
        average_exit_price=None,
        realised_pnl=Decimal(0),
        fees=Decimal(0),
    )


def test_nothing_is_added_to_a_desk_with_a_short_that_lost_its_cover() -> None:
    """Somebody sold the long leg by hand: what is left may lose without bound."""
    desk = ready()
    desk.when(opened())
    desk.when(legs_held(1, 1))
    desk.when(legs_held(0, 1))
    assert desk.state.trading == (TradingState.ACTIVE, ()), "legs fill one after the other"
    emitted = desk.tick(after=5)
    assert changes(emitted)[0][1:] == (TradingState.REDUCING, (C.MAX_LOSS_BOUNDED.value,))
    assert denied(decide(desk), C.REDUCE_ONLY)
    desk.when(legs_held(0, 0))
    assert changes(desk.tick(after=31))[0][1] is TradingState.ACTIVE


def test_legs_that_fill_one_after_the_other_reduce_nothing() -> None:
    desk = ready()
    desk.when(opened())
    desk.when(legs_held(0, 5))
    desk.tick(after=2)
    desk.when(legs_held(5, 5))
    desk.tick(after=60)
    assert desk.state.trading == (TradingState.ACTIVE, ())


def test_greeks_and_scenarios_of_the_book_are_watched_without_a_decision() -> None:
    """Gamma grows toward the close: the book may pass a limit while nothing is traded."""
    desk = ready(risk__greek__gamma_long=0.01)
    decision = decide(desk)
    desk.when(intended(decision, quantity=5))
    desk.when(opened())
    holding(desk, 5)
    desk.when(order_changed(OrderState.FILLED, filled=5))
    assert "GREEK_GAMMA" in desk.state.trading[1]


def test_an_entry_is_not_stopped_halfway_by_its_own_size() -> None:
    """Sized to the limit, it would be over it at the next tick and never climb its ladder."""
    desk = ready(risk__greek__gamma_long=0.01)
    decision = decide(desk)
    assert decision.approved
    desk.when(intended(decision, quantity=5))
    desk.tick(after=11)
    assert desk.state.trading == (TradingState.ACTIVE, ())


def test_a_decision_says_until_when_its_order_may_leave() -> None:
    """The broker's margin answer is 10 seconds old at the send, or no order leaves."""
    desk = ready()
    long_only = decide(desk, signal(call_vertical(), at=desk.at))
    assert long_only.send_before is not None
    assert (long_only.send_before - desk.at).total_seconds() == 10


def test_the_state_folds_to_what_it_was() -> None:
    desk = ready()
    over_its_limit(desk)
    desk.when(HALT)
    desk.when(RELEASE)
    holding(desk, 0)
    desk.tick(after=31)
    other = signal(signal_id="sig-2", at=desk.at, direction=Direction.BEARISH)
    decide(desk, other)
    assert desk.folded().states == desk.consumer.states
    assert desk.repeated() == [emitted for _, emitted in desk.inputs]
