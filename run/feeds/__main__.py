"""`python -m run.feeds`: history first, then the live feeds of both vendors."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime

from adapters.calendar import plan_session, session_at
from adapters.unusual_whales import UwRest
from domain.events.system import ProcessHeartbeat, SessionPlanned
from domain.parameters import PARAMETERS
from run.feeds.history import HistoryImport
from run.feeds.intake import Intake
from run.feeds.interactive_brokers import BrokerFeed
from run.feeds.market_clock import MarketClock
from run.feeds.start import (
    running_clock,
    start_real_clock,
    write_missing_parameters,
    write_session_plan,
)
from run.feeds.states import FeedStates
from run.feeds.uw_rest import RestFeed, polls
from run.feeds.uw_socket import SocketFeed
from run.service import Process, command
from run.worker import HEARTBEAT_SECONDS
from store.contract import Selection

READS = ("ib_host", "ib_port", "ib_data_client_id", "basket", "uw_")
OBEYED = frozenset({"ClockStarted", "LinesWanted", "FeedPauseRequested", "FeedResumeRequested"})
BROKER_SECONDS_MAX = 60.0
SESSION_POLL_SECONDS = 30.0


class SessionOver(Exception):
    """The next session is to be planned; the feeds begin anew with it."""


class Feeds:
    """The daemon's parts and their order of start. A virtual-time run brings its own clock."""

    def __init__(
        self,
        process: Process,
        clock: MarketClock | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._process = process
        self._settings = process.settings
        self._intake = Intake(process.recorder)
        self._states = FeedStates(self._intake)
        self._clock = clock or MarketClock()
        self._now = now
        self._plan: SessionPlanned | None = None
        self._broker = BrokerFeed(
            process.settings,
            process.recorder,
            self._intake,
            self._states,
            self._clock,
            self._in_session,
        )

    def _in_session(self) -> bool:
        if self._plan is None or self._clock.speed == 0:
            return False
        return self._plan.day.open_at <= self._clock.now() < self._plan.day.close_at

    async def run(self) -> None:
        """Import, plan, then run all feeds until cancelled."""
        store, recorder = self._process.store, self._process.recorder
        await write_missing_parameters(store, recorder, PARAMETERS)
        if self._settings.mode == "sandbox":
            clock = await running_clock(store)
        else:
            clock = await start_real_clock(store, recorder, self._now())
        plan = plan_session(clock.session_date)
        token = self._settings.uw_token.get_secret_value()
        self._broker.data.start()
        rest = UwRest(
            self._settings.uw_rest_url, token, limit_factor=self._settings.uw_limit_factor
        )
        try:
            async with rest, asyncio.TaskGroup() as tasks:
                tasks.create_task(self._intake.run(), name="feeds.intake")
                tasks.create_task(self._beat(), name="feeds.heartbeat")
                tasks.create_task(self._obey(), name="feeds.obey")
                if self._settings.mode != "sandbox":
                    tasks.create_task(self._until_over(clock.session_date), name="feeds.session")
                basket = self._settings.basket
                async with asyncio.timeout(BROKER_SECONDS_MAX):
                    await self._broker.data.wait_connected()
                await self._broker.list_underlyings(basket)
                expiries = await self._broker.list_chains(clock.session_date)
                history = HistoryImport(store, recorder, self._broker.data, rest)
                ready = await history.run(plan, basket)
                await write_session_plan(recorder, plan)
                await recorder.record("history", ready)
                self._plan = plan
                socket = SocketFeed(
                    self._settings.uw_socket_url,
                    token,
                    self._intake,
                    self._states,
                    clock.session_date,
                )
                tasks.create_task(socket.run(), name="feeds.uw.socket")
                calls = polls({symbol: tuple(days) for symbol, days in expiries.items()})
                polling = RestFeed(rest, self._intake, self._states, self._clock)
                tasks.create_task(polling.run(calls), name="feeds.uw.rest")
        finally:
            await self._broker.data.stop()

    async def _obey(self) -> None:
        """Follow clock, lines and pauses from the beginning of the log: the newest wish counts."""
        async for events, _ in self._process.store.subscribe(0, Selection(types=OBEYED)):
            for event in events:
                self._clock.apply(event)
                self._states.obey(event)
                self._broker.obey(event)

    async def _until_over(self, session_date: date) -> None:
        """Wait for the moment that belongs to the next session."""
        while session_at(self._now()) == session_date:
            await asyncio.sleep(SESSION_POLL_SECONDS)
        raise SessionOver(f"the session of {session_date} is over")

    async def _beat(self) -> None:
        while True:
            heartbeat = ProcessHeartbeat(
                process="feeds",
                run_id=self._process.run_id,
                state="running",
                position=0,
                figures={
                    "queue_depth": float(self._intake.depth),
                    "appended": float(self._intake.appended),
                    "rejected": float(self._intake.rejected),
                },
            )
            await self._process.recorder.record("heartbeat/feeds", heartbeat)
            await asyncio.sleep(HEARTBEAT_SECONDS)


async def main(process: Process) -> None:
    """Run the feeds until the process is asked to stop, one session after the other."""
    while True:
        try:
            await Feeds(process).run()
        except* SessionOver as group:
            process.log.info("session over", reason=str(group.exceptions[0]))


if __name__ == "__main__":
    sys.exit(command("feeds", main, __doc__, reads=READS, needs=("uw_token",)))
