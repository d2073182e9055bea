"""What every daemon does at start and end: arguments, settings, logs, metrics, store, missing
parameters, signals to stop."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
import uvloop

from domain.events.system import ProcessStarted
from domain.parameters import PARAMETERS
from run import log, metrics
from run.build import build_id
from run.clock_step import BrokerTime, OnWait, wait_until_accepted
from run.collector import collect_seldom
from run.command_line import command_line
from run.config import Settings, SettingsError, load_settings, require, shown
from run.feeds.start import write_missing_parameters
from run.niceness import let_others_first, take_short_turns
from run.snapshots import StateCache, state_cache
from run.stopped import StartAgain, innermost
from run.worker import Recorder
from run.workers import deciding_sha256
from store.errors import StoreError
from store.postgres import PostgresStore


@dataclass(frozen=True, slots=True)
class Process:
    """A running daemon's parts."""

    name: str
    build: str
    run_id: str
    settings: Settings
    store: PostgresStore
    recorder: Recorder
    log: structlog.stdlib.BoundLogger

    @property
    def configuration_sha256(self) -> str:
        """Of the settings on which this process' decisions and states depend."""
        return deciding_sha256(self.name, self.settings)

    def state_cache(self) -> StateCache | None:
        """The snapshots of this process; None when there is no secret to sign them with."""
        return state_cache(self.store, self.settings, self.build, self.configuration_sha256)


Main = Callable[[Process], Awaitable[None]]
Start = Callable[[Process], Awaitable[None]]


def _measure_append(seconds: float, events: int) -> None:
    metrics.APPEND_SECONDS.observe(seconds)
    metrics.EVENTS_APPENDED.inc(events)


def _measure_read_wait(seconds: float) -> None:
    metrics.READ_WAITS.inc()
    metrics.READ_WAIT_SECONDS.inc(seconds)


async def begin(
    process: Process, broker_time: BrokerTime | None = None, on_wait: OnWait | None = None
) -> None:
    """Wait while a step of the clock is refused, then put on the log what a start puts there."""
    await wait_until_accepted(process.store, process.recorder, process.log, broker_time, on_wait)
    # Before anything else: a decision on a log without them could never be made again.
    await write_missing_parameters(process.store, process.recorder, PARAMETERS)
    started = ProcessStarted(
        process=process.name, build=process.build, settings=shown(process.settings)
    )
    await process.recorder.record(f"process/{process.name}", started)
    process.log.info("started", run_id=process.run_id)


async def open_store(name: str, settings: Settings) -> PostgresStore:
    """The log as a daemon uses it: its waits and appends are counted."""
    return await PostgresStore.open(
        settings.database_url,
        application_name=name,
        on_append=_measure_append,
        archive_folder=settings.archive,
        on_wait=lambda _: metrics.APPEND_WAITS.inc(),
        on_read_wait=_measure_read_wait,
    )


async def _serve(name: str, settings: Settings, main: Main, start: Start | None) -> None:
    from uuid import uuid4

    build = build_id()
    logger = log.configure(name, build, settings.mode)
    try:
        metrics.serve(settings.metrics_host, settings.metrics_port)
    except OSError as error:
        # The desk is worth more than its figures: a taken port must not keep the trader down.
        logger.warning(
            "metrics are not served: set STRIKETAPE_METRICS_PORT to a free port",
            port=settings.metrics_port,
            error=str(error),
        )
    async with await open_store(name, settings) as store:
        run_id = uuid4().hex
        recorder = Recorder(store, name, build, run_id)
        process = Process(name, build, run_id, settings, store, recorder, logger)
        if settings.mode != "sandbox":
            await store.assert_durable()
        await _until_signal(_work(process, main, start))
        logger.info("stopped")


async def _work(process: Process, main: Main, start: Start | None) -> None:
    if start is not None:
        await start(process)
    await main(process)


async def _until_signal(work: Awaitable[None]) -> None:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise


def command(
    name: str, main: Main, about: str, *, reads: Sequence[str] = (), needs: Sequence[str] = ()
) -> int:
    """`python -m run.<name>` of a daemon without arguments: answer --help, or serve."""
    command_line(f"run.{name}", about, reads=reads, needs=needs).parse_args()
    return serve(name, main, needs)


def serve(
    name: str,
    main: Main,
    needs: Sequence[str] = (),
    *,
    start: Start | None = begin,
    niceness: int = 0,
) -> int:
    """Run a daemon until it is asked to stop; the exit code of its process.

    It does not start without the settings that it `needs`, and `main` not before `start` is over;
    None for a main that begins by itself. A daemon with a `niceness` (as of nice(1)) lets those
    that decide and send go first.
    """
    if niceness:
        let_others_first(niceness)
    else:
        take_short_turns()
    try:
        settings = load_settings()
        require(settings, needs)
    except SettingsError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    collect_seldom()
    try:
        uvloop.run(_serve(name, settings, main, start))
    except (StoreError, OSError) as error:
        structlog.get_logger(f"striketape.{name}").error("cannot go on", error=str(error))
        return 1
    except (BaseExceptionGroup, StartAgain) as error:
        first = innermost(error)
        logger = structlog.get_logger(f"striketape.{name}")
        if isinstance(first, StartAgain):
            logger.warning("starts again", reason=str(first))
            return 0
        logger.error("cannot go on", error=repr(first))
        return 1
    return 0
