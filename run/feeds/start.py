"""What a start writes before the market: missing parameters and, in real time, the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import date, datetime

from adapters.calendar import session_at
from domain.event import derived_id
from domain.events.system import (
    CLOCK_STREAM,
    PARAMETERS_STREAM,
    ClockStarted,
    ParametersChanged,
)
from domain.parameter import Parameter, ParameterState, missing
from run.later_parameters import START
from run.worker import Recorder
from store.contract import EventStore, Selection

POLL_SECONDS = 0.1
REAL_TIME = "real time"


class ClockNotReal(Exception):
    """A desk with money behind it was given the log of a simulated one."""


async def write_missing_parameters(
    store: EventStore, recorder: Recorder, known: Mapping[str, Parameter]
) -> int:
    """Write the shipped defaults that the log lacks; returns how many."""
    state = ParameterState()
    after = 0
    while page := await store.read(after, Selection(types=frozenset({"ParametersChanged"}))):
        for event in page:
            assert isinstance(event.body, ParametersChanged)
            state.apply(event.body)
        after = page[-1].position
    lacking = missing(known, state)
    if lacking:
        change = ParametersChanged(
            values=lacking,
            version=state.version + 1,
            who=START,
            why="shipped defaults that the log lacked",
        )
        # Two processes that start together write the same fact once.
        identity = derived_id("parameters", state.version + 1, sorted(lacking.items()))
        await recorder.record(PARAMETERS_STREAM, change, event_id=identity)
    return len(lacking)


async def newest_clock(store: EventStore) -> ClockStarted | None:
    """The newest ClockStarted."""
    after, newest = 0, None
    while page := await store.read(after, Selection(types=frozenset({"ClockStarted"}))):
        after, newest = page[-1].position, page[-1].body
    assert newest is None or isinstance(newest, ClockStarted)
    return newest


async def running_clock(store: EventStore) -> ClockStarted:
    """The newest ClockStarted; waits for the first, which the director of the demo writes."""
    while (newest := await newest_clock(store)) is None:
        await asyncio.sleep(POLL_SECONDS)
    return newest


async def start_real_clock(
    store: EventStore, recorder: Recorder, now: datetime, closed: Collection[date] = ()
) -> ClockStarted:
    """On paper and live market time is real time: say so once for each session.

    Raises:
        ClockNotReal: the log belongs to a simulated desk.
    """
    newest = await newest_clock(store)
    if newest is not None and newest.reason != REAL_TIME:
        raise ClockNotReal(
            "the log must be one of real time for paper and live, was written by a simulated desk; "
            "give DATABASE_URL a database of its own"
        )
    session_date = session_at(now, closed)
    if newest is not None and newest.session_date == session_date:
        return newest
    started = ClockStarted(
        base_market_time=now, speed=1.0, session_date=session_date, reason=REAL_TIME
    )
    await recorder.record(CLOCK_STREAM, started)
    return started
