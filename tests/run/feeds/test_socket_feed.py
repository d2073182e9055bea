"""Frames of the vendor's socket on their way to the log."""

from __future__ import annotations

import asyncio
from datetime import date

from domain.events.controls import AlertRaised
from domain.events.feed_health import FeedGapClosed, FeedGapOpened, FeedStateChanged
from domain.events.feeds import UwPriceReceived
from run.feeds.intake import Intake
from run.feeds.states import FeedStates
from run.feeds.uw_socket import SocketFeed, channels
from run.worker import Recorder
from store.postgres import PostgresStore
from tests.run.feeds.conftest import Until, bodies, running
from tests.run.feeds.vendor import Vendor, serving

FRAME = b'["price:SPY",{"close":"600.1"}]'
DAY = date(2026, 11, 27)
FIRST = len(channels()) + 1
"""Sequence of the first frame: answers to joins are counted too."""


async def test_a_log_that_stands_fills_the_readers_queue_which_is_a_gap_and_an_alarm(
    recorder: Recorder, store: PostgresStore, until: Until
) -> None:
    """The reader is not kept from reading, knows that its queue is full, and says so."""
    vendor = Vendor([FRAME] * 300, len(channels()))
    intake = Intake(recorder, pump_messages_max=20)
    async with serving(vendor) as server:
        states = FeedStates(intake)
        url = str(server.make_url("/socket"))
        feed = SocketFeed(url, "token", intake, states, DAY, queue_messages_max=100)
        reading = asyncio.create_task(feed.run())
        await until(lambda: states._states.get("uw.socket", ("",))[0] == "down")
        assert intake.depth < 600
        async with running(intake):
            await until(lambda: vendor.connections == 2 and not intake._losses)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await until(lambda: not intake.depth)
    (opened,) = await bodies(store, FeedGapOpened)
    (closed,) = await bodies(store, FeedGapClosed)
    assert opened.cause == "queue full at 100 messages: reading stopped"
    assert (closed.gap_id, closed.messages_lost) == (opened.gap_id, None)
    assert [alert.severity for alert in await bodies(store, AlertRaised)] == ["critical"]
    kept = [body.sequence for body in await bodies(store, UwPriceReceived)]
    assert kept == list(range(FIRST, FIRST + len(kept))) and len(kept) >= 100
    assert [body.state for body in await bodies(store, FeedStateChanged)][-1] == "ready"


async def test_frames_that_were_read_before_the_end_reach_the_log(
    intake: Intake, store: PostgresStore, until: Until
) -> None:
    vendor = Vendor([FRAME] * 300, len(channels()))
    async with serving(vendor) as server:
        url = str(server.make_url("/socket"))
        feed = SocketFeed(url, "token", intake, FeedStates(intake), DAY)
        appending = asyncio.create_task(intake.run())
        reading = asyncio.create_task(feed.run())
        await until(lambda: intake.appended > 100)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await intake.finish(appending, 5.0)
    kept = [body.sequence for body in await bodies(store, UwPriceReceived)]
    assert kept == list(range(FIRST, FIRST + len(kept))) and kept
    assert await bodies(store, FeedGapOpened) == []
