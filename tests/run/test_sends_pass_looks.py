"""What leaves first: nothing that lowers risk waits for a snapshot or an entry."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from adapters.interactive_brokers.link import LinkError
from domain.event import Body
from domain.events.controls import AlertRaised
from domain.events.orders import (
    CANCELLED,
    REGULAR,
    BrokerSnapshotReceived,
    BrokerSnapshotWanted,
    IntentLapsed,
    OrderCancelIntended,
    OrderIntended,
    OrderModifyIntended,
    Purpose,
)
from domain.instruments import Side
from run.broker_looks import LOOKS_MAX, VOID_ROUNDS_PAGED
from tests.crash.fake_broker import FakeBroker
from tests.on_the_log import bodies
from tests.run.test_order_effect_sends import Bench, order, sent_ids


class Waiting(Bench):
    """A bench whose broker answers a snapshot when it is told to; commits are queued alone."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.asked = asyncio.Queue[None]()
        self.answer = asyncio.Semaphore(1)
        whole = self.broker.snapshot

        async def snapshot() -> BrokerSnapshotReceived:
            found = await whole()
            self.asked.put_nowait(None)
            await self.answer.acquire()
            return found

        self.broker.snapshot = snapshot  # type: ignore[method-assign]

    async def queue(self, *bodies: Body) -> None:
        drain, self.effect.drain = self.effect.drain, _nothing  # type: ignore[method-assign]
        await self.commit(*bodies)
        self.effect.drain = drain  # type: ignore[method-assign]


async def _nothing() -> None: ...


@pytest.fixture
async def bench(store: Any) -> Waiting:
    made = Waiting(store)
    await made.connect()
    made.asked.get_nowait()
    return made


def exit_order(order_id: int, connection: str) -> OrderIntended:
    return order(
        order_id,
        connection,
        order_ref=f"P0123456789abcdef-X1.{order_id}",
        purpose=Purpose.EXIT,
        action=Side.SELL,
        limit_price=Decimal("9.00"),
        leaves_before=None,
    )


def wanted(bench: Bench, reason: str) -> BrokerSnapshotWanted:
    return BrokerSnapshotWanted(connection=bench.effect.connection, reason=reason)


def is_sent(bench: Bench, order_id: int) -> bool:
    return order_id in sent_ids(bench)


async def until_sent(bench: Bench, order_id: int) -> None:
    async with asyncio.timeout(30):
        while not is_sent(bench, order_id):
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("reason", ["regular", "order 7 is unknown"])
async def test_an_exit_leaves_while_a_snapshot_waits(bench: Waiting, reason: str) -> None:
    """The broker may take 25 s for its five lists; a stop has 40 ms."""
    connection = bench.effect.connection
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(w) for w in (bench.effect.run(), bench.effect.run_looks())]
        await bench.queue(wanted(bench, reason))
        await asyncio.wait_for(bench.asked.get(), 30)
        await bench.queue(exit_order(100, connection))
        await until_sent(bench, 100)
        assert len(await bodies(bench.store, BrokerSnapshotReceived)) == 1  # that of the connection
        bench.answer.release()
        bench.answer.release()
        # Its lists were asked before the exit left and do not have it: they are asked again.
        await asyncio.wait_for(bench.asked.get(), 30)
        async with asyncio.timeout(30):
            while len(await bodies(bench.store, BrokerSnapshotReceived)) < 2:
                await asyncio.sleep(0.005)
        for task in running:
            task.cancel()
    told = (await bodies(bench.store, BrokerSnapshotReceived))[-1]
    assert [row.order_id for row in told.open_orders] == [100]


@pytest.mark.parametrize("reason", [REGULAR, CANCELLED])
async def test_an_entry_waits_for_a_doubt_and_not_for_a_look_without_one(
    bench: Waiting, reason: str
) -> None:
    """A cancel that the broker confirms is no doubt: on a slow machine the next entry waited more
    than a second for the lists."""
    connection = bench.effect.connection
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(w) for w in (bench.effect.run(), bench.effect.run_looks())]
        await bench.queue(wanted(bench, reason))
        await asyncio.wait_for(bench.asked.get(), 30)
        await bench.queue(order(100, connection))
        await until_sent(bench, 100)
        await bench.queue(wanted(bench, "100 is unknown"), order(101, connection))
        await bench.queue(exit_order(102, connection))
        await until_sent(bench, 102)
        assert not is_sent(bench, 101)
        for task in running:
            task.cancel()


async def test_a_cancel_leaves_first_then_exits_and_entries_last(bench: Waiting) -> None:
    connection = bench.effect.connection
    await bench.commit(order(100, connection))
    bench.ledger.arrive()
    bench.broker.deliver()
    left: list[str] = []
    for name in ("cancel", "place_bracket", "modify"):
        _note(bench, name, left)
    await bench.queue(
        order(103, connection),
        exit_order(102, connection),
        OrderCancelIntended(
            order_ref="P0123456789abcdef-E100", order_id=100, connection=connection, reason="test"
        ),
    )
    await bench.effect.drain()
    assert left == ["cancel 100", "place_bracket 102", "place_bracket 103"]


async def test_an_entry_that_an_exit_overtook_lapses_whole_and_never_leaves_late(
    bench: Waiting,
) -> None:
    """Ids leave in ascending order: the entry's lower one would be refused as a duplicate."""
    connection = bench.effect.connection
    parent = order(101, connection, transmit=False)
    child = order(
        102,
        connection,
        order_ref="P0123456789abcdef-S1",
        parent_ref=parent.order_ref,
        purpose=Purpose.PROTECTIVE_STOP,
        action=Side.SELL,
    )
    await bench.queue(parent, child, exit_order(103, connection))
    await bench.effect.drain()
    assert sent_ids(bench) == [103]
    lapsed = await bodies(bench.store, IntentLapsed)
    assert [(told.order_id, told.reason) for told in lapsed] == [
        (101, "order id must be above 103, was 101"),
        (102, "order id must be above 103, was 101"),
    ]
    assert bench.effect.live_entries == {}, "an emergency has no such order to cancel"
    await bench.effect.drain()
    assert sent_ids(bench) == [103]


# Looks that orders make void


class Busy(Waiting):
    """A bench whose broker is asked for lists while an exit leaves, as often as it is told."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.busy_looks = 0
        self.meanwhile: list[OrderIntended] = []
        """Committed during the last of these looks."""
        self.sent_before_look: list[int] = []

        async def snapshot() -> BrokerSnapshotReceived:
            self.sent_before_look = sent_ids(self)
            found = await FakeBroker.snapshot(self.broker)
            if self.busy_looks:
                self.busy_looks -= 1
                self.effect.looks.order_left()
                if not self.busy_looks and self.meanwhile:
                    await self.queue(*self.meanwhile)
            return found

        self.broker.snapshot = snapshot  # type: ignore[method-assign]


@pytest.fixture
async def busy(store: Any) -> Busy:
    made = Busy(store)
    await made.connect()
    return made


async def test_looks_that_orders_made_void_are_taken_again_and_hold_entries_meanwhile(
    busy: Busy,
) -> None:
    """Given up in silence, nothing would be compared until somebody asked anew."""
    busy.busy_looks = LOOKS_MAX
    busy.meanwhile = [order(100, busy.effect.connection)]
    await busy.commit(wanted(busy, "regular"))
    assert len(await bodies(busy.store, BrokerSnapshotReceived)) == 2
    assert busy.sent_before_look == [], "the entry waited for the look that succeeded"
    assert is_sent(busy, 100), "and for nothing more"
    assert await bodies(busy.store, AlertRaised) == []


async def test_lists_that_are_not_answered_cost_the_connection_and_are_paged(busy: Busy) -> None:
    """Exits wait for the lists: a connection that does not give them is worth nothing."""

    async def silent() -> BrokerSnapshotReceived:
        raise LinkError("completed orders must be answered within 5 s, was silent")

    busy.broker.snapshot = silent  # type: ignore[method-assign]
    await busy.commit(wanted(busy, "regular"))
    assert not busy.broker.is_connected
    (page,) = await bodies(busy.store, AlertRaised)
    assert (page.code, page.severity) == ("BROKER_SNAPSHOT", "critical")


async def test_a_human_is_told_once_when_no_look_succeeds_for_long(busy: Busy) -> None:
    busy.busy_looks = LOOKS_MAX * (VOID_ROUNDS_PAGED + 2)
    await busy.commit(wanted(busy, "regular"))
    (page,) = await bodies(busy.store, AlertRaised)
    assert (page.code, page.severity) == ("BROKER_LOOKS_VOID", "critical")
    assert len(await bodies(busy.store, BrokerSnapshotReceived)) == 2


def _note(bench: Bench, name: str, left: list[str]) -> None:
    send = getattr(bench.broker, name)

    def noted(first: Any, *rest: Any) -> None:
        left.append(f"{name} {first if isinstance(first, int) else first[0].order_id}")
        send(first, *rest)

    setattr(bench.broker, name, noted)


async def test_no_step_of_an_entry_leaves_between_a_release_and_the_halt_file(
    bench: Waiting,
) -> None:
    """A step nearer the market makes a fill likelier: it is risk, as the order itself is."""
    connection = bench.effect.connection
    await bench.commit(order(100, connection))
    bench.ledger.arrive()
    bench.broker.deliver()
    bench.outside = "halt file"
    step = OrderModifyIntended(
        order_ref="P0123456789abcdef-E100",
        order_id=100,
        connection=connection,
        revision=1,
        quantity=2,
        limit_price=Decimal("1.60"),
        stop_price=None,
        leaves_before=None,
    )
    await bench.commit(step)
    (told,) = await bodies(bench.store, IntentLapsed)
    assert (told.request, told.reason) == ("modify", "halt: halt file")
