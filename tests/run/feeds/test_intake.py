"""What readers put is appended in order, and one message never costs another."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from datetime import UTC, datetime, timedelta

import msgspec

from adapters.unusual_whales import FRAME_BYTES_MAX
from domain.event import derived_id
from domain.events.controls import AlertRaised
from domain.events.feed_health import (
    FeedGapClosed,
    FeedGapOpened,
    FeedMessageRestated,
    FeedMinuteCounted,
)
from domain.events.feeds import FeedMessageRejected, UwPriceReceived
from run.feeds.intake import Intake
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore
from tests.on_the_log import bodies
from tests.run.feeds.conftest import running
from tests.waiting import Until

AT = datetime(2026, 11, 27, 15, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 27, 15, 1, tzinfo=UTC)


def price(sequence: int, payload: bytes = b'{"close":"600.1"}') -> UwPriceReceived:
    return UwPriceReceived(
        channel="price:SPY",
        connection="c",
        sequence=sequence,
        received_at=AT,
        payload=msgspec.Raw(payload),
    )


def put(
    intake: Intake, body: UwPriceReceived, stream: str = "uw/price:SPY", is_urgent: bool = True
) -> None:
    identity = derived_id("uw", body.connection, body.sequence)
    intake.put(
        stream, body, feed="uw.socket", occurred_at=AT, event_id=identity, is_urgent=is_urgent
    )


async def test_a_message_that_the_log_refuses_is_kept_and_costs_no_other(
    intake: Intake, store: PostgresStore, until: Until
) -> None:
    """Text that is no JSON, and a stream's name that Postgres cannot hold, amid good messages."""
    for sequence in range(40):
        put(intake, price(sequence, b"<html>" if sequence == 7 else b"{}"))
    put(intake, price(40), stream="uw/p\0")
    put(intake, price(41))
    async with running(intake):
        await until(lambda: intake.appended == 42)
    kept = [body.sequence for body in await bodies(store, UwPriceReceived)]
    assert kept == [n for n in range(42) if n not in (7, 40)]
    rejected = await bodies(store, FeedMessageRejected)
    assert [(body.vendor, "cannot be stored" in body.reason) for body in rejected] == [
        ("uw", True),
        ("uw", True),
    ]
    assert b"<html>" in base64.b64decode(rejected[0].payload_base64)


async def test_a_restated_message_is_kept_beside_the_first_and_costs_its_neighbours_nothing(
    intake: Intake, store: PostgresStore, until: Until
) -> None:
    """The same restatement again, on another connection, is the same fact."""
    put(intake, price(3, b'{"close":"1"}'))
    async with running(intake):
        await until(lambda: intake.appended == 1)
    for sequence in range(6):
        put(intake, price(sequence, b'{"close":"2"}'))
    put(intake, msgspec.structs.replace(price(3, b'{"close":"2"}'), received_at=LATER))
    async with running(intake):
        await until(lambda: intake.restated == 2 and not intake.depth)
        await until(lambda: intake.appended == 8)
    found = [(body.sequence, bytes(body.payload)) for body in await bodies(store, UwPriceReceived)]
    two = b'{"close":"2"}'
    assert found == [(3, b'{"close":"1"}'), *((n, two) for n in (0, 1, 2, 4, 5))]
    (event,) = await store.read(0, Selection(types=frozenset({"FeedMessageRestated"})))
    restated = event.body
    assert isinstance(restated, FeedMessageRestated)
    assert (restated.vendor, restated.stream) == ("uw", "uw/price:SPY")
    assert two in bytes(restated.content)
    assert event.causation_id == derived_id("uw", "c", 3)


async def test_a_full_queue_is_a_gap_and_an_alarm_from_the_first_loss_with_a_count_at_its_end(
    recorder: Recorder, store: PostgresStore, until: Until
) -> None:
    intake = Intake(recorder, queue_messages_max=10)
    for sequence in range(25):
        put(intake, price(sequence))
    async with running(intake):
        await until(lambda: intake.appended == 13)
    types = [event.type for event in await store.read(0)]
    assert types == [
        *("FeedGapOpened", "AlertRaised"),
        *["UwPriceReceived"] * 10,
        "FeedGapClosed",
    ]
    (opened,) = await bodies(store, FeedGapOpened)
    (closed,) = await bodies(store, FeedGapClosed)
    (alert,) = await bodies(store, AlertRaised)
    assert (opened.feed, opened.gap_id) == ("uw.socket", closed.gap_id)
    assert (closed.messages_lost, closed.complete) == (15, False)
    assert alert.severity == "critical"


async def test_what_is_not_urgent_leaves_in_the_commit_of_what_is_and_in_its_order(
    intake: Intake, store: PostgresStore, until: Until
) -> None:
    async with running(intake):
        for sequence in range(3):
            put(intake, price(sequence), is_urgent=False)
            await asyncio.sleep(0)
        put(intake, price(3))
        await until(lambda: intake.appended == 4)
    events = await store.read(0)
    assert [event.body.sequence for event in events] == [0, 1, 2, 3]  # type: ignore[union-attr]
    assert len({event.recorded_at for event in events}) == 1


async def test_what_is_not_urgent_does_not_wait_for_ever(
    intake: Intake, store: PostgresStore, until: Until
) -> None:
    async with running(intake):
        put(intake, price(0), is_urgent=False)
        await until(lambda: intake.appended == 1)


async def test_what_is_queued_at_the_end_is_appended(
    intake: Intake, store: PostgresStore, until: Until
) -> None:
    task = asyncio.create_task(intake.run())
    for sequence in range(2_000):
        put(intake, price(sequence))
    await intake.finish(task, 10.0)
    assert task.done() and not task.cancelled()
    assert len(await bodies(store, UwPriceReceived)) == 2_000
    assert await bodies(store, FeedGapOpened) == []


async def test_what_cannot_be_appended_in_time_at_the_end_is_a_gap_with_its_count(
    intake: Intake, store: PostgresStore
) -> None:
    task = asyncio.create_task(intake.run())
    for sequence in range(4_000):
        put(intake, price(sequence))
    intake.abandon("uw.socket", 7)
    await intake.finish(task, 0.0)
    (closed,) = await bodies(store, FeedGapClosed)
    (opened,) = await bodies(store, FeedGapOpened)
    assert opened.gap_id == closed.gap_id and opened.since == AT
    kept = len(await bodies(store, UwPriceReceived))
    assert closed.messages_lost is not None
    assert 4_007 - kept <= closed.messages_lost <= 4_007
    assert len(await bodies(store, AlertRaised)) == 1


async def test_rejected_bytes_are_kept_whole_up_to_the_largest_frame_and_a_cut_is_marked(
    intake: Intake, store: PostgresStore, until: Until
) -> None:
    whole, over = b"x" * 100_000, b"y" * (FRAME_BYTES_MAX + 1)
    intake.reject("uw", "uw.rest", "no JSON", whole)
    intake.reject("uw", "uw.rest", "no JSON", over)
    async with running(intake):
        await until(lambda: intake.appended == 2)
    kept, cut = await bodies(store, FeedMessageRejected)
    assert (base64.b64decode(kept.payload_base64), kept.reason) == (whole, "no JSON")
    assert base64.b64decode(cut.payload_base64) == over[:FRAME_BYTES_MAX]
    digest = hashlib.sha256(over).hexdigest()
    assert cut.reason == (
        f"no JSON; cut at {FRAME_BYTES_MAX} of {FRAME_BYTES_MAX + 1} bytes, sha256 {digest}"
    )


async def test_what_each_channel_brought_is_written_once_a_minute(
    intake: Intake, store: PostgresStore, until: Until
) -> None:
    """Also what was lost of it, and what came again."""
    now = datetime.now(UTC)
    intake.count_minute(now + timedelta(minutes=1))
    for sequence in (1, 2, 2):
        put(intake, price(sequence))
    intake.put("ib/ticks/SPY", price(9), feed="ib.data")
    intake.reject("uw", "uw.socket", "no frame", b"1234")
    intake.minutes.delayed("uw.socket", "price:SPY", 0.25)
    intake.minutes.lost("uw.socket", "price:SPY", 3)
    async with running(intake):
        await until(lambda: intake.is_empty)
        intake.count_minute(now + timedelta(minutes=1))
        assert intake.is_empty
        intake.count_minute(now + timedelta(minutes=2))
        await until(lambda: intake.is_empty)
    counts = {(c.feed, c.channel): c for c in await bodies(store, FeedMinuteCounted)}
    assert counts.keys() == {
        ("uw.socket", "price:SPY"), ("uw.socket", ""), ("ib.data", "ticks SPY"),
    }  # fmt: skip
    prices = counts["uw.socket", "price:SPY"]
    assert (prices.messages, prices.repeated, prices.lost) == (3, 1, 3)
    assert (prices.bytes, prices.delay_ms_p99) == (3 * 17, 250.0)
    assert prices.minute == (now + timedelta(minutes=1)).replace(second=0, microsecond=0)
    rejected = counts["uw.socket", ""]
    assert (rejected.messages, rejected.rejected) == (1, 1)


async def test_the_time_from_receipt_to_durable_is_told_of_each_message(
    intake: Intake, until: Until
) -> None:
    now = datetime.now(UTC)
    for sequence, seconds in enumerate((0.0, 0.0, 40.0)):
        received_at = now - timedelta(seconds=seconds)
        put(intake, msgspec.structs.replace(price(sequence), received_at=received_at))
    async with running(intake):
        await until(lambda: intake.appended == 3)
    figures = intake.lags.take_figures()
    assert sum(n for name, n in figures.items() if "_le_" in name) == 3
    assert figures["intake.lag_seconds_le_60"] == 1
    assert 40 <= figures["intake.lag_seconds_max"] < 60
    assert intake.lags.take_figures() == {}
