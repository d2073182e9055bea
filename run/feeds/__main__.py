"""`python -m run.feeds`: history first, then the live feeds of both vendors."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

from adapters.calendar import plan_session, session_at
from adapters.recording import Tape
from adapters.unusual_whales import UwAnswer, UwRest
from domain.event import Recorded
from domain.events.system import ProcessHeartbeat, SessionPlanned
from domain.instruments import SYMBOLS
from domain.parameters import PARAMETERS
from domain.payloads.unusual_whales import family
from domain.payloads.unusual_whales.channel_table import joined
from domain.phase import Phase, phase_at
from run.command_line import command_line
from run.config import Settings
from run.feeds.backfill import Backfill, day_began
from run.feeds.broker_chains import calendar_expiries
from run.feeds.channel_watch import AWAY
from run.feeds.drift import Drift
from run.feeds.gaps import GAP_TYPES, last_heard
from run.feeds.history import HistoryImport
from run.feeds.hours import Hours
from run.feeds.intake import Intake
from run.feeds.interactive_brokers import BrokerFeed
from run.feeds.market_clock import MarketClock
from run.feeds.rates import Rates, usual_rates
from run.feeds.rest_endpoints import REST
from run.feeds.start import (
    running_clock,
    start_real_clock,
    write_missing_parameters,
)
from run.feeds.states import BROKER, FeedStates
from run.feeds.uw_rest import RestFeed, batches_taken
from run.feeds.uw_socket import SOCKET, SocketFeed, SocketSettings
from run.service import Process, serve
from run.worker import HEARTBEAT_SECONDS
from store.contract import Selection

READS = (
    "ib_host",
    "ib_port",
    "ib_account",
    "ib_data_client_id",
    "basket",
    "uw_",
    "record_feeds",
    "var_dir",
)
NEEDS = ("uw_token",)
OBEYED = frozenset(
    {
        "ClockStarted",
        "DepthWanted",
        "ExpiryPassedOver",
        "LinesWanted",
        "FeedPauseRequested",
        "FeedResumeRequested",
        "SessionOverridden",
    }
)
BROKER_SECONDS_MAX = 60.0
"""How long the plan of the session waits for the broker's part of history."""
FINISH_SECONDS_MAX = 4.0
"""How long the end waits for what is queued; the supervisor kills eight seconds after asking."""
SESSION_POLL_SECONDS = 30.0


async def _watch(appending: asyncio.Task[None]) -> None:
    """Fail with the intake, but let it outlive the readers."""
    await asyncio.wait({appending})
    appending.result()


def _tape(settings: Settings) -> Tape:
    secrets = (settings.uw_token.get_secret_value(), settings.ib_account)
    return Tape(settings.var_dir / "recordings", secrets, lambda: datetime.now(UTC))


class SessionOver(Exception):
    """The next session is to be planned; the feeds begin anew with it."""


class Feeds:
    """The daemon's parts and their order of start. A virtual-time run brings its own clock."""

    def __init__(
        self,
        process: Process,
        clock: MarketClock | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        broker_seconds_max: float = BROKER_SECONDS_MAX,
    ) -> None:
        self._process = process
        self._settings = process.settings
        self._channels = joined(self._settings.uw_channels_off, self._settings.uw_channels_on)
        self._intake = Intake(process.recorder)
        self._intake.on_message(Drift(self._intake).heard)
        self._rates = Rates(self._intake, self._phase, self._half_hour)
        self._intake.on_message(self._rates.heard)
        self._states = FeedStates(self._intake, self._phase)
        self._clock = clock or MarketClock()
        self._now = now
        self._broker_seconds_max = broker_seconds_max
        self._tape: Tape | None = None
        if process.settings.record_feeds:
            self._tape = _tape(process.settings)
        self._hours = Hours()
        self._calendar: SessionPlanned | None = None
        self._plan: SessionPlanned | None = None
        self._socket: SocketFeed | None = None
        self.polling: RestFeed | None = None
        self._tells_plan = False
        self._planned = asyncio.Event()
        self._listed: asyncio.Future[dict[str, list[date]]] = asyncio.Future()
        self._broker = BrokerFeed(
            process.settings,
            process.recorder,
            self._intake,
            self._states,
            self._clock,
            self._in_session,
            self._tape,
        )

    def _in_session(self) -> bool:
        if self._plan is None or self._clock.speed == 0:
            return False
        return self._plan.day.open_at <= self._clock.now() < self._plan.day.close_at

    def _phase(self) -> Phase | None:
        """The phase of market time; None while the clock stands or leaves out what is due."""
        if self._plan is None or self._clock.speed == 0 or self._clock.thinned:
            return None
        return phase_at(self._plan, self._clock.now())

    def _half_hour(self) -> int | None:
        """That of the regular session, where a minute of the market is one of ours."""
        if not self._in_session() or self._clock.speed != 1:
            return None
        assert self._plan is not None
        return (self._clock.now() - self._plan.day.open_at) // timedelta(minutes=30)

    async def run(self) -> None:
        """Import, plan, and run all feeds until cancelled; none of them waits for another one."""
        store, recorder = self._process.store, self._process.recorder
        await write_missing_parameters(store, recorder, PARAMETERS)
        await self._hours.read(store)
        if self._settings.mode == "sandbox":
            clock = await running_clock(store)
        else:
            clock = await start_real_clock(store, recorder, self._now(), self._hours.closed)
        self._calendar = plan_session(clock.session_date)
        self._plan = self._hours.applied(self._calendar)
        token = self._settings.uw_token.get_secret_value()
        rest = UwRest(
            self._settings.uw_rest_url,
            token,
            limit_factor=self._settings.uw_limit_factor,
            heard=self._keep if self._tape else None,
        )
        flows = {SOCKET: frozenset(family(channel) for channel in self._channels)}
        self.polling = RestFeed(
            rest, self._intake, self._states, self._clock, self._plan.day, flows
        )
        appending = asyncio.create_task(self._intake.run(), name="feeds.intake")
        try:
            head = await self._fold_past()
            self._rates.usual = await usual_rates(store, clock.session_date)
            await self._run_feeds(self._plan, rest, appending, head)
        finally:
            await self._broker.data.stop()
            if self._tape is not None:
                self._tape.close()
            await self._intake.finish(appending, FINISH_SECONDS_MAX)

    async def _run_feeds(
        self, plan: SessionPlanned, rest: UwRest, appending: asyncio.Task[None], head: int
    ) -> None:
        token = self._settings.uw_token.get_secret_value()
        socket = self._socket = SocketFeed(
            SocketSettings(
                self._settings.uw_socket_url,
                token,
                plan.day.session_date,
                self._channels,
                heard=self._tape.socket if self._tape else None,
            ),
            self._intake,
            self._states,
            self._clock,
            self._phase,
        )
        await self._mind_absence(socket)
        self._broker.data.start()
        async with rest, asyncio.TaskGroup() as tasks:
            tasks.create_task(_watch(appending), name="feeds.intake.watch")
            tasks.create_task(self._beat(), name="feeds.heartbeat")
            tasks.create_task(self._obey(head), name="feeds.obey")
            if self._settings.mode != "sandbox":
                tasks.create_task(self._until_over(plan.day.session_date), name="feeds.session")
            tasks.create_task(socket.run(), name="feeds.uw.socket")
            tasks.create_task(socket.watch(), name="feeds.uw.watch")
            tasks.create_task(self._prepare(plan, rest), name="feeds.prepare")
            tasks.create_task(self._poll(plan), name="feeds.uw.rest")
            tasks.create_task(self._fill_gaps(rest), name="feeds.uw.backfill")

    def _keep(self, answer: UwAnswer) -> None:
        assert self._tape is not None
        self._tape.rest(f"{answer.path}?{answer.query}", answer.status, answer.body_bytes)

    async def _mind_absence(self, socket: SocketFeed) -> None:
        """What the vendors said since the last event of each channel is missing. Losses that an
        earlier process counted, and gaps of what is no longer joined, are over."""
        gaps, now = self._intake.gaps, datetime.now(UTC)
        for feed in (SOCKET, REST):
            gaps.close(feed, "", now)
        streams = {f"uw/{channel}": channel for channel in self._channels}
        heard = await last_heard(self._process.store, streams)
        socket.watched.remember({streams[stream]: at for stream, at in heard.items()})
        socket.watched.forget_others(now)
        lines = [f"ib/{kind}/{symbol}" for kind in ("ticks", "bars") for symbol in SYMBOLS]
        broker = await last_heard(self._process.store, lines)
        if broker:
            gaps.open(BROKER, "", max(broker.values()), AWAY)

    async def _prepare(self, plan: SessionPlanned, rest: UwRest) -> None:
        """List and import, then plan the session: at once when the broker is there, without its
        part when it is not there in time, and that part when it comes."""
        recorder, basket = self._process.recorder, self._settings.basket
        history = HistoryImport(self._process.store, recorder, self._broker.data, rest)
        is_connected = await self._connects_in_time()
        if is_connected:
            await self._list(plan)
        ready = await history.run(plan, basket)
        assert self._calendar is not None
        # First, so that an override that comes meanwhile is answered behind this plan.
        self._tells_plan = True
        await self._hours.write(recorder, self._calendar)
        await recorder.record("history", ready)
        self._planned.set()
        if not is_connected:
            await self._broker.data.wait_connected()
            await self._list(plan)
            await recorder.record("history", await history.run(plan, basket))
        await self._broker.keep(plan)

    async def _connects_in_time(self) -> bool:
        try:
            async with asyncio.timeout(self._broker_seconds_max):
                await self._broker.data.wait_connected()
        except TimeoutError:
            self._process.log.warning("no broker", seconds=self._broker_seconds_max)
            return False
        return True

    async def _list(self, plan: SessionPlanned) -> None:
        await self._broker.list_underlyings(self._settings.basket)
        self._listed.set_result(await self._broker.list_chains(plan.day.session_date))

    async def _poll(self, plan: SessionPlanned) -> None:
        """Poll by the calendar until the broker has listed what there is."""
        assert self.polling is not None
        guesses, polling, chains = calendar_expiries(plan), self.polling, self._broker.chains
        chains.on_new = lambda: polling.list_expiries(guesses | chains.expiries)
        polling.remember(await batches_taken(self._process.store, plan.day.session_date))
        await self._planned.wait()
        listed = self._listed.result() if self._listed.done() else {}
        polling.list_expiries(guesses | listed)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(polling.run(), name="feeds.uw.rest.schedule")
            polling.list_expiries(guesses | await asyncio.shield(self._listed))

    async def _fill_gaps(self, rest: UwRest) -> None:
        today = day_began(self._now())
        fill = Backfill(rest, self._intake, self._states, self._clock, self._channels, today)
        await fill.run(self._process.store)

    async def _fold_past(self) -> int:
        """Follow clock, lines and pauses up to the head of the log, and do what stands of them;
        the head."""
        store = self._process.store
        selection = Selection(types=OBEYED | GAP_TYPES | {"UnderlyingListed"})
        head, after = await store.head(), 0
        while page := await store.read(after, selection, up_to=head):
            for event in page:
                self._clock.apply(event)
                self._states.obey(event)
                self._broker.note(event)
                self._note(event)
                self._follow_hours(event)
                self._intake.gaps.fold(event)
            after = page[-1].position
        self._states.go_live()
        self._broker.open_wanted()
        return head

    async def _obey(self, head: int) -> None:
        """Follow clock, lines and pauses: the newest wish counts."""
        async for events, _ in self._process.store.subscribe(head, Selection(types=OBEYED)):
            for event in events:
                self._clock.apply(event)
                self._states.obey(event)
                self._note(event)
                if self._follow_hours(event) and self._tells_plan:
                    assert self._calendar is not None
                    await self._hours.write(self._process.recorder, self._calendar, event)
                if self._broker.note(event):
                    self._broker.open_wanted()

    def _note(self, event: Recorded) -> None:
        assert self.polling is not None
        self.polling.note(event)

    def _follow_hours(self, event: Recorded) -> bool:
        """Whether the exchange changes the hours of a session of the plan."""
        assert self._calendar is not None and self.polling is not None
        if not self._hours.note(event, self._calendar):
            return False
        self._plan = self._hours.applied(self._calendar)
        self.polling.change_hours(self._plan.day)
        return True

    async def _until_over(self, session_date: date) -> None:
        """Wait for the moment that belongs to the next session."""
        while session_at(self._now(), self._hours.closed) == session_date:
            await asyncio.sleep(SESSION_POLL_SECONDS)
        raise SessionOver(f"the session of {session_date} is over")

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._intake.count_minute(datetime.now(UTC))
            heartbeat = ProcessHeartbeat(
                process="feeds",
                run_id=self._process.run_id,
                state="running",
                position=0,
                figures={
                    "queue_depth": float(self._intake.depth),
                    "appended": float(self._intake.appended),
                    "rejected": float(self._intake.rejected),
                    "restated": float(self._intake.restated),
                    "loop_late_ms": round(max(0.0, loop.time() - due) * 1_000, 1),
                    "socket_queue_depth": float(self._socket.queue_depth if self._socket else 0),
                    "rest_quota_used": round(self.polling.quota_share if self.polling else 0.0, 4),
                    **self._intake.lags.take_figures(),
                },
            )
            await self._process.recorder.record("heartbeat/feeds", heartbeat)
            due = loop.time() + HEARTBEAT_SECONDS
            await asyncio.sleep(HEARTBEAT_SECONDS)


async def main(process: Process, *, is_recorded: bool = False) -> None:
    """Run the feeds until the process is asked to stop, one session after the other."""
    if is_recorded:
        settings = process.settings.model_copy(update={"record_feeds": True})
        process = replace(process, settings=settings)
    while True:
        try:
            await Feeds(process).run()
        except* SessionOver as group:
            process.log.info("session over", reason=str(group.exceptions[0]))


def _command() -> int:
    parser = command_line("run.feeds", __doc__, reads=READS, needs=NEEDS)
    parser.add_argument(
        "--record", action="store_true", help="keep what is heard in VAR_DIR/recordings/DAY"
    )
    options = parser.parse_args()
    return serve("feeds", partial(main, is_recorded=options.record), NEEDS)


if __name__ == "__main__":
    sys.exit(_command())
