"""Pauses of the operator: each is written once, however often the feeds start."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from domain.event import Recorded
from domain.events.controls import ControlRefused, FeedPauseRequested, FeedResumeRequested
from domain.events.feed_health import FeedGapClosed, FeedGapOpened, FeedStateChanged
from domain.phase import Phase
from run.feeds.intake import Intake
from run.feeds.states import BROKER, FeedStates
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore
from tests.on_the_log import bodies

FEED = "uw.socket"
AT = datetime(2026, 11, 27, 15, 0, tzinfo=UTC)
REQUESTS = Selection(types=frozenset({"FeedPauseRequested", "FeedResumeRequested"}))


async def ask(recorder: Recorder, *requests: str) -> list[Recorded]:
    """Requests of the operator as events on the log; all there are."""
    for request in requests:
        kind = FeedPauseRequested if request == "pause" else FeedResumeRequested
        body = kind(feed=FEED, who="operator", route="api", reason="test")
        await recorder.record("control/api", body)
    return await recorder.store.read(0, REQUESTS)


async def start(recorder: Recorder, *, live: list[Recorded]) -> FeedStates:
    """A further start of the feeds: folds what is on the log, then hears `live`."""
    intake = Intake(Recorder(recorder.store, "feeds", "build", f"run {recorder._count}"))
    recorder._count += 1
    states = FeedStates(intake)
    heard = {event.position for event in live}
    for event in await recorder.store.read(0, REQUESTS):
        if event.position not in heard:
            states.obey(event)
    states.go_live()
    states.changed(FEED, "ready", "", "connection")
    for event in live:
        states.obey(event)
    await intake.finish(asyncio.create_task(intake.run()), 5.0)
    return states


async def test_a_past_that_is_over_is_folded_in_silence(
    recorder: Recorder, store: PostgresStore
) -> None:
    await start(recorder, live=await ask(recorder, "pause", "resume"))
    before = [event.body for event in await store.read(0)]
    for _ in range(2):
        assert not (await start(recorder, live=[])).is_paused(FEED)
    new = [event.body for event in await store.read(0)][len(before) :]
    assert [body.state for body in new if isinstance(body, FeedStateChanged)] == ["ready"] * 2
    assert len(new) == 2


async def test_a_pause_stands_over_starts_and_is_written_once_with_the_time_of_its_request(
    recorder: Recorder, store: PostgresStore
) -> None:
    (request,) = await ask(recorder, "pause")
    for _ in range(3):
        assert (await start(recorder, live=[])).is_paused(FEED)
    states = await bodies(store, FeedStateChanged)
    assert [body.state for body in states] == ["paused"]  # none of the connection beside it
    (gap,) = await bodies(store, FeedGapOpened)
    assert gap.since == request.recorded_at
    *_, resume = await ask(recorder, "resume")
    await start(recorder, live=[resume])
    (closed,) = await bodies(store, FeedGapClosed)
    assert (closed.gap_id, closed.until) == (gap.gap_id, resume.recorded_at)
    assert (await bodies(store, FeedStateChanged))[-1].state == "ready"


async def test_a_resume_that_came_while_the_feeds_were_away_ends_the_gap(
    recorder: Recorder, store: PostgresStore
) -> None:
    await start(recorder, live=await ask(recorder, "pause"))
    await ask(recorder, "resume")
    for _ in range(2):
        await start(recorder, live=[])
    assert len(await bodies(store, FeedGapClosed)) == 1


async def test_what_comes_of_a_request_names_it_as_its_cause(
    recorder: Recorder, store: PostgresStore
) -> None:
    pause, again, resume = await ask(recorder, "pause", "pause", "resume")
    await start(recorder, live=[pause, again, resume])
    for request, kinds in (
        (pause, [FeedStateChanged, FeedGapOpened]),
        (again, [ControlRefused]),
        (resume, [FeedGapClosed, FeedStateChanged]),
    ):
        asked = await store.event(request.event_id)
        assert asked is not None
        caused = await store.caused_by([asked])
        assert [type(event.body) for event in caused] == kinds
        assert {event.correlation_id for event in caused} == {request.correlation_id}


async def test_what_the_broker_does_not_send_is_a_gap_of_the_whole_feed(
    recorder: Recorder, store: PostgresStore
) -> None:
    """From its last message to where it is ready again; by night, to where it is connected."""
    phase = Phase.REGULAR
    intake = Intake(recorder)
    states = FeedStates(intake, lambda: phase)
    states.changed(BROKER, "connected", "", "1")
    states.changed(BROKER, "ready", "", "1")
    intake.last_at[BROKER] = AT
    states.changed(BROKER, "mute", "no ticks", "1")
    states.changed(BROKER, "down", "closed", "1")
    states.changed(BROKER, "connected", "", "2")
    assert intake.gaps.find(BROKER, "")
    states.changed(BROKER, "ready", "", "2")
    assert intake.gaps.find(BROKER, "") is None
    phase = Phase.CLOSED
    states.changed(BROKER, "restarting", "", "2")
    states.changed(BROKER, "connected", "", "3")
    await intake.finish(asyncio.create_task(intake.run()), 5.0)
    opened = await bodies(store, FeedGapOpened)
    assert [(gap.since >= AT, gap.cause) for gap in opened] == [
        (True, "mute: no ticks"),
        (True, "restarting"),
    ]
    assert opened[0].since == AT
    closed = await bodies(store, FeedGapClosed)
    assert [gap.gap_id for gap in closed] == [gap.gap_id for gap in opened]
