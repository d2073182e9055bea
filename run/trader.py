"""The trader daemon: the single writer to the broker account.

Stages risk, orders, positions and stops decide; the order effect sends. It waits for no people,
chat, model or Redis. Usually run/watchdog starts it and talks to it over two pipes; without them
it runs alone.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from adapters.interactive_brokers.link import IbLink
from adapters.interactive_brokers.orders import SENDS_A_SECOND_MAX, IbOrders, NotSent
from adapters.interactive_brokers.session import SessionRule
from domain.event import Recorded
from domain.events.controls import TradingReleased
from domain.events.orders import EmergencyCancelSent
from domain.execution.desk import Desk
from run import metrics
from run.cancel_journal import CancelJournal
from run.clock_step import BrokerTime
from run.command_line import command_line
from run.config import Settings
from run.control_file import POLL_SECONDS, REASON_LENGTH_MAX, ControlFiles
from run.order_effect import OrderEffect
from run.service import Process, begin, open_store, serve
from run.stopped import PoisonInput
from run.worker import Recorder, Worker
from run.workers import WORKERS
from store.contract import EventStore
from store.errors import StoreError

SANDBOX_SENDS_A_SECOND_MAX = 40
READS = ("ib_host", "ib_port", "ib_trader_client_id", "ib_account", "var_dir")
REPORT_SECONDS = 0.5
WAITS = "waits:"
"""A report that begins so says what the start of the trader waits for."""
BROKER_TIME_SECONDS = 1.0
"""A later answer is no answer: it would seem to be a clock behind."""
CANCEL_SECONDS = 4.0
"""Entries that a halt has not ended by then are cancelled without a decision."""
CANCEL_AGAIN_SECONDS = 1.0
"""A cancel that found no room or no connection is tried again so often."""


class WatchdogLine:
    """The pipes to the watchdog: commands come in, reports go out. A line each."""

    def __init__(self, control: int, report: int, on_halt: Callable[[str], None]) -> None:
        self._control, self._report = control, report
        self._on_halt = on_halt
        os.set_blocking(report, False)

    def say(self, line: str) -> None:
        """It never blocks: a watchdog that hangs, so that the pipe fills, does not hang its trader.
        Without a watchdog: the end.

        Raises:
            BrokenPipeError: the watchdog is gone; a trader alone cannot be halted by it.
        """
        with suppress(BlockingIOError):
            os.write(self._report, line.encode() + b"\n")

    def wait(self, what: str) -> None:
        """Say that the start of this process waits, and for what."""
        self.say(f"{WAITS} {what}")

    async def listen(self) -> None:
        """Obey halts at once and confirm them; end with the watchdog."""
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        pipe = os.fdopen(self._control, "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            while line := await reader.readline():
                command, _, reason = line.decode(errors="replace").strip().partition(" ")
                if command == "halt":
                    self._on_halt(reason or "watchdog")
                    self.say("halted")
        finally:
            transport.close()
        raise BrokenPipeError("the watchdog must live while its trader does, was gone")

    async def beat(self) -> None:
        """Say that this process turns its loop."""
        while True:
            self.say("beat")
            await asyncio.sleep(REPORT_SECONDS)


class Trader:
    """The parts of the daemon, wired; `run` ends when one of them does."""

    def __init__(
        self,
        process: Process,
        broker: IbOrders | None = None,
        outcomes: EventStore | None = None,
    ) -> None:
        """`outcomes` takes what was sent and what the broker says; the process's store if none is
        given. With one of its own no decision waits behind them for its commit."""
        settings = process.settings
        self.process = process
        self.worker = Worker(
            "trader",
            WORKERS["trader"](settings),
            process.store,
            process.build,
            configuration_sha256=process.configuration_sha256,
            on_committed=self._on_committed,
            on_stopped=self._on_stopped,
            cache=process.state_cache(),
            figures=self._figures,
        )
        self.broker = broker or IbOrders(
            settings.ib_host,
            settings.ib_port,
            settings.ib_trader_client_id,
            self.worker.run_id,
            lambda: datetime.now(UTC),
            session=SessionRule(settings.mode, settings.ib_account),
            # Ladders follow market time: a simulated day at speed walks them many times faster.
            sends_a_second_max=SANDBOX_SENDS_A_SECOND_MAX
            if settings.mode == "sandbox"
            else SENDS_A_SECOND_MAX,
        )
        self.files = ControlFiles(settings.var_dir)
        self._stands = ""
        """Why the worker decides no more; empty while it does."""
        self.effect = OrderEffect(
            self.broker,
            Recorder(
                outcomes or process.store,
                self.worker.name,
                process.build,
                f"{self.worker.run_id}/outcomes",
            ),
            process.store,
            self.worker.run_id,
            halted_outside=lambda: self.files.standing() or self._stands,
            deciding_input=self.worker.deciding_input,
        )
        self.journal = CancelJournal(settings.var_dir)
        self._cancelled: dict[str, str] = {}
        """Entries cancelled without a decision in this halt, and on which connection."""

    def _on_committed(self, emitted: Sequence[Recorded]) -> None:
        self.effect.on_committed(emitted)
        for event in emitted:
            if isinstance(event.body, TradingReleased):
                self._released(event)
        metrics.count_outcomes(emitted)

    def _released(self, event: Recorded) -> None:
        """A file outlives a release: before anything can leave, it halts again."""
        reason = self.files.standing()
        if reason:
            self.effect.stop_entries(reason)
            self.files.ask_again(str(event.event_id))

    def _on_stopped(self, poison: PoisonInput) -> None:
        """Nobody decides while the worker stands: entries end, protective stops rest at the broker.

        The worker raises the alert; what the broker says goes on being recorded.
        """
        self._stands = f"the trader stands before {poison}"
        self.cancel_entries(self._stands)

    def _figures(self) -> dict[str, float]:
        metrics.BROKER_CONNECTED.labels("trader").set(self.broker.is_connected)
        return {
            "broker_connected": float(self.broker.is_connected),
            "live_entries": float(len(self.effect.live_entries)),
            "broker_events_waiting": float(self.broker.events.qsize()),
        }

    async def run(self) -> None:
        """Journal, worker, then the broker. Raises what ended it."""
        await self.journal.append_to_log(self.worker.recorder)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.worker.run(), name="trader.worker")
                tasks.create_task(self._watch_files(), name="trader.control_files")
                await self.worker.ready.wait()
                self._take_over()
                await self._look_at_old_files()
                tasks.create_task(self.effect.run(), name="trader.effect")
                tasks.create_task(self.effect.run_looks(), name="trader.looks")
                tasks.create_task(self.effect.record_events(), name="trader.broker_events")
                tasks.create_task(self.effect.hold_connection(), name="trader.connection")
                tasks.create_task(self.cancel_what_stays(), name="trader.late_cancels")
        except* StoreError as group:
            reason = f"the log cannot be written: {group.exceptions[0]}"
            self.cancel_entries(reason)
            if self._to_cancel() and self.broker.is_connected:
                await asyncio.sleep(CANCEL_AGAIN_SECONDS)
                self.cancel_entries(reason)
            # The cancels are in the socket's hands; a moment lets them leave.
            await asyncio.sleep(0.05)
            raise
        finally:
            await self.broker.close("the trader ends")

    def _take_over(self) -> None:
        """What the log says about halt and live entries holds from the first order on."""
        consumer = self.worker.consumer
        for state in consumer.states:
            if not isinstance(state, Desk):
                continue
            if state.halted:
                self.effect.stop_entries("halted on the log")
            for order in state.book.live():
                if order.purpose.opens:
                    self.effect.live_entries[order.ref] = order.order_id

    async def _look_at_old_files(self) -> None:
        """A file that was told, folded and released since halts again, with this run's request."""
        for request in self.files.requests():
            told = await self.process.store.event(request.event_id)
            folded = told is not None and told.position <= self.worker.position
            if folded and not self._is_halted():
                self.files.ask_again(self.worker.run_id)

    def _is_halted(self) -> bool:
        states = self.worker.consumer.states
        return any(state.halted for state in states if isinstance(state, Desk))

    async def _watch_files(self) -> None:
        while True:
            reason = self.files.standing()
            if reason:
                self.effect.stop_entries(reason)
            if self.worker.ready.is_set():
                for request in self.files.new():
                    await self.worker.recorder.record(
                        request.stream,
                        request.body,
                        event_id=request.event_id,
                        occurred_at=request.written_at,
                    )
            await asyncio.sleep(POLL_SECONDS)

    async def cancel_what_stays(self, seconds: float = CANCEL_SECONDS) -> None:
        """A halt whose cancels nobody decides, as while the log hangs: they leave all the same.

        Once a halt for each entry and connection; what could not leave is tried again.
        """
        due_at: float | None = None
        was_tried = False
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if not (self.effect.entries_stopped and self.effect.live_entries):
                due_at, was_tried = None, False
                self._cancelled.clear()
                continue
            now = time.monotonic()
            due_at = now + seconds if due_at is None else due_at
            if now < due_at or not self._to_cancel():
                continue
            if self.broker.is_connected or not was_tried:
                self.cancel_entries(self.effect.entries_stopped)
                due_at, was_tried = now + CANCEL_AGAIN_SECONDS, True

    def _to_cancel(self) -> list[tuple[str, int]]:
        """Entries whose cancel has not left on the present connection."""
        here = self.effect.connection
        live = self.effect.live_entries
        return sorted((ref, live[ref]) for ref in live if self._cancelled.get(ref) != here)

    def cancel_entries(self, reason: str) -> None:
        """Entries may be cancelled without a decision: journalled first, each singly.

        What cannot leave now is left to `cancel_what_stays`.
        """
        self.effect.stop_entries(reason)
        for order_ref, order_id in self._to_cancel():
            self.journal.write(
                EmergencyCancelSent(
                    order_ref=order_ref,
                    order_id=order_id,
                    who="trader",
                    reason=reason[:REASON_LENGTH_MAX],
                    cancelled_at=datetime.now(UTC),
                )
            )
            with suppress(NotSent):
                self.broker.cancel(order_id)
                self._cancelled[order_ref] = self.effect.connection


def pipes(arguments: list[str]) -> tuple[int, int] | None:
    """The file descriptors that the watchdog passed, if it did."""
    parser = command_line("run.trader", __doc__, reads=READS)
    parser.add_argument("--control", type=int, default=-1, help="file descriptor of its commands")
    parser.add_argument("--report", type=int, default=-1, help="file descriptor of our reports")
    given = parser.parse_args(arguments)
    if given.control < 0 or given.report < 0:
        return None
    return given.control, given.report


def ask_broker(settings: Settings) -> BrokerTime:
    """Asks for the broker's time over a connection of its own, before the trader has one."""

    async def broker_time() -> datetime:
        SessionRule(settings.mode, settings.ib_account).check_address(
            settings.ib_host, settings.ib_port
        )
        link = IbLink(lambda _: None)
        await link.open(settings.ib_host, settings.ib_port, settings.ib_trader_client_id)
        try:
            return await link.current_time(BROKER_TIME_SECONDS)
        finally:
            link.close("the broker's time is known")

    return broker_time


async def start(process: Process) -> None:
    """Begin; what is waited for meanwhile, the watchdog hears, which would take it for a hang."""
    ends = pipes(sys.argv[1:])
    line = None if ends is None else WatchdogLine(*ends, lambda _: None)
    on_wait = None if line is None else line.wait
    await begin(process, ask_broker(process.settings), on_wait)


async def main(process: Process) -> None:
    """Run the trader, on the watchdog's line when there is one."""
    ends = pipes(sys.argv[1:])
    async with await open_store(process.name, process.settings) as outcomes:
        trader = Trader(process, outcomes=outcomes)
        if ends is None:
            await trader.run()
            return
        line = WatchdogLine(*ends, trader.effect.stop_entries)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(line.listen(), name="trader.watchdog_line")
            tasks.create_task(line.beat(), name="trader.beat")
            tasks.create_task(trader.run(), name="trader")


if __name__ == "__main__":
    pipes(sys.argv[1:])  # --help and wrong arguments come before any setting
    sys.exit(serve("trader", main, start=start))
