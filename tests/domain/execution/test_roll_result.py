"""What a rolled condor made, by hand: entry, roll, exit and fees, in the ledger and in every table.

Two units. Entry: puts 590/587 sold at 0.50, calls 610/613 at 0.50: 1.00. Roll: the puts bought back
at 0.20, 595/592 sold at 0.40: 0.20 more. Exit: the new puts bought back at 0.10, the calls at 0.90.
A unit: 50 - 20 + 40 - 10 of the puts, 50 - 90 of the calls: 20 dollars; 24 executions at 0.65.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from api.desk_fold import HANDLERS
from api.fold_state import DeskFold
from domain.events.orders import BrokerCommissionSeen, OrderIntended, Purpose
from domain.events.positions import PositionChanged, PositionClosed, PositionMarked, StopMoved
from domain.events.rolls import PositionRolled
from projections.audit import changes
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import listed
from tests.domain.execution.roll_build import (
    ask,
    holding_condor,
    legs_filled,
    orders,
    quotes,
)
from tests.domain.execution.stories import flatten, only

FEE = Decimal("0.65")
ROLLED = {"p590": -0.51, "p587": -0.21, "p595": -0.66, "p592": -0.46, "c610": 0.3, "c613": 0.1}
"""Puts are cheaper when it is rolled: 590 at 0.40, 587 at 0.20, 595 at 0.95, 592 at 0.55."""


def executed(bench: Bench, intent: OrderIntended, prices: tuple[str, ...], name: str) -> None:
    bench.sent(intent)
    bench.seen(listed(intent))
    for execution in legs_filled(intent, intent.quantity, prices, name, bench.now):
        bench.give_execution(execution)
        commission(bench, execution.exec_id, intent.quantity)
    bench.seen(listed(intent, "Filled", intent.quantity))


def commission(bench: Bench, exec_id: str, units: int) -> None:
    bench.give(
        BrokerCommissionSeen(
            connection=bench.connection,
            exec_id=exec_id,
            commission=FEE * units,
            currency="USD",
            realised_pnl=None,
        )
    )


@pytest.fixture(scope="module")
def story() -> Bench:
    bench = holding_condor(2)
    for leg in range(4):
        commission(bench, f"e.0{leg + 2}.01", 2)
    bench.wait(6, quotes(bench.now, **ROLLED))
    for ticks in quotes(bench.now, **ROLLED):
        bench.give(ticks)
    net = {"net_mid": Decimal("-0.20"), "net_bid": Decimal("-0.24"), "net_ask": Decimal("-0.16")}
    emitted = ask(bench, 2, model_mid=Decimal("-0.20"), **net)
    (roll,) = only(emitted, OrderIntended)
    # In the order of its legs: 590 bought back, 587 sold out, 595 sold, 592 bought.
    executed(bench, roll, ("0.40", "0.20", "0.95", "0.55"), "r")
    bench.wait(1.2, quotes(bench.now, **ROLLED))
    flatten(bench)
    (leaving,) = orders(bench, Purpose.EXIT)
    prices = {"595": "0.30", "592": "0.20", "610": "1.50", "613": "0.60"}
    executed(
        bench,
        leaving,
        tuple(prices[str(leg.contract.strike)] for leg in leaving.structure.legs),
        "x",
    )
    return bench


def test_a_roll_realises_the_old_side_and_its_basis_is_the_credit_of_both(story: Bench) -> None:
    (told,) = story.all(PositionRolled)
    assert (told.net_price, told.basis_price) == (Decimal("-0.20"), Decimal("-1.20"))
    # Twelve executions of a contract at 0.65 and 0.05 beside a width of 3.00 less 1.20.
    assert told.max_loss_per_unit_usd == Decimal("188.40")
    after = next(
        b for b in story.all(PositionChanged) if b.fill_id == "r.05" and b.fees == 7 * 2 * FEE
    )
    # The old side brought 0.30 a share of two units; the calls at 0.50 and the new puts at 0.40.
    assert after.realised_pnl == Decimal("60.00") - 7 * 2 * FEE
    assert after.average_entry_price == Decimal("-0.90")


def test_marks_and_realised_profit_of_a_rolled_condor_add_up_to_its_result(story: Bench) -> None:
    rolled_at = next(i for i, e in enumerate(story.log) if isinstance(e.body, PositionRolled))
    marked = next(e.body for e in story.log[rolled_at:] if isinstance(e.body, PositionMarked))
    realised = story.all(PositionChanged)
    at = next(b for b in realised if b.fill_id == "r.05" and b.fees == 8 * 2 * FEE)
    whole = Decimal(marked.unrealised_pnl) + at.realised_pnl
    assert whole == (Decimal(marked.mark) + Decimal("1.20")) * 200 - 16 * FEE


def test_the_whole_result_of_a_rolled_condor_is_that_of_its_cash(story: Bench) -> None:
    (closed,) = story.all(PositionClosed)
    assert closed.fees == 24 * FEE
    assert closed.realised_pnl == Decimal("40.00") - 24 * FEE
    assert (closed.entry_price, closed.exit_price) == (Decimal("-0.90"), Decimal("-1.00"))


def test_the_page_and_the_audit_table_show_the_result_and_the_new_condor(story: Bench) -> None:
    fold, audit = DeskFold(), dict[str, Any]()
    for event in story.log:
        handler = HANDLERS.get(type(event.body))
        if handler is not None:
            handler(fold, event, event.body)
        for change in changes(event):
            if change.table == "positions":
                audit |= change.values
    (row,) = fold.positions.values()
    result = str(Decimal("40.00") - 24 * FEE)
    assert (row["realised_pnl"], row["fees"], row["units"]) == (result, str(24 * FEE), 0)
    assert str(audit["realised_pnl"]) == result
    assert [leg.split()[-1] for leg in row["structure"]] == ["595P", "592P", "610C", "613C"]
    assert '"strike":"595"' in str(audit["structure"])
    assert str(audit["max_loss_per_unit_usd"]) == "188.40"


def test_the_stop_that_a_roll_sets_says_which_one_it_replaces(story: Bench) -> None:
    moves = story.all(StopMoved)
    number = next(n for n, move in enumerate(moves) if move.kind == "roll")
    assert moves[number].previous_stop_price == moves[number - 1].stop_price
    assert moves[number].stop_price == Decimal("-2.40")
