"""The order effect on a real log: what leaves, what lapses, and what is written about it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from domain.event import Body, Recorded
from domain.events.controls import TradingHalted, TradingReleased
from domain.events.orders import (
    BrokerSnapshotReceived,
    IntentLapsed,
    IntentSent,
    OrderCancelIntended,
    OrderIdBlockReserved,
    OrderIntended,
    OrderModifyIntended,
    OrderType,
    Purpose,
)
from domain.events.system import ClockTicked
from domain.instruments import Side
from run.order_effect import OrderEffect
from run.worker import Recorder
from store.postgres import PostgresStore
from tests.crash.fake_broker import FakeBroker
from tests.crash.fake_ledger import ACCOUNT, Ledger
from tests.domain.execution.execution_build import START, contract, long_call
from tests.on_the_log import bodies


class Bench:
    """An effect that is connected, with a committed block of ids."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.ledger = Ledger(Random(1), START)
        self.ledger.quotes[contract().con_id] = (Decimal("1.98"), Decimal("2.02"))
        self.broker = FakeBroker(self.ledger, "run1", lambda _: None)
        self.recorder = Recorder(store, "trader", "test", "run1")
        self.late = timedelta(0)
        self.outside = ""
        self.deciding: dict[int, Recorded] = {}
        """Inputs that the worker still has."""
        self.effect = OrderEffect(
            self.broker,
            self.recorder,
            store,
            "run1",
            self.now,
            lambda: self.outside,
            lambda position: self.deciding.get(position),
        )
        self.inputs = 0
        self.real: datetime = START

    def now(self) -> datetime:
        return self.real + self.late

    async def connect(self) -> None:
        await self.effect.connect_once()
        block = OrderIdBlockReserved(
            connection=self.effect.connection, client_id=1, first=100, last=199, next_valid_id=1
        )
        await self.commit(block)

    async def commit(self, *bodies: Body) -> None:
        """A tick, and these bodies as what a stage emitted for it; then they are carried out."""
        tick = self.recorder.propose("clock", ClockTicked(worker="trader"), market_time=START)
        where = await self.store.append([tick])
        self.real = where.recorded_at
        events: list[Recorded] = []
        for ordinal, body in enumerate(bodies):
            proposed = self.recorder.propose(f"test/{ordinal}", body)
            appended = await self.store.append([proposed])
            found = await self.store.event(proposed.event_id)
            assert found is not None and appended.positions
            events.append(_emitted(found, where.positions[0], ordinal))
        self.effect.on_committed(events)
        await self.effect.drain()


def _emitted(event: Recorded, input_position: int, ordinal: int) -> Recorded:

    return replace(event, input_position=input_position, ordinal=ordinal)


def order(order_id: int, connection: str, **changes: Any) -> OrderIntended:
    intent = OrderIntended(
        order_ref=f"P0123456789abcdef-E{order_id}",
        order_id=order_id,
        client_id=1,
        connection=connection,
        broker_ready_id="r",
        purpose=Purpose.ENTRY,
        signal_id="s",
        decision_id="d",
        position_id="P0123456789abcdef",
        structure=long_call(),
        action=Side.BUY,
        quantity=2,
        order_type=OrderType.LIMIT,
        limit_price=Decimal("1.50"),
        stop_price=None,
        account=ACCOUNT,
        leaves_before=START + timedelta(seconds=2),
    )
    return intent.model_copy(update=changes)


@pytest.fixture
async def bench(store: Any) -> Bench:
    made = Bench(store)
    await made.connect()
    return made


def sent_ids(bench: Bench) -> list[int]:
    bench.ledger.arrive()
    return sorted(bench.ledger.orders)


async def test_a_reserved_block_is_followed_by_a_snapshot(bench: Bench) -> None:
    assert len(await bodies(bench.store, BrokerSnapshotReceived)) == 1


async def test_an_intent_is_sent_and_then_said_to_be(bench: Bench) -> None:
    await bench.commit(order(100, bench.effect.connection))
    assert sent_ids(bench) == [100]
    (told,) = await bodies(bench.store, IntentSent)
    assert (told.order_id, told.request, told.run_id) == (100, "place", "run1")
    assert bench.effect.live_entries == {"P0123456789abcdef-E100": 100}


async def test_an_intent_of_another_connection_lapses_on_the_log_and_in_the_processs_own(
    bench: Bench,
) -> None:
    with capture_logs() as lines:
        await bench.commit(order(100, "gone"))
    assert sent_ids(bench) == []
    (told,) = await bodies(bench.store, IntentLapsed)
    assert "its connection gone is gone" in told.reason
    assert [(line["event"], line["reason"]) for line in lines] == [("intent lapsed", told.reason)]


async def test_an_entry_that_waited_too_long_lapses_by_real_age(bench: Bench) -> None:
    bench.late = timedelta(seconds=3)
    await bench.commit(order(100, bench.effect.connection))
    assert sent_ids(bench) == []
    (told,) = await bodies(bench.store, IntentLapsed)
    assert "must leave before" in told.reason


async def test_an_entry_whose_commit_had_to_wait_for_the_log_lapses_by_its_age(
    database_url: str,
) -> None:
    waits: list[float] = []
    owner = await asyncpg.connect(database_url)
    async with await PostgresStore.open(
        database_url, application_name="test", on_wait=waits.append
    ) as store:
        bench = Bench(store)
        await bench.connect()
        tick = bench.recorder.propose("clock", ClockTicked(worker="trader"), market_time=START)
        where = await store.append([tick])
        limit = START + timedelta(milliseconds=400)
        intent = order(100, bench.effect.connection, leaves_before=limit)
        proposed = bench.recorder.propose("test", intent)
        async with owner.transaction():
            await owner.execute("SELECT pg_advisory_xact_lock(7236002)")
            committing = asyncio.create_task(store.append([proposed]))
            async with asyncio.timeout(20):
                while not waits:
                    await asyncio.sleep(0.01)
        await asyncio.wait_for(committing, 20)
        found = await store.event(proposed.event_id)
        assert found is not None
        effect = OrderEffect(bench.broker, bench.recorder, store, "run1")
        effect.connection = bench.effect.connection
        effect.on_committed([_emitted(found, where.positions[0], 0)])
        await effect.drain()
        assert sent_ids(bench) == []
        (told,) = await bodies(bench.store, IntentLapsed)
        assert "must leave before" in told.reason
    await owner.close()


class SlowToRead:
    """A log whose server came back three seconds after it was asked."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def read(self, *args: Any, **given: Any) -> list[Recorded]:
        found = await self._bench.store.read(*args, **given)
        self._bench.late = timedelta(seconds=3)
        return found


async def test_an_entry_whose_last_look_had_to_wait_for_the_log_lapses_by_its_age(
    bench: Bench,
) -> None:
    bench.effect.store = SlowToRead(bench)  # type: ignore[assignment]
    await bench.commit(order(100, bench.effect.connection))
    assert sent_ids(bench) == []
    (told,) = await bodies(bench.store, IntentLapsed)
    assert "must leave before" in told.reason


@pytest.mark.parametrize(("late_seconds", "sent"), [(1, [100]), (3, [])])
async def test_an_entry_whose_input_the_worker_still_has_is_judged_by_its_age_without_the_log(
    bench: Bench, late_seconds: int, sent: list[int]
) -> None:
    """The log is not asked between the commit and the bytes; what came late lapses all the same."""

    class Unasked:
        async def read(self, *_: Any, **__: Any) -> list[Recorded]:
            raise AssertionError("the log must not be asked for an input that is known")

    tick = bench.recorder.propose("clock", ClockTicked(worker="trader"), market_time=START)
    (position,) = (await bench.store.append([tick])).positions
    source = await bench.store.event(tick.event_id)
    intent = bench.recorder.propose("test", order(100, bench.effect.connection))
    await bench.store.append([intent])
    decided = await bench.store.event(intent.event_id)
    bench.deciding[position] = source
    bench.real, bench.late = source.recorded_at, timedelta(seconds=late_seconds)
    bench.effect.store = Unasked()  # type: ignore[assignment]
    bench.effect.on_committed([_emitted(decided, position, 0)])
    await bench.effect.drain()
    assert sent_ids(bench) == sent
    assert len(await bodies(bench.store, IntentLapsed)) == 1 - len(sent)


async def test_a_step_of_an_entry_that_waited_too_long_lapses_and_one_of_an_exit_does_not(
    bench: Bench,
) -> None:
    connection = bench.effect.connection
    leaving = order(
        101,
        connection,
        order_ref="P0123456789abcdef-X1.1",
        purpose=Purpose.EXIT,
        action=Side.SELL,
        limit_price=Decimal("9.00"),
        leaves_before=None,
    )
    await bench.commit(order(100, connection))
    await bench.commit(leaving)
    bench.ledger.arrive()
    bench.broker.deliver()
    bench.late = timedelta(seconds=3)

    def step(order_id: int, order_ref: str, leaves_before: datetime | None) -> OrderModifyIntended:
        return OrderModifyIntended(
            order_ref=order_ref,
            order_id=order_id,
            connection=connection,
            revision=1,
            quantity=2,
            limit_price=Decimal("1.60"),
            stop_price=None,
            leaves_before=leaves_before,
        )

    await bench.commit(
        step(100, "P0123456789abcdef-E100", START + timedelta(seconds=2)),
        step(101, leaving.order_ref, None),
    )
    assert [request for request, _ in bench.ledger.wire] == ["modify"]
    (told,) = await bodies(bench.store, IntentLapsed)
    assert (told.order_id, told.request) == (100, "modify")


async def test_an_exit_does_not_lapse_by_age_or_halt(bench: Bench) -> None:
    bench.late = timedelta(minutes=10)
    bench.effect.stop_entries("drill")
    leaving = order(
        100,
        bench.effect.connection,
        order_ref="P0123456789abcdef-X1.1",
        purpose=Purpose.EXIT,
        action=Side.SELL,
        leaves_before=None,
    )
    await bench.commit(leaving)
    assert sent_ids(bench) == [100]


async def test_no_entry_leaves_between_a_halt_and_its_release(bench: Bench) -> None:
    connection = bench.effect.connection
    await bench.commit(TradingHalted(who="o", reason="drill"), order(100, connection))
    assert sent_ids(bench) == []
    await bench.commit(TradingReleased(who="o", reason="done"), order(101, connection))
    assert sent_ids(bench) == [101]


async def test_no_entry_leaves_between_a_release_and_the_halt_file(bench: Bench) -> None:
    """A release on the log does not take away the file, nor make a worker that stands decide."""
    connection = bench.effect.connection
    bench.outside = "the file says so"
    await bench.commit(TradingHalted(who="o", reason="drill"))
    await bench.commit(TradingReleased(who="o", reason="done"), order(100, connection))
    assert sent_ids(bench) == []
    bench.outside = ""
    await bench.commit(order(101, connection))
    assert sent_ids(bench) == [101]


async def test_parent_and_child_go_in_one_write_or_not_at_all(bench: Bench) -> None:
    connection = bench.effect.connection
    parent = order(100, connection, transmit=False)
    child = order(
        101,
        connection,
        order_ref="P0123456789abcdef-S1",
        purpose=Purpose.PROTECTIVE_STOP,
        action=Side.SELL,
        order_type=OrderType.STOP_LIMIT,
        stop_price=Decimal("0.75"),
        parent_ref=parent.order_ref,
    )
    await bench.commit(parent, child)
    assert [request.order_id for _, request in bench.ledger.wire] == [100, 101]
    bench.effect.stop_entries("drill")
    again = [
        parent.model_copy(update={"order_id": 102, "order_ref": "P0123456789abcdee-E1"}),
        child.model_copy(update={"order_id": 103, "parent_ref": "P0123456789abcdee-E1"}),
    ]
    await bench.commit(*again)
    assert sent_ids(bench) == [100, 101]
    assert [told.order_id for told in await bodies(bench.store, IntentLapsed)] == [102, 103]


async def test_an_order_is_modified_only_after_it_was_shown_on_this_connection(
    bench: Bench,
) -> None:
    intent = order(100, bench.effect.connection)
    change = OrderModifyIntended(
        order_ref=intent.order_ref,
        order_id=100,
        connection=bench.effect.connection,
        revision=1,
        quantity=2,
        limit_price=Decimal("1.60"),
        stop_price=None,
    )
    await bench.commit(intent, change)
    assert [told.request for told in await bodies(bench.store, IntentLapsed)] == ["modify"]
    bench.ledger.arrive()
    bench.broker.deliver()
    await bench.commit(change.model_copy(update={"revision": 2}))
    assert [told.revision for told in await bodies(bench.store, IntentSent)] == [0, 2]


async def test_a_cancel_goes_out_while_entries_are_stopped(bench: Bench) -> None:
    intent = order(100, bench.effect.connection)
    await bench.commit(intent)
    bench.ledger.arrive()
    bench.effect.stop_entries("drill")
    cancel = OrderCancelIntended(
        order_ref=intent.order_ref,
        order_id=100,
        connection=bench.effect.connection,
        reason="halt",
    )
    await bench.commit(cancel)
    bench.ledger.arrive()
    assert bench.ledger.orders[100].status == "Cancelled"


async def test_nothing_leaves_when_the_outcome_of_the_last_could_not_be_written(
    bench: Bench,
) -> None:
    connection = bench.effect.connection
    real = bench.effect.recorder

    class Unwritable(Recorder):
        async def append(self, events: Any) -> Any:
            raise ConnectionError("the log is gone")

    bench.effect.recorder = Unwritable(bench.store, "trader", "test", "run1")
    with pytest.raises(ConnectionError):
        await bench.commit(order(100, connection), order(101, connection))
    bench.effect.recorder = real
    assert sent_ids(bench) == [100]


async def test_a_question_about_margin_that_cannot_be_asked_lapses_as_one(store: Any) -> None:
    bench = Bench(store)
    await bench.connect()
    asked = order(101, "gone", purpose=Purpose.WHAT_IF, order_ref="dec-1", position_id="")
    await bench.commit(asked)
    [lapsed] = await bodies(store, IntentLapsed)
    assert (lapsed.request, lapsed.order_ref) == ("what_if", "dec-1")
    assert lapsed.reason == "its connection gone is gone"
