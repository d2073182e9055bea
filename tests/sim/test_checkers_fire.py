"""The checks themselves: each is fed a history with one corruption, and fires."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.event import Recorded
from domain.events.controls import AlertRaised, TradingHalted
from domain.events.orders import (
    CommissionRecorded,
    FillRecorded,
    IntentLapsed,
    OrderChanged,
    OrderIntended,
    OrderState,
    Purpose,
    ReconciliationCompleted,
)
from domain.events.positions import PositionAdjusted, PositionChanged
from domain.events.rolls import PositionRolled
from tests.sim import oracle
from tests.sim.conftest import SimLog
from tests.sim.history import History, shares_held
from tests.sim.oracle import CHECKS, verdict
from tests.sim.stories import story_of
from tests.sim.wire import PLACE
from tests.sim.world import RollingWorld, run_life

SEEDS_MAX = 120
TRADED, DELIVERED, ROLLED = "traded", "delivered", "rolled"
_SOUND: dict[str, History] = {}


def _sound_life(log: SimLog, folder: Path, kind: str) -> History:
    """A life without a wrong: one that was traded in and out, one in which shares were delivered
    and are held, or one in which a condor was rolled."""
    for seed in range(1, SEEDS_MAX) if kind == ROLLED else ():
        history, _ = run_life(seed, log.store, log.loop, folder / str(seed), kind=RollingWorld)
        if any(isinstance(e.body, PositionRolled) for e in history.log) and not verdict(history):
            return history
    for seed in range(1, SEEDS_MAX):
        story = story_of(seed)
        if (story.assigned_at is not None) is not (kind == DELIVERED):
            continue
        history, _ = run_life(seed, log.store, log.loop, folder / str(seed))
        sides = {execution.side for execution in history.ledger.executions}
        shares = shares_held(history.ledger)
        found = bool(shares) if kind == DELIVERED else sides == {"BOT", "SLD"}
        if found and not verdict(history):
            return history
    raise AssertionError(f"one of {SEEDS_MAX} lives must be sound and {kind}, was none")


@pytest.fixture
def sound(
    request: pytest.FixtureRequest, tmp_path: Path, corrupt: Callable[[History], History]
) -> History:
    """Lived once for all tests of its kind; the others need no database."""
    kind = DELIVERED if corrupt in OF_DELIVERIES else ROLLED if corrupt in OF_ROLLS else TRADED
    if kind not in _SOUND:
        _SOUND[kind] = _sound_life(request.getfixturevalue("sim_log"), tmp_path, kind)
    return deepcopy(_SOUND[kind])


def _changed(history: History, kind: type, **update: Any) -> History:
    """The newest event of a type says something else."""
    log = list(history.log)
    place = max(n for n, event in enumerate(log) if isinstance(event.body, kind))
    log[place] = _with_body(log[place], log[place].body.model_copy(update=update))
    return replace(history, log=tuple(log))


def _with_body(event: Recorded, body: Any) -> Recorded:
    return msgspec.structs.replace(event, body=body)


def _without_last(history: History, kind: type) -> History:
    log = list(history.log)
    place = max(n for n, event in enumerate(log) if isinstance(event.body, kind))
    del log[place]
    return replace(history, log=tuple(log))


def _entry(history: History) -> Any:
    return next(
        e.body
        for e in history.log
        if isinstance(e.body, OrderIntended) and e.body.purpose is Purpose.ENTRY
    )


def _sent_under_another_id(history: History) -> History:
    frame = next(f for f in history.wire if f.kind == PLACE and f.order_ref)
    again = replace(frame, order_id=frame.order_id + 50, at=frame.at + 9)
    return replace(history, wire=(*history.wire, again))


def _booked_twice(history: History) -> History:
    history.ledger.orders.append(replace(history.ledger.orders[0]))
    return history


def _under_a_second_client_id(history: History) -> History:
    history.ledger.orders[0].client_id += 1
    return history


def _decided_once_entered_twice(history: History) -> History:
    event = next(e for e in history.log if e.body == _entry(history))
    other = event.body.model_copy(update={"order_ref": event.body.order_ref[:-1] + "2"})
    return replace(history, log=(*history.log, _with_body(event, other)))


def _bought_more_than_allowed(history: History) -> History:
    order = next(o for o in history.ledger.orders if o.order_ref == _entry(history).order_ref)
    order.filled = _entry(history).quantity + 1
    return history


def _sent_before_intended(history: History) -> History:
    wire = [replace(f, at=0.0) if f.kind == PLACE and f.order_ref else f for f in history.wire]
    return replace(history, wire=tuple(wire))


def _lapsed_and_sent(history: History) -> History:
    event = history.log[0]
    entry = _entry(history)
    lapsed = IntentLapsed(
        order_ref=entry.order_ref,
        order_id=entry.order_id,
        intent_id="",
        request="place",
        reason="corrupt",
    )
    return replace(history, log=(*history.log, _with_body(event, lapsed)))


def _execution_missing(history: History) -> History:
    return _without_last(history, FillRecorded)


def _execution_invented(history: History) -> History:
    return _changed(history, FillRecorded, exec_id="0000ffff.01.01")


def _position_differs(history: History) -> History:
    body = next(e.body for e in reversed(history.log) if isinstance(e.body, PositionChanged))
    legs = tuple(leg.model_copy(update={"quantity": leg.quantity + 1}) for leg in body.legs)
    return _changed(history, PositionChanged, legs=legs)


def _commission_missing(history: History) -> History:
    return _without_last(history, CommissionRecorded)


def _a_cent_off(history: History) -> History:
    body = next(e.body for e in reversed(history.log) if isinstance(e.body, FillRecorded))
    return _changed(history, FillRecorded, price=body.price + Decimal("0.01"))


def _sold_too_much(history: History) -> History:
    executions = history.ledger.executions
    place = max(n for n, e in enumerate(executions) if e.side == "SLD" and e.moves_position)
    more = replace(executions[place], quantity=executions[place].quantity + 1)
    executions[place] = more
    return history


def _left_unknown(history: History) -> History:
    return _changed(history, OrderChanged, state=OrderState.UNKNOWN)


def _left_working(history: History) -> History:
    history.ledger.orders[-1].status = "Submitted"
    return history


def _held_at_the_end(history: History) -> History:
    con_id, position = next(iter(history.ledger.positions.items()), (700001, None))
    from adapters.interactive_brokers.sandbox.state import SimPosition

    held = SimPosition(con_id, 1, Decimal(0)) if position is None else replace(position, quantity=1)
    history.ledger.positions[con_id] = held
    return history


def _entry_after_a_halt(history: History) -> History:
    halt = _with_body(history.log[0], TradingHalted(who="test", reason="corrupt"))
    early = msgspec.structs.replace(halt, recorded_at=oracle.START + timedelta(seconds=0.001))
    return replace(history, log=(early, *history.log))


def _delivery(history: History) -> Any:
    return next(
        event
        for event in history.log
        if isinstance(event.body, PositionAdjusted) and event.body.kind in oracle.DELIVERIES
    )


def _delivery_missing(history: History) -> History:
    """Neither what we hold nor our cash followed, and nobody was told."""
    lost = _delivery(history)
    return replace(history, log=tuple(event for event in history.log if event is not lost))


def _ended_at_no_price(history: History) -> History:
    event = _delivery(history)
    update = {"price": Decimal("99.99")}
    wrong = _with_body(event, event.body.model_copy(update=update))
    return replace(history, log=tuple(wrong if e is event else e for e in history.log))


def _delivered_at_another_strike(history: History) -> History:
    adjustments = history.ledger.adjustments
    place = next(n for n, adjustment in enumerate(adjustments) if adjustment.multiplier == 1)
    history.ledger.cash += adjustments[place].quantity
    return history


def _nobody_told(history: History) -> History:
    log = [event for event in history.log if not isinstance(event.body, AlertRaised)]
    return replace(history, log=tuple(log))


def _a_profit_that_was_not(history: History) -> History:
    body = next(e.body for e in reversed(history.log) if isinstance(e.body, PositionChanged))
    return _changed(history, PositionChanged, realised_pnl=body.realised_pnl + Decimal("0.01"))


def _bought_back_though_gone(history: History) -> History:
    """An execution long after the end, of all that was left of a contract."""
    gone = next(a for a in history.ledger.adjustments if a.multiplier == oracle.MULTIPLIER)
    executions = history.ledger.executions
    entry = next(e for e in executions if e.con_id == gone.con_id and e.moves_position)
    sold = sum(e.signed_quantity for e in executions if e.con_id == gone.con_id)
    at = (oracle.START + timedelta(seconds=900)).isoformat()
    side = "SLD" if entry.side == "BOT" else "BOT"
    again = replace(entry, exec_id="x.01.01", side=side, quantity=abs(sold), at=at)
    executions.append(again)
    return history


def _entry_while_it_differed(history: History) -> History:
    event = next(e for e in history.log if isinstance(e.body, ReconciliationCompleted))
    at = oracle.START + timedelta(seconds=0.001)
    body = event.body.model_copy(update={"clean": False, "differences": ("one",)})
    differs = msgspec.structs.replace(_with_body(event, body), recorded_at=at)
    log = [e for e in history.log if not isinstance(e.body, ReconciliationCompleted)]
    return replace(history, log=(differs, *log))


def _shares_not_seen(history: History) -> History:
    return _changed(history, ReconciliationCompleted, clean=True, differences=())


def _differs_at_last(history: History) -> History:
    return _changed(history, ReconciliationCompleted, clean=False, differences=("one",))


def _cash_differs(history: History) -> History:
    return _changed(history, ReconciliationCompleted, cash_difference=Decimal("-100"))


def _never_looked(history: History) -> History:
    log = [e for e in history.log if not isinstance(e.body, ReconciliationCompleted)]
    return replace(history, log=tuple(log))


def _rolled_a_second_time(history: History) -> History:
    order = next(o for o in history.ledger.orders if o.order_ref.endswith("-R1") and o.filled)
    history.ledger.orders.append(replace(order, order_ref=order.order_ref[:-1] + "2"))
    return history


def _rolled_to_a_wider_side(history: History) -> History:
    body = next(e.body for e in history.log if isinstance(e.body, PositionRolled))
    long = body.structure.legs[0]
    far = long.contract.model_copy(update={"strike": long.contract.strike - 40})
    legs = (long.model_copy(update={"contract": far}), *body.structure.legs[1:])
    return _changed(
        history, PositionRolled, structure=body.structure.model_copy(update={"legs": legs})
    )


def _rolled_at_another_price(history: History) -> History:
    return _changed(history, PositionRolled, basis_price=Decimal("-9"))


CORRUPTIONS: tuple[tuple[Callable[[History], list[str]], Callable[[History], History]], ...] = (
    (oracle.no_order_twice, _sent_under_another_id),
    (oracle.no_order_twice, _booked_twice),
    (oracle.one_client_id, _under_a_second_client_id),
    (oracle.one_entry_a_decision, _decided_once_entered_twice),
    (oracle.one_entry_a_decision, _bought_more_than_allowed),
    (oracle.nothing_without_intent, _sent_before_intended),
    (oracle.nothing_without_intent, _lapsed_and_sent),
    (oracle.no_fill_lost, _execution_missing),
    (oracle.no_fill_lost, _execution_invented),
    (oracle.same_positions, _position_differs),
    (oracle.same_cash, _commission_missing),
    (oracle.same_cash, _a_cent_off),
    (oracle.same_cash, _delivery_missing),
    (oracle.same_cash, _delivered_at_another_strike),
    (oracle.same_profit, _a_profit_that_was_not),
    (oracle.same_profit, _ended_at_no_price),
    (oracle.every_end_is_told, _delivery_missing),
    (oracle.every_end_is_told, _ended_at_no_price),
    (oracle.every_end_is_told, _nobody_told),
    (oracle.never_reversed, _sold_too_much),
    (oracle.nothing_closed_that_is_gone, _bought_back_though_gone),
    (oracle.rolled_once_for_less, _rolled_a_second_time),
    (oracle.rolled_once_for_less, _rolled_to_a_wider_side),
    (oracle.rolled_once_for_less, _rolled_at_another_price),
    (oracle.always_covered, _sold_too_much),
    (oracle.nothing_in_doubt, _left_unknown),
    (oracle.nothing_in_doubt, _left_working),
    (oracle.nothing_held, _held_at_the_end),
    (oracle.no_entry_after_a_halt, _entry_after_a_halt),
    (oracle.no_entry_while_it_differs, _entry_while_it_differed),
    (oracle.reconciled, _shares_not_seen),
    (oracle.reconciled, _differs_at_last),
    (oracle.reconciled, _never_looked),
    (oracle.cash_agrees, _cash_differs),
)

OF_DELIVERIES = (
    _delivery_missing,
    _ended_at_no_price,
    _delivered_at_another_strike,
    _nobody_told,
    _bought_back_though_gone,
    _shares_not_seen,
)
"""Corruptions of a life in which shares were delivered."""
OF_ROLLS = (_rolled_a_second_time, _rolled_to_a_wider_side, _rolled_at_another_price)


@pytest.mark.parametrize(
    ("check", "corrupt"), CORRUPTIONS, ids=[f"{c.__name__}-{x.__name__}" for c, x in CORRUPTIONS]
)
def test_a_check_fires_on_a_corrupt_history(
    sound: History,
    check: Callable[[History], list[str]],
    corrupt: Callable[[History], History],
) -> None:
    assert check(sound) == []
    assert check(corrupt(sound)) != []


def test_every_check_is_fed_a_corrupt_history() -> None:
    assert {check for check, _ in CORRUPTIONS} == set(CHECKS)
