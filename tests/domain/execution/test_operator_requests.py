"""What the broker holds and nothing explains: the operator says whose it is, and only that."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.events.controls import ControlRefused
from domain.events.orders import OrderIntended, SnapshotPosition
from domain.events.positions import (
    AdjustmentRequested,
    PositionAdjusted,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    PositionReopened,
)
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import held, listed, underlying_ticks
from tests.domain.execution.test_holdings_harms import (
    LONG,
    SHORT,
    holding,
    holding_vertical,
    is_clean,
    shares,
    units,
)

SHARES = shares(1).con_id


def looks(bench: Bench, stop: OrderIntended, *rows: SnapshotPosition, times: int = 2) -> None:
    """Looks eleven seconds apart at the broker's holdings, beside our four calls."""
    for _ in range(times):
        bench.now += timedelta(seconds=11)
        row = listed(stop, "PreSubmitted", why_held="trigger")
        bench.snapshot(open_orders=[row], positions=[held(LONG, 4), *rows])


def ask(bench: Bench, con_id: int, quantity: int, **changes: Any) -> list[Any]:
    request = AdjustmentRequested(
        con_id=con_id,
        quantity=quantity,
        position_id="",
        price=None,
        evidence="statement of yesterday",
        who="ann",
        route="api",
        reason="bought by hand",
        reauthenticated=True,
    )
    return bench.give(request.model_copy(update=changes))


def refusal(bodies: list[Any]) -> str:
    (refused,) = [body for body in bodies if isinstance(body, ControlRefused)]
    assert not [body for body in bodies if isinstance(body, PositionAdjusted)]
    return refused.reason


def test_a_holding_that_the_operator_explains_is_no_difference_any_more() -> None:
    bench, _, stop = holding()
    looks(bench, stop, held(SHORT, 2))
    assert not is_clean(bench)
    bodies = ask(bench, SHORT.con_id, 2)
    (adjusted,) = [body for body in bodies if isinstance(body, PositionAdjusted)]
    assert (adjusted.kind, adjusted.position_id, adjusted.quantity) == ("operator", "", 2)
    assert adjusted.evidence == "ann: statement of yesterday (bought by hand)"
    looks(bench, stop, held(SHORT, 2))
    assert is_clean(bench) and units(bench) == 4


def test_an_explained_holding_that_goes_is_a_difference_again_until_it_is_taken_back() -> None:
    """The desk must not go on expecting what the operator has sold by hand."""
    bench, _, stop = holding()
    looks(bench, stop, held(SHORT, 2))
    ask(bench, SHORT.con_id, 2)
    looks(bench, stop)
    assert not is_clean(bench)
    ask(bench, SHORT.con_id, -2)
    looks(bench, stop)
    assert is_clean(bench)


def test_shares_of_the_operator_are_explained_and_no_evidence_of_an_assignment() -> None:
    """A short call that is gone, beside shares that were there before, was not assigned."""
    bench = holding_vertical()
    for _ in range(2):
        bench.now += timedelta(seconds=11)
        bench.snapshot(positions=[held(LONG, 4), held(SHORT, -4), shares(-200)])
    ask(bench, SHARES, -200)
    bench.give(underlying_ticks(608.0, bench.now))
    bench.snapshot(positions=[held(LONG, 4), held(SHORT, -4), shares(-200)])
    assert is_clean(bench)
    bench.snapshot(positions=[held(LONG, 4), held(SHORT, -2), shares(-200)])
    assert [a.kind for a in bench.all(PositionAdjusted)] == ["operator"]
    bench.snapshot(positions=[held(LONG, 4), held(SHORT, -2), shares(-400)])
    assert [a.kind for a in bench.all(PositionAdjusted)] == ["operator", "assignment"]


def test_delivered_shares_that_the_operator_keeps_open_the_desk_and_count_once() -> None:
    bench = holding_vertical()
    bench.give(underlying_ticks(608.0, bench.now))
    rows = [held(LONG, 4), held(SHORT, -2), shares(-200)]
    for _ in range(2):
        bench.now += timedelta(seconds=11)
        bench.snapshot(positions=rows)
    assert not is_clean(bench)
    ask(bench, SHARES, -200)
    bench.snapshot(positions=rows)
    assert is_clean(bench)
    bench.snapshot(positions=[held(LONG, 4), shares(-400)])
    assert [a.kind for a in bench.all(PositionAdjusted)] == ["assignment", "operator", "assignment"]


def closed() -> tuple[Bench, str]:
    """Its stop sold our four calls at 1.00; the broker shows one all the same."""
    bench, _, stop = holding()
    bench.fill(stop, 4, "1.00")
    bench.seen(listed(stop, "Filled", 4))
    bench.wait(61)
    assert bench.all(PositionClosed)
    for _ in range(2):
        bench.now += timedelta(seconds=11)
        bench.snapshot(positions=[held(LONG, 1)])
    assert not is_clean(bench)
    return bench, bench.all(PositionOpened)[-1].position_id


def test_a_contract_of_a_closed_position_opens_it_again_at_its_price() -> None:
    """Its stop and exits watch it from then on, and its result counts it."""
    bench, position = closed()
    ask(bench, LONG.con_id, 1, position_id=position, price=Decimal("2.00"))
    (reopened,) = bench.all(PositionReopened)
    assert (reopened.position_id, units(bench)) == (position, 1)
    changed = bench.all(PositionChanged)[-1]
    assert (changed.average_entry_price, changed.realised_pnl) == (Decimal("2.00"), Decimal("-400"))
    bench.snapshot(positions=[held(LONG, 1)])
    assert is_clean(bench)


def test_a_contract_is_given_to_no_position_that_cannot_have_it() -> None:
    bench, position = closed()
    given = {"position_id": position, "price": Decimal("2.00")}
    assert "name what the contract cost" in refusal(
        ask(bench, LONG.con_id, 1, position_id=position)
    )
    for _ in range(2):
        bench.now += timedelta(seconds=11)
        bench.snapshot(positions=[held(LONG, -1), held(SHORT, 1)])
    assert "must be a leg of" in refusal(ask(bench, SHORT.con_id, 1, **given))
    assert "would hold -1" in refusal(ask(bench, LONG.con_id, -1, **given))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"quantity": 3}, "+2, was +3"),
        ({"reason": " "}, "reason and evidence"),
        ({"evidence": ""}, "reason and evidence"),
        ({"reauthenticated": False}, "give the password"),
        ({"con_id": 4_711}, "must differ in two looks"),
        ({"position_id": "P00000000000000ff"}, "ask without a position"),
        ({"price": Decimal(1)}, "leave it out"),
    ],
)
def test_what_the_broker_does_not_show_is_refused_with_what_to_do(
    changes: dict[str, Any], told: str
) -> None:
    bench, _, stop = holding()
    looks(bench, stop, held(SHORT, 2))
    assert told in refusal(ask(bench, **({"con_id": SHORT.con_id, "quantity": 2} | changes)))
    looks(bench, stop, held(SHORT, 2), times=1)
    assert not is_clean(bench)


def test_a_difference_that_one_look_showed_is_not_sure_enough() -> None:
    """A fill may be on its way."""
    bench, _, stop = holding()
    looks(bench, stop, held(SHORT, 2), times=1)
    assert "two looks" in refusal(ask(bench, SHORT.con_id, 2))
