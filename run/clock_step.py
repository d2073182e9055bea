"""A step of the database clock: what a starting daemon does until somebody accepts it.

While a step is refused the log admits nothing but ClockAccepted, so no order can leave; whoever
noticed it has ended, and waits here when it is started again (run/service.py). Only the API goes on
meanwhile, to say so. Two may accept: the operator (run/accept_clock.py), and a broker whose time
agrees with the database's (the trader asks it). Both leave ClockAccepted and an alert on the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeAlias

import structlog

from domain.events.controls import AlertRaised
from domain.events.system import ClockAccepted
from run import metrics
from run.worker import Recorder
from store.errors import StoreError
from store.postgres import PostgresStore

AGREES_WITHIN = timedelta(seconds=2)
BROKER_RESOLUTION = timedelta(seconds=1)
"""The broker's time comes in whole seconds: it may be this much later than it says."""
POLL_SECONDS = 0.5
BROKER_EVERY_SECONDS = 10.0
REMIND_SECONDS = 60.0
COMMAND = "python -m run.accept_clock --why"

OnWait: TypeAlias = Callable[[str], None]
"""Told at each look what is waited for."""
BrokerTime: TypeAlias = Callable[[], Awaitable[datetime]]
"""Asks the broker for its time; raises OSError when it is not reached."""


class NothingToAccept(Exception):
    """No step of the clock is refused."""


def disagreement(database_time: datetime, broker_time: datetime) -> timedelta:
    """How far the two are apart, at least."""
    ahead = broker_time - database_time
    behind = database_time - broker_time - BROKER_RESOLUTION
    return max(ahead, behind, timedelta())


async def accept(store: PostgresStore, recorder: Recorder, who: str, why: str) -> float:
    """Write ClockAccepted, then the alert that nobody could write before; the step in seconds.

    Raises:
        NothingToAccept: no step is refused.
        StoreError: it is not on the log, as far as this side knows.
    """
    step_seconds = (await store.clock()).step_seconds
    if step_seconds is None:
        raise NothingToAccept("no step of the database clock waits to be accepted")
    body = ClockAccepted(who=who, why=why, step_seconds=step_seconds)
    accepted = recorder.propose("clock", body)
    await recorder.append([accepted])
    text = f"the database clock stepped by {step_seconds:.1f} s; accepted by {who}: {why}"
    alert = AlertRaised(
        alert_id=str(accepted.event_id), severity="critical", code="CLOCK_STEPPED", text=text
    )
    await recorder.record("alerts/clock", alert, causation_id=accepted.event_id)
    return step_seconds


async def wait_until_accepted(
    store: PostgresStore,
    recorder: Recorder,
    log: structlog.stdlib.BoundLogger,
    broker_time: BrokerTime | None = None,
    on_wait: OnWait | None = None,
) -> None:
    """Return once no step of the clock is refused; says so meanwhile in the process's log, its
    figures, and to `on_wait`."""
    loop = asyncio.get_running_loop()
    told_at = asked_at = float("-inf")
    while (step_seconds := (await store.clock()).step_seconds) is not None:
        metrics.CLOCK_STEP_SECONDS.set(step_seconds)
        text = f"the database clock stepped by {step_seconds:.1f} s: decide with {COMMAND}"
        if on_wait is not None:
            on_wait(text)
        if loop.time() - told_at >= REMIND_SECONDS:
            told_at = loop.time()
            log.error("alert", code="CLOCK_STEPPED", text=text)
        if broker_time is not None and loop.time() - asked_at >= BROKER_EVERY_SECONDS:
            asked_at = loop.time()
            with suppress(NothingToAccept):
                await _ask_broker(store, recorder, log, broker_time)
        await asyncio.sleep(POLL_SECONDS)
    metrics.CLOCK_STEP_SECONDS.set(0)


async def _ask_broker(
    store: PostgresStore,
    recorder: Recorder,
    log: structlog.stdlib.BoundLogger,
    broker_time: BrokerTime,
) -> None:
    """Accept the database's time when the broker's is the same."""
    try:
        told = await broker_time()
        apart = disagreement((await store.clock()).now, told)
        if apart > AGREES_WITHIN:
            log.error("the broker's time disagrees", apart_seconds=apart.total_seconds())
            return
        why = f"agrees with the broker's time within {AGREES_WITHIN.total_seconds():g} s"
        await accept(store, recorder, "broker", why)
    except (OSError, StoreError) as error:
        log.warning("the broker's time is not known", error=str(error))
