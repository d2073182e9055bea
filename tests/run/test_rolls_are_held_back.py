"""What opens contracts is held back and cancelled alike, an entry or a roll, at the last step."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from domain.events.controls import TradingHalted
from domain.events.orders import IntentLapsed, OrderIntended, OrderModifyIntended, Purpose
from domain.execution import references
from run.cancel_journal import CancelJournal
from run.watchdog import cancel_entries
from tests.domain.execution.execution_build import START
from tests.on_the_log import bodies
from tests.run.test_order_effect_sends import Bench, order, sent_ids

POSITION = "P0123456789abcdef"


@pytest.fixture
async def bench(store: Any) -> Bench:
    made = Bench(store)
    await made.connect()
    return made


def roll(order_id: int, connection: str, **changes: Any) -> OrderIntended:
    ref = references.roll_ref(POSITION, order_id)
    return order(order_id, connection, order_ref=ref, purpose=Purpose.ROLL, **changes)


async def test_no_roll_leaves_after_a_halt_on_the_log_or_outside_of_it(bench: Bench) -> None:
    connection = bench.effect.connection
    bench.outside = "the file says so"
    await bench.commit(roll(100, connection))
    bench.outside = ""
    await bench.commit(TradingHalted(who="o", reason="drill"), roll(101, connection))
    assert sent_ids(bench) == []
    told = await bodies(bench.store, IntentLapsed)
    assert [body.reason.partition(":")[0] for body in told] == ["halt", "halt"]


async def test_a_roll_that_waited_too_long_lapses(bench: Bench) -> None:
    bench.late = timedelta(seconds=3)
    await bench.commit(roll(100, bench.effect.connection))
    assert sent_ids(bench) == []


async def test_a_working_roll_is_among_what_an_emergency_cancels_and_is_raised_no_more(
    bench: Bench,
) -> None:
    connection = bench.effect.connection
    await bench.commit(roll(100, connection))
    assert bench.effect.live_entries == {references.roll_ref(POSITION, 100): 100}
    bench.ledger.arrive()
    bench.broker.deliver()
    bench.effect.stop_entries("drill")
    step = OrderModifyIntended(
        order_ref=references.roll_ref(POSITION, 100),
        order_id=100,
        connection=connection,
        revision=1,
        quantity=2,
        limit_price=Decimal("1.60"),
        stop_price=None,
        leaves_before=START + timedelta(seconds=2),
    )
    await bench.commit(step)
    assert not [request for request, _ in bench.ledger.wire if request == "modify"]


class Listed:
    """A broker with these open orders."""

    def __init__(self, *refs: str) -> None:
        self.rows = [
            SimpleNamespace(client_id=1, order_ref=ref, order_id=number)
            for number, ref in enumerate(refs, 1)
        ]
        self.cancelled: list[int] = []

    async def connect(self, name: str) -> None: ...

    async def close(self, reason: str) -> None: ...

    async def snapshot(self) -> Any:
        return SimpleNamespace(open_orders=self.rows)

    def cancel(self, order_id: int) -> None:
        self.cancelled.append(order_id)


async def test_the_watchdog_cancels_rolls_and_entries_and_no_exit(tmp_path: Path) -> None:
    broker: Any = Listed(
        references.entry_ref(POSITION),
        references.roll_ref(POSITION, 1),
        references.exit_ref(POSITION, 1, 1),
        references.stop_ref(POSITION, 1),
    )
    assert await cancel_entries(broker, CancelJournal(tmp_path), 1, "drill") == 2
    assert broker.cancelled == [1, 2]
